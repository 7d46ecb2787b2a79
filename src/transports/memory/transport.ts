/** A broker inside the process, for tests and for a first try: `memory://`, or `memory://name` for one apart. */

import { OperationalError } from '../../errors.ts'
import type {
  Capabilities,
  Channel,
  Transport,
  TransportConnection,
} from '../../messaging/transport.ts'
import { reasonOf } from '../../runtime/retry.ts'
import { parseUrl } from '../../runtime/url.ts'
import { type MemoryBroker, memoryBroker } from './broker.ts'
import { MemoryChannel } from './channel.ts'

export class MemoryTransport implements Transport {
  readonly capabilities: Capabilities = {
    driver: 'memory',
    lowPriorityFirst: false,
    mandatory: true,
    holdLimit: Infinity,
  }
  readonly address: string
  readonly #broker: MemoryBroker

  constructor(url: string) {
    const { hostname = 'localhost', path = '' } = parseUrl(url)
    this.address = `memory://${hostname}/${path}`
    this.#broker = memoryBroker(this.address)
  }

  async connect(signal?: AbortSignal): Promise<TransportConnection> {
    if (signal?.aborted) throw reasonOf(signal)
    return new MemoryConnection(this.#broker, this.address)
  }

  /** Drops every connection to this broker, as a broker that dies does; for tests. */
  async breakConnections(): Promise<void> {
    for (const drop of this.#broker.connections) drop()
  }
}

class MemoryConnection implements TransportConnection {
  readonly blocked = false
  readonly closed: Promise<Error | undefined>
  readonly #broker: MemoryBroker
  readonly #address: string
  readonly #channels = new Set<MemoryChannel>()
  #resolve: (reason: Error | undefined) => void = () => {}
  readonly #drop: () => void
  #over: Error | undefined

  constructor(broker: MemoryBroker, address: string) {
    this.#broker = broker
    this.#address = address
    this.closed = new Promise((resolve) => (this.#resolve = resolve))
    this.#drop = (): void => {
      const lost = new OperationalError(`the connection to ${address} was lost`)
      this.#end(lost, lost)
    }
    broker.connections.add(this.#drop)
  }

  async channel(): Promise<Channel> {
    if (this.#over !== undefined) throw this.#over
    const channel: MemoryChannel = new MemoryChannel(this.#broker, () =>
      this.#channels.delete(channel),
    )
    this.#channels.add(channel)
    return channel
  }

  async close(): Promise<void> {
    this.#end(new OperationalError(`the connection to ${this.#address} is closed`), undefined)
  }

  #end(error: Error, reason: Error | undefined): void {
    if (this.#over !== undefined) return
    this.#over = error
    this.#broker.connections.delete(this.#drop)
    for (const channel of this.#channels) channel.end(error)
    this.#resolve(reason)
  }
}
