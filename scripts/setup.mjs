/** Installs what the commands of this repository need: npm's packages, and Debian's where they are missing. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** What a test needs beyond npm: the file that shows it is there, the Debian package, the way around it. */
const SERVICES = [
  ['/usr/bin/redis-server', 'redis-server', 'CELERIAC_TEST_REDIS_URL'],
  ['/usr/lib/rabbitmq/bin/rabbitmq-server', 'rabbitmq-server', 'CELERIAC_TEST_AMQP_URL'],
  ['/usr/lib/python3/dist-packages/celery', 'python3-celery', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/redis', 'python3-redis', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/msgpack', 'python3-msgpack', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/yaml', 'python3-yaml', 'CELERIAC_TEST_PYTHON'],
  ['/usr/lib/python3/dist-packages/brotli.py', 'python3-brotli', 'CELERIAC_TEST_PYTHON'],
]

/** Runs a command to its end with its output shown; ends the process when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options })
  if (error) fail(`${command} could not be started: ${error.message}`)
  if (status !== 0) fail(`${command} ${args.join(' ')} failed with ${status}`)
}

export function fail(message) {
  console.error(message)
  process.exit(1)
}

/** `npm ci`, unless it was done for this lock file: a copy of it in node_modules tells. */
export function installPackages() {
  const installed = join(root, 'node_modules', '.installed.json')
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(installed, lock)
}

/** Debian's packages of the servers and of Python's Celery, where they are missing. */
export function installServices() {
  const missing = SERVICES.filter(([file, , env]) => !existsSync(file) && !process.env[env])
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  const around = [...new Set(missing.map(([, , env]) => env))].join(', ')
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    fail(`missing: apt install ${packages.join(' ')}, or set ${around}`)
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  run('apt-get', ['update', '-qq'], { env })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env })
}
