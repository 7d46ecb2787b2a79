/** Installs what the commands of this repository need: npm's packages, and Debian's where they are missing. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { delimiter, join } from 'node:path'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** No step takes longer than ten minutes, or it hangs. */
const STEP_LIMIT_MS = 600_000

/** The servers of the tests: the file that shows that one is there, the Debian package, the way around it. */
const SERVERS = [
  ['/usr/bin/redis-server', 'redis-server', 'CELERIAC_TEST_REDIS_URL'],
  ['/usr/lib/rabbitmq/bin/rabbitmq-server', 'rabbitmq-server', 'CELERIAC_TEST_AMQP_URL'],
  // of whichever release; its folder is there with the client alone, too
  ['/usr/lib/postgresql/*/bin/postgres', 'postgresql', 'CELERIAC_TEST_POSTGRES_URL'],
  ['/usr/sbin/mariadbd', 'mariadb-server', 'CELERIAC_TEST_MYSQL_URL'],
  ['/usr/bin/memcached', 'memcached', 'CELERIAC_TEST_MEMCACHED_URL'],
]

/** Python's Celery, as the interop cases need it. */
const PYTHON = [
  ['/usr/lib/python3/dist-packages/celery', 'python3-celery', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/redis', 'python3-redis', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/msgpack', 'python3-msgpack', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/yaml', 'python3-yaml', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/brotli.py', 'python3-brotli', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/sqlalchemy', 'python3-sqlalchemy', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/psycopg2', 'python3-psycopg2', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/pymysql', 'python3-pymysql', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/pylibmc', 'python3-pylibmc', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/memcache.py', 'python3-memcache', 'CELERIAC_TEST_PYTHON'],
]

/** What makes Django's tables, in the unit tests too, and what it reaches their databases by. */
const DJANGO = [
  ['/usr/lib/python3/dist-packages/django', 'python3-django', 'CELERIAC_TEST_PYTHON'],
  [
    '/usr/lib/python3/dist-packages/django_celery_results',
    'python3-django-celery-results',
    'CELERIAC_TEST_PYTHON',
  ],
  ['/usr/lib/python3/dist-packages/psycopg2', 'python3-psycopg2', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/pymysql', 'python3-pymysql', 'CELERIAC_TEST_PYTHON'],
]

/** What makes the certificates of the tests. */
const OPENSSL = ['openssl', 'openssl']

/** Runs a command to its end with its output shown; ends the process when it fails. */
export function run(command, args, options = {}) {
  const all = { stdio: 'inherit', cwd: root, timeout: STEP_LIMIT_MS, ...options }
  const { status, signal, error } = spawnSync(command, args, all)
  const line = [command, ...args].join(' ')
  if (error?.code === 'ETIMEDOUT') fail(`${line} took longer than ${all.timeout / 1000} s`)
  if (error) fail(`${command} could not be started: ${error.message}`)
  if (status !== 0) fail(`${line} failed with ${status ?? signal}`)
}

export function fail(message) {
  console.error(message)
  process.exit(1)
}

/** `npm ci`, unless it was done for this lock file: a copy of it in node_modules tells. */
export function installPackages() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node 20.19 or newer is needed; this is ${process.version}`)
  }
  const installed = join(root, 'node_modules', '.installed.json')
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  console.log('> npm ci')
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(installed, lock)
}

/**
 * The servers of the tests, and Python's Celery unless it is not asked for: from Debian's packages,
 * or the servers from Docker's images where there is no apt or `CELERIAC_TEST_CONTAINERS=1` says so.
 */
export function installServices({ python = true } = {}) {
  const contained = process.env.CELERIAC_TEST_CONTAINERS === '1'
  const debian = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
  let missing = [...SERVERS, ...(python ? PYTHON : []), ...DJANGO, OPENSSL].filter(isMissing)
  const others = !debian && missing.some((row) => SERVERS.includes(row))
  if ((contained || others) && pullImages()) {
    missing = missing.filter((row) => !SERVERS.includes(row))
  } else if (contained) {
    process.exit(1)
  }
  if (missing.length === 0) return
  if (debian) installDebian(missing)
  else fail(advice(missing))
}

function isMissing([file, , env]) {
  if (env && process.env[env]) return false
  const [folder, rest] = file.split('*')
  if (rest !== undefined) return !list(folder).some((name) => existsSync(join(folder, name, rest)))
  const places = file.startsWith('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  return !places.some((place) => existsSync(join(place, file)))
}

function list(folder) {
  return existsSync(folder) ? readdirSync(folder) : []
}

function advice(missing) {
  const packages = missing.map(([, name]) => name).join(' ')
  const around = [...new Set(missing.flatMap(([, , env]) => env ?? []))]
  const ways = [`apt-get install ${packages}`]
  if (around.length > 0) ways.push(`set ${around.join(', ')}`)
  if (missing.some((row) => SERVERS.includes(row))) ways.push('start Docker')
  return `missing for the tests: ${packages}. What helps: ${ways.join(', or ')}`
}

/** Whether the servers can be had, with the images of those that run in containers; says why not. */
function pullImages() {
  const args = ['--import', 'tsx', join(root, 'test', 'support', 'pull.ts')]
  const options = { cwd: root, stdio: 'inherit', timeout: STEP_LIMIT_MS }
  return spawnSync(process.execPath, args, options).status === 0
}

/** What counts is whether the files are there in the end: a service that cannot start is no fault here. */
function installDebian(missing) {
  const packages = missing.map(([, name]) => name)
  console.log(`> apt-get install ${packages.join(' ')}`)
  const output = [
    apt('update'),
    apt('install', '--yes', '--no-install-recommends', ...packages),
  ].join('')
  const still = missing.filter(isMissing)
  if (still.length > 0) fail(`${output}\napt-get did not help; ${advice(still)}`)
}

/** Runs apt-get, without questions and without starting what it installs where that can be had. */
function apt(...args) {
  const options = { encoding: 'utf8', timeout: STEP_LIMIT_MS, stdio: ['ignore', 'pipe', 'pipe'] }
  const quiet = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1', RUNLEVEL: '1' }
  const env = { ...process.env, ...quiet }
  const command = ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args]
  const { stdout, stderr, error } = spawnSync('apt-get', command, { ...options, env })
  return `${stdout}${stderr}${error ? `${error.message}\n` : ''}`
}
