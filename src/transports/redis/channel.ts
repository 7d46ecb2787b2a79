/** A channel on Redis: declares, publishes and consumes. */

import type { Message } from '../../../protocol/message.ts'
import { CeleryError, OperationalError } from '../../errors.ts'
import type { Exchange, Queue } from '../../messaging/entity.ts'
import type {
  Channel,
  Consumption,
  ConsumeOptions,
  DeclaredQueue,
  Delivery,
  PublishOptions,
} from '../../messaging/transport.ts'
import { redisError, redisFault } from '../../redis.ts'
import { deadline } from '../../runtime/retry.ts'
import { describeDead, fetch, type Taken } from './fetch.ts'
import { Fetcher } from './fetcher.ts'
import { InHand } from './in-hand.ts'
import type { RedisLink } from './link.ts'

type Handler = (delivery: Delivery) => void

interface Consumer {
  readonly onDelivery: Handler
  readonly noAck: boolean
  /** The channels of its fanout exchanges, and what hears them. */
  readonly patterns: readonly string[]
  readonly listener: (payload: string) => void
}

/** Seconds that giving back may take when a channel closes. */
const CLOSE_TIMEOUT = 5

/** @see kombu 5.6, transport/redis.py, `Channel` */
export class RedisChannel implements Channel {
  readonly #link: RedisLink
  readonly #onClose: (channel: RedisChannel) => void
  readonly #consumers = new Map<string, Consumer>()
  /** Queues of fanout exchanges, with the patterns that they subscribe to. */
  readonly #fanouts = new Map<string, readonly string[]>()
  readonly #autoDelete = new Set<string>()
  readonly #inHand: InHand
  readonly #fetcher: Fetcher
  #closed: Promise<void> | undefined

  constructor(link: RedisLink, onClose: (channel: RedisChannel) => void) {
    this.#link = link
    this.#onClose = onClose
    this.#inHand = new InHand(link, () => this.#fetcher.wake())
    this.#fetcher = new Fetcher({
      client: link.client,
      settings: link.settings,
      logger: link.logger,
      ownership: link.ownership,
      room: () => this.#inHand.room,
      onTaken: (taken) => this.#hand(taken),
      told: () => link.told,
      onLost: (error) => link.fail(error),
    })
  }

  async declareExchange(exchange: Exchange): Promise<void> {
    this.#link.bindings.declare(exchange)
  }

  /**
   * A queue is there as soon as something is in it, and gone when nothing is: so `passive` only counts
   * (kombu answers 404 for an empty queue).
   */
  async declareQueue(queue: Queue): Promise<DeclaredQueue> {
    return await this.#guard(`declare queue '${queue.name}'`, async () => {
      const lists = this.#link.settings.keys.steps(queue.name)
      const counting = lists
        .reduce((multi, list) => multi.llen(list), this.#link.client.multi())
        .exec()
      const [counts] = await Promise.all([counting, this.#declare(queue)])
      return { name: queue.name, messageCount: sum(counts), consumerCount: 0 }
    })
  }

  async deleteQueue(name: string): Promise<void> {
    await this.#guard(`delete queue '${name}'`, async () => {
      await this.#delete(name)
    })
  }

  async purge(name: string): Promise<number> {
    return await this.#guard(`purge queue '${name}'`, async () => {
      const multi = this.#link.client.multi()
      const lists = this.#link.settings.keys.steps(name)
      for (const list of lists) multi.llen(list).del(list)
      const replies = (await multi.exec()) ?? []
      return sum(replies.filter((_, i) => i % 2 === 0))
    })
  }

  async publish(message: Message, options: PublishOptions): Promise<void> {
    await this.#guard('publish', () => this.#link.publisher.publish(message, options))
  }

  async get(
    queue: string,
    options: { readonly noAck?: boolean } = {},
  ): Promise<Delivery | undefined> {
    return await this.#guard(`get from queue '${queue}'`, async () => {
      const { client, settings, logger, ownership } = this.#link
      await ownership.identify()
      const sources = [{ queue, lease: this.#leasing(options.noAck) }]
      for (;;) {
        const from = { client, settings, owner: ownership.id, sources }
        const { taken, dead, more } = await fetch(from, 1)
        for (const item of dead) logger.error(describeDead(item))
        const delivery = taken[0] && this.#inHand.take(taken[0], options.noAck ?? false)
        if (delivery !== undefined || !more) return delivery
      }
    })
  }

  async consume(
    queue: string,
    onDelivery: Handler,
    options: ConsumeOptions = {},
  ): Promise<Consumption> {
    return await this.#guard(`consume queue '${queue}'`, async () => {
      const patterns = this.#fanouts.get(queue) ?? []
      const listener = (payload: string): void => this.#hear(queue, payload)
      const noAck = options.noAck ?? false
      const [subscriber] = await Promise.all([
        this.#link.subscriber(),
        this.#link.ownership.identify(),
      ])
      this.#consumers.set(queue, { onDelivery, noAck, patterns, listener })
      for (const pattern of patterns) await subscriber.listen(pattern, listener)
      if (patterns.length === 0) this.#fetcher.add({ queue, lease: this.#leasing(noAck) })
      return { queue, cancel: () => this.#cancel(queue) }
    })
  }

  async qos(prefetchCount: number, canConsume?: () => number): Promise<void> {
    this.#inHand.qos(prefetchCount, canConsume)
  }

  /** A list that one of our scripts has read was changed. */
  wake(): void {
    this.#fetcher.wake()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #declare(queue: Queue): Promise<void> {
    if (queue.autoDelete) this.#autoDelete.add(queue.name)
    if (queue.passive) return
    await this.#link.bindings.bind(queue)
    const fanouts = queue.bindings.filter(({ exchange }) => exchange.type === 'fanout')
    const { keys } = this.#link.settings
    const patterns = fanouts.map((bound) =>
      keys.channelPattern(bound.exchange.name, bound.routingKey),
    )
    if (patterns.length > 0) this.#fanouts.set(queue.name, patterns)
  }

  #leasing(noAck: boolean | undefined): boolean {
    return !noAck && this.#link.settings.ackEmulation
  }

  #hand(taken: Taken): void {
    const consumer = this.#consumers.get(taken.queue)
    if (consumer === undefined || this.#closed !== undefined) {
      return this.#background(this.#inHand.putBack(taken), `give back to queue '${taken.queue}'`)
    }
    const delivery = this.#inHand.take(taken, consumer.noAck)
    if (delivery !== undefined) this.#call(consumer, delivery)
  }

  #hear(queue: string, payload: string): void {
    const consumer = this.#consumers.get(queue)
    if (consumer === undefined) return
    this.#inHand.hear(queue, payload, consumer.noAck, (delivery) => this.#call(consumer, delivery))
  }

  /** A handler must not throw; one that does must not end the loop. */
  #call(consumer: Consumer, delivery: Delivery): void {
    try {
      consumer.onDelivery(delivery)
    } catch (error) {
      this.#link.logger.error(`the consumer of queue '${delivery.queue}' threw: ${String(error)}`)
    }
  }

  async #cancel(queue: string): Promise<void> {
    const consumer = this.#consumers.get(queue)
    this.#consumers.delete(queue)
    await this.#fetcher.remove(queue)
    if (consumer === undefined || this.#link.lost !== undefined) return
    for (const pattern of consumer.patterns) {
      await (await this.#link.subscriber()).unlisten(pattern, consumer.listener)
    }
  }

  async #close(): Promise<void> {
    const { address, logger } = this.#link
    const onTimeout = (): Error => new OperationalError(`${address} did not answer`)
    await deadline(this.#end(), CLOSE_TIMEOUT, onTimeout).catch((error: unknown) =>
      logger.warning(`a channel was not closed in order: ${String(error)}`),
    )
    this.#onClose(this)
  }

  async #end(): Promise<void> {
    await this.#fetcher.stop()
    if (this.#link.lost !== undefined) return
    for (const queue of this.#consumers.keys()) await this.#cancel(queue)
    await this.#link.publisher.idle()
    await this.#link.unacked.idle()
    await this.#inHand.giveBack()
    for (const queue of this.#autoDelete) await this.#delete(queue)
  }

  async #delete(queue: string): Promise<void> {
    this.#autoDelete.delete(queue)
    await this.#link.bindings.unbind(queue)
    await this.#link.client.del(...this.#link.settings.keys.steps(queue))
  }

  #background(work: Promise<void>, doing: string): void {
    work.catch((error: unknown) => this.#link.logger.error(`cannot ${doing}: ${String(error)}`))
  }

  /** Says what could not be done, and ends the connection when it is the connection's fault. */
  async #guard<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const { lost, address } = this.#link
    if (lost !== undefined || this.#closed !== undefined) {
      throw new OperationalError(`cannot ${doing}: the connection to ${address} is closed`, {
        cause: lost,
      })
    }
    try {
      return await work()
    } catch (error) {
      if (error instanceof CeleryError) throw error
      if (redisFault(error) === 'lost') this.#link.fail(error)
      throw redisError(error, `cannot ${doing} at ${address}`)
    }
  }
}

/** The numbers of a transaction's replies. */
function sum(replies: readonly [Error | null, unknown][] | null): number {
  return (replies ?? []).reduce((total, [, count]) => total + (Number(count) || 0), 0)
}
