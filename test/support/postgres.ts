/** A private PostgreSQL server, as a process or in a container. */

import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { imageOf, startContainer } from './container.ts'
import { Process } from './process.ts'
import { freePort, sourceOf, tracked, type Program, type Server } from './server.ts'

const VERSIONS = '/usr/lib/postgresql'

export const POSTGRES: Program = {
  name: 'PostgreSQL',
  path: binary('postgres'),
  debian: 'postgresql',
  env: 'CELERIAC_TEST_POSTGRES_URL',
  image: imageOf('CELERIAC_TEST_POSTGRES_IMAGE', 'postgres:16-alpine'),
}

const READY = /database system is ready to accept connections/
/** It has to be percent-encoded in a URL. */
const PASSWORD = 'p@ss/w:rd'
const ENCODED = encodeURIComponent(PASSWORD)
/** Nothing of it has to survive the machine. */
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200']

/** Its URL is that of the database `postgres`. */
export async function startPostgres(): Promise<Server> {
  const source = await sourceOf(POSTGRES)
  const port = await freePort()
  return tracked(await (source === 'process' ? startProcess(port) : startInside(port)))
}

/** The URL of a new database next to the one of a URL. */
export async function createPostgresDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${name}`)
  } finally {
    await client.end()
  }
  return new URL(`/${name}`, url).href
}

/** Debian keeps the programs of each release in a folder of its own. */
function binary(name: string): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0] ?? '0'
  return join(VERSIONS, newest, 'bin', name)
}

async function startProcess(port: number): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-postgres-'))
  const [data, passwords] = [join(dir, 'data'), join(dir, 'password')]
  await writeFile(passwords, PASSWORD)
  const user = await giveAway(dir, passwords)
  const auth = ['--auth=scram-sha-256', `--pwfile=${passwords}`, '--username=postgres']
  const initdb = ['-D', data, '--no-sync', '--encoding=UTF8', '--locale=C', ...auth]
  await promisify(execFile)(binary('initdb'), initdb, { cwd: dir, ...user })
  const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', dir]
  const options = FAST.flatMap((setting) => ['-c', setting])
  const start = async (): Promise<Process> => {
    const server = new Process(binary('postgres'), [...args, ...options], { cwd: dir, ...user })
    await server.says(READY, 60)
    return server
  }
  let server = await start()
  return {
    url: `postgresql://postgres:${ENCODED}@127.0.0.1:${port}/postgres`,
    port,
    stop: async () => {
      // the fast shutdown: SIGTERM would wait until all have left
      server.signal('SIGINT')
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      await rm(join(data, 'postmaster.pid'), { force: true })
      server = await start()
    },
  }
}

/** PostgreSQL does not run as root: root hands the files to its user, and lets it come to them. */
async function giveAway(...paths: readonly string[]): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (entry === null) throw new Error('no user postgres: apt install postgresql')
  const [uid, gid] = [Number(entry[1]), Number(entry[2])]
  for (const path of paths) await chown(path, uid, gid)
  for (let dir = tmpdir(); dir !== dirname(dir); dir = dirname(dir)) {
    const { mode } = await stat(dir)
    if ((mode & 0o001) === 0) await chmod(dir, mode | 0o011)
  }
  return { uid, gid }
}

async function startInside(port: number): Promise<Server> {
  const server = await startContainer({
    image: POSTGRES.image,
    ports: [{ container: 5432, host: port }],
    // it says so once before its first restart
    ready: new RegExp(`${READY.source}[^]*${READY.source}`),
    configure: (container) =>
      container
        .withEnvironment({ POSTGRES_PASSWORD: PASSWORD })
        .withCommand(['postgres', ...FAST.flatMap((setting) => ['-c', setting])]),
  })
  return {
    ...server,
    url: `postgresql://postgres:${ENCODED}@${server.host}:${port}/postgres`,
    port,
  }
}
