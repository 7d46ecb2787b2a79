/** A private Redis server, as a process or in a container. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { imageOf, startContainer } from './container.ts'
import { Process } from './process.ts'
import { freePort, sourceOf, tracked, type Program, type Server } from './server.ts'

export type RedisServer = Server

export interface RedisOptions {
  /** Keep every write on disk, so that it survives `kill`. @default false */
  readonly persistent?: boolean
  /** More arguments of redis-server; files that they name are below the folder for temporary files. */
  readonly args?: readonly string[]
}

export const REDIS: Program = {
  name: 'Redis',
  path: '/usr/bin/redis-server',
  debian: 'redis-server',
  env: 'CELERIAC_TEST_REDIS_URL',
  image: imageOf('CELERIAC_TEST_REDIS_IMAGE', 'redis:7-alpine'),
}
const READY = /Ready to accept connections/

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const source = await sourceOf(REDIS)
  const port = await freePort()
  const durable = options.persistent
    ? ['--appendonly', 'yes', '--appendfsync', 'always']
    : ['--appendonly', 'no']
  const args = ['--port', String(port), '--save', '', '--databases', '512', ...durable]
  args.push(...(options.args ?? []))
  return tracked(await (source === 'process' ? startProcess(port, args) : startInside(port, args)))
}

async function startProcess(port: number, args: readonly string[]): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-redis-'))
  const local = ['--bind', '127.0.0.1', '--enable-debug-command', 'local', '--dir', dir]
  const start = async (): Promise<Process> => {
    const server = new Process(REDIS.path, [...args, ...local])
    await server.says(READY)
    return server
  }
  let server = await start()
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    stop: async () => {
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}

async function startInside(port: number, args: readonly string[]): Promise<RedisServer> {
  const open = ['--bind', '0.0.0.0', '--protected-mode', 'no', '--enable-debug-command', 'yes']
  const files = args.some((arg) => arg.startsWith(tmpdir()))
  const tls = args.includes('--tls-port') ? [Number(args[args.indexOf('--tls-port') + 1])] : []
  const server = await startContainer({
    image: REDIS.image,
    ports: [port, ...tls].map((number) => ({ container: number, host: number })),
    ready: READY,
    configure: (container) =>
      container
        .withEntrypoint(['redis-server'])
        .withCommand([...args, ...open, '--dir', '/tmp'])
        .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`)
        .withBindMounts(files ? [{ source: tmpdir(), target: tmpdir() }] : []),
  })
  return { ...server, url: `redis://${server.host}:${port}/0`, port }
}
