/** A private Memcached server, as a process or in a container. */

import { imageOf, startContainer } from './container.ts'
import { Process } from './process.ts'
import { freePort, sourceOf, tracked, type Program, type Server } from './server.ts'

export const MEMCACHED: Program = {
  name: 'Memcached',
  path: '/usr/bin/memcached',
  debian: 'memcached',
  env: 'CELERIAC_TEST_MEMCACHED_URL',
  image: imageOf('CELERIAC_TEST_MEMCACHED_IMAGE', 'memcached:1-alpine'),
}
const READY = /server listening/

/** Its URL is that of a result backend. */
export async function startMemcached(): Promise<Server> {
  const source = await sourceOf(MEMCACHED)
  const port = await freePort()
  return tracked(await (source === 'process' ? startProcess(port) : startInside(port)))
}

async function startProcess(port: number): Promise<Server> {
  const args = ['-l', '127.0.0.1', '-p', String(port), '-u', 'root', '-m', '128', '-vv']
  const start = async (): Promise<Process> => {
    const server = new Process(MEMCACHED.path, args)
    await server.says(READY)
    return server
  }
  let server = await start()
  return {
    url: `cache+memcached://127.0.0.1:${port}/`,
    port,
    stop: async () => void (await server.stop()),
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}

async function startInside(port: number): Promise<Server> {
  const server = await startContainer({
    image: MEMCACHED.image,
    ports: [{ container: port, host: port }],
    ready: READY,
    configure: (container) =>
      container.withCommand(['memcached', '-p', String(port), '-m', '128', '-vv']),
  })
  return { ...server, url: `cache+memcached://${server.host}:${port}/`, port }
}
