/** A TCP proxy in front of a server, which can cut, stall and refuse connections. */

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class Proxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #deaf = new WeakSet<Socket>()
  readonly #target: { readonly host: string; readonly port: number }
  #stalled = false
  #left = Infinity

  constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The same URL, by way of the proxy. */
  url(url: string): string {
    return url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${this.port}`)
  }

  get connections(): number {
    return this.#sockets.size / 2
  }

  #accept(client: Socket): void {
    const server = connect(this.#target)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (data) => {
        if ((this.#left -= 1) < 0) void this.cut()
        else if (!this.#stalled && !this.#deaf.has(from)) to.write(data)
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }

  /** Ends every connection at once, as a reset does. */
  async cut(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    for (const socket of this.#sockets) {
      // One that is being shut down cannot be reset any more, and would never close.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
    await Promise.all(closed)
  }

  /** {@link cut}s everything instead of passing on one more piece, after so many of them, and from then on. */
  cutAfter(pieces: number): this {
    this.#left = pieces
    return this
  }

  /** From now on nothing arrives any more, though nobody hangs up. */
  stall(): void {
    this.#stalled = true
  }

  unstall(): void {
    this.#stalled = false
  }

  /** As {@link stall}, for the connections of now alone: new ones work. */
  blackhole(): void {
    for (const socket of this.#sockets) this.#deaf.add(socket)
  }

  async stop(): Promise<void> {
    await this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}
