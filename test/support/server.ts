/** What a private server of the tests can do, where it comes from, and how a free port is found for it. */

import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { dockerAnswers, type Image } from './container.ts'

export interface Server {
  readonly url: string
  readonly port: number
  /** An orderly end; nothing of it is left. */
  stop(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data, also after `kill`. */
  restart(): Promise<void>
}

/** A program that tests need, and what to do where it is missing. */
export interface Program {
  readonly name: string
  readonly path: string
  readonly debian: string
  readonly env: string
  readonly image: Image
}

/**
 * Whether a server runs as a process or as a container: a process where its program is installed,
 * a container where it is not and Docker answers, or where `CELERIAC_TEST_CONTAINERS=1` says so.
 */
export async function sourceOf(program: Program): Promise<'process' | 'container'> {
  const forced = process.env['CELERIAC_TEST_CONTAINERS'] === '1'
  if (!forced && existsSync(program.path)) return 'process'
  if (await dockerAnswers()) return 'container'
  if (forced) throw new Error('CELERIAC_TEST_CONTAINERS=1, but Docker does not answer: start it')
  throw new Error(
    `no ${program.name}: apt install ${program.debian}, or start Docker; ` +
      `${program.env} names a running one for all tests but those that stop or configure theirs`,
  )
}

const started: Server[] = []

/** Sees to it that a server ends with the tests at the latest. */
export function tracked<S extends Server>(server: S): S {
  started.push(server)
  return server
}

/** Stops every server that was started. */
export async function stopServers(): Promise<void> {
  await Promise.all(started.splice(0).map((server) => server.stop()))
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
