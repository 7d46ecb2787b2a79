/** What a private server of the tests can do, and how a free port is found for it. */

import { createServer, type AddressInfo } from 'node:net'

export interface Server {
  readonly url: string
  /** Its folder, with its log. */
  readonly dir: string
  /** An orderly end. */
  stop(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data. */
  restart(): Promise<void>
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
