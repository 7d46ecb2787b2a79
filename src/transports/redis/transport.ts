/** Redis as a broker, in kombu's layout: Python workers share its queues. */

import type {
  Capabilities,
  Transport,
  TransportConnection,
  TransportOptions,
} from '../../messaging/transport.ts'
import { openRedis, type RedisConnectOptions } from '../../redis.ts'
import { parseRedisUrl } from '../../runtime/redis-url.ts'
import { RedisConnection } from './connection.ts'
import { resolveOptions, type RedisTransportSettings } from './options.ts'
import type { Orphans } from './unacked.ts'

/** @see kombu 5.6, transport/redis.py, `Transport` and `SentinelTransport` */
export class RedisTransport implements Transport {
  readonly capabilities: Capabilities = {
    driver: 'redis',
    lowPriorityFirst: true,
    // Any name is a queue as soon as something is pushed to it.
    mandatory: false,
    holdLimit: Infinity,
  }
  readonly address: string
  readonly #url: string
  readonly #options: TransportOptions
  readonly #settings: RedisTransportSettings
  /** What lost connections had in hand; the next one settles it or gives it back. */
  #orphans: Orphans[] = []

  constructor(url: string, options: TransportOptions) {
    const { db, display } = parseRedisUrl(url)
    this.#url = url
    this.#options = options
    this.#settings = resolveOptions(options.transportOptions, db, options.connectTimeout)
    this.address = display
  }

  async connect(signal?: AbortSignal): Promise<TransportConnection> {
    const connect: RedisConnectOptions = {
      ...this.#settings.connect,
      tls: this.#options.tls,
      onInsecure: (message) => this.#options.logger.warning(message),
    }
    const client = await openRedis(this.#url, connect, signal)
    const connection = new RedisConnection(client, {
      url: this.#url,
      address: this.address,
      settings: this.#settings,
      transport: this.#options,
      connect,
      onLost: (orphans) => this.#remember(orphans),
    })
    await this.#adopt(connection)
    return connection
  }

  #remember(orphans: Orphans): void {
    if (orphans.owner !== undefined || orphans.leases.length > 0) this.#orphans.push(orphans)
  }

  /** Other brokers give back at once what a lost connection held; here we do it, as soon as we can. */
  async #adopt(connection: RedisConnection): Promise<void> {
    for (let orphans = this.#orphans[0]; orphans !== undefined; orphans = this.#orphans[0]) {
      try {
        await connection.unacked.adopt(orphans)
      } catch (error) {
        connection.fail(error)
        throw connection.lost ?? error
      }
      this.#orphans = this.#orphans.filter((item) => item !== orphans)
    }
  }
}
