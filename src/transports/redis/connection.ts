/** One connection to Redis: its two sockets live and die together, and what was in hand is handed on. */

import { CeleryError, OperationalError } from '../../errors.ts'
import type { Channel, TransportConnection, TransportOptions } from '../../messaging/transport.ts'
import {
  closeRedis,
  openRedis,
  redisError,
  type Redis,
  type RedisConnectOptions,
} from '../../redis.ts'
import { Bindings } from './bindings.ts'
import { RedisChannel } from './channel.ts'
import { Subscriber } from './fanout.ts'
import { Heartbeat } from './heartbeat.ts'
import type { RedisLink } from './link.ts'
import type { RedisTransportSettings } from './options.ts'
import { Ownership } from './owner.ts'
import { Publisher } from './publisher.ts'
import { Restorer } from './restorer.ts'
import { Sweeper } from './sweeper.ts'
import { Unacked, type Orphans } from './unacked.ts'

export interface RedisConnectionOptions {
  readonly url: string
  readonly address: string
  readonly settings: RedisTransportSettings
  readonly transport: TransportOptions
  readonly connect: RedisConnectOptions
  /** Takes what is in hand when the connection is lost. */
  readonly onLost: (orphans: Orphans) => void
}

export class RedisConnection implements TransportConnection, RedisLink {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly limits: TransportOptions['limits']
  readonly logger: TransportOptions['logger']
  readonly address: string
  readonly bindings: Bindings
  readonly publisher: Publisher
  readonly ownership: Ownership
  readonly unacked: Unacked
  readonly closed: Promise<Error | undefined>
  /** Redis has no such signal: a full server refuses each publish. */
  readonly blocked = false as boolean
  told = false
  readonly #options: RedisConnectionOptions
  readonly #channels = new Set<RedisChannel>()
  readonly #clients: Redis[] = []
  readonly #heartbeat: Heartbeat
  readonly #sweeper: Sweeper
  #subscriber: Promise<Subscriber> | undefined
  #lost: Error | undefined
  #resolveClosed: (reason: Error | undefined) => void = () => {}
  #closing: Promise<void> | undefined

  constructor(client: Redis, options: RedisConnectionOptions) {
    this.client = client
    this.#options = options
    this.settings = options.settings
    this.limits = options.transport.limits
    this.logger = options.transport.logger
    this.address = options.address
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    const { settings, logger, limits } = this
    this.bindings = new Bindings(client, settings)
    this.publisher = new Publisher({ client, settings, logger, limits, bindings: this.bindings })
    const lookup = this.bindings.lookupToRestore.bind(this.bindings)
    const ownership = (this.ownership = new Ownership(client, logger))
    const restorer = new Restorer({ client, settings, logger, limits, lookup })
    const sweeper = new Sweeper({ client, settings, logger, ownership, restorer })
    this.#sweeper = sweeper
    this.unacked = new Unacked({ client, settings, logger, ownership, restorer, sweeper })
    this.#heartbeat = new Heartbeat(this.#clients, {
      interval: settings.healthCheckInterval,
      timeout: settings.socketTimeout,
      onLost: (error) => this.fail(error),
    })
    this.#watch(client)
  }

  get lost(): Error | undefined {
    return this.#lost
  }

  async channel(): Promise<Channel> {
    if (this.#lost !== undefined) {
      throw new OperationalError(`the connection to ${this.address} is closed`, {
        cause: this.#lost,
      })
    }
    const channel = new RedisChannel(this, (closed) => this.#channels.delete(closed))
    this.#channels.add(channel)
    return channel
  }

  subscriber(): Promise<Subscriber> {
    this.#subscriber ??= this.#openSubscriber().catch((error: unknown) => {
      this.#subscriber = undefined
      throw error
    })
    return this.#subscriber
  }

  fail(error: unknown): void {
    if (this.#lost !== undefined) return
    const reason = redisError(error, `lost the connection to ${this.address}`)
    this.#end(reason)
    this.#options.onLost({ owner: this.ownership.owner, leases: this.unacked.leases })
    this.#resolveClosed(reason)
    for (const channel of this.#channels) void channel.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()))
    if (this.#lost !== undefined) return
    this.#end(new OperationalError(`the connection to ${this.address} was closed`))
    this.#resolveClosed(undefined)
  }

  #end(reason: Error): void {
    this.#lost = reason
    this.#heartbeat.stop()
    this.unacked.stop()
    this.#sweeper.stop()
    for (const client of this.#clients) closeRedis(client)
  }

  async #openSubscriber(): Promise<Subscriber> {
    const client = await openRedis(this.#options.url, this.#options.connect)
    if (this.#lost !== undefined) {
      closeRedis(client)
      throw this.#lost
    }
    this.#watch(client)
    const subscriber = new Subscriber(client)
    this.told = await subscriber.track(this.client, () => this.#wake())
    if (!this.told) {
      this.logger.warning(
        `${this.address} does not tell of changed keys (CLIENT TRACKING): queues are polled instead`,
      )
    }
    this.#sweeper.start()
    return subscriber
  }

  #wake(): void {
    for (const channel of this.#channels) channel.wake()
  }

  /** The loss of any socket is the loss of all: half a connection would consume nothing, or never ack. */
  #watch(client: Redis): void {
    this.#clients.push(client)
    let last: unknown
    client.on('error', (error) => (last = error))
    client.once('close', () =>
      this.fail(last ?? new CeleryError('ERR_OPERATIONAL', 'the socket was closed')),
    )
  }
}
