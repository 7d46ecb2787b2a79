/** A private Redis server. */

import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Process } from './process.ts'
import { freePort, type Server } from './server.ts'

export interface RedisServer extends Server {
  readonly port: number
  readonly pid: number
}

export interface RedisOptions {
  /** Keep every write on disk, so that it survives `kill`. @default false */
  readonly persistent?: boolean
  /** More arguments of redis-server. */
  readonly args?: readonly string[]
}

const BINARY = '/usr/bin/redis-server'

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  if (!existsSync(BINARY)) {
    throw new Error('no Redis: set CELERIAC_TEST_REDIS_URL, or apt install redis-server')
  }
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-redis-'))
  const port = await freePort()
  const durable = options.persistent
    ? ['--appendonly', 'yes', '--appendfsync', 'always']
    : ['--appendonly', 'no']
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '']
  args.push('--databases', '512', '--enable-debug-command', 'local', ...durable)
  args.push(...(options.args ?? []))
  const start = async (): Promise<Process> => {
    const server = new Process(BINARY, args)
    await server.says('Ready to accept connections')
    return server
  }
  let server = await start()
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    dir,
    get pid() {
      return server.pid
    },
    stop: async () => void (await server.stop()),
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}
