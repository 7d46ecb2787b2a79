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
import type { Lease } from './unacked.ts'

/** @see kombu 5.6, transport/redis.py, `Transport` and `SentinelTransport` */
export class RedisTransport implements Transport {
  readonly capabilities: Capabilities = {
    driver: 'redis',
    lowPriorityFirst: true,
    // Any name is a queue as soon as something is pushed to it.
    mandatory: false,
    countsDeliveries: true,
    holdLimit: Infinity,
  }
  readonly address: string
  readonly #url: string
  readonly #options: TransportOptions
  readonly #settings: RedisTransportSettings
  /** What lost connections had in hand; the next one settles it or gives it back. */
  #orphans: Lease[] = []

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
      onLost: (leases) => void this.#orphans.push(...leases),
    })
    await this.#adopt(connection)
    return connection
  }

  /** Other brokers give back at once what a lost connection held; here we do it, as soon as we can. */
  async #adopt(connection: RedisConnection): Promise<void> {
    const orphans = this.#orphans
    if (orphans.length === 0) return
    this.#orphans = []
    try {
      await connection.unacked.adopt(orphans)
    } catch (error) {
      this.#orphans.push(...orphans)
      connection.fail(error)
      throw connection.lost ?? error
    }
  }
}
