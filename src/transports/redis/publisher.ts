/** Sends messages to lists and channels; those of one turn of the event loop go together. */

import { randomUUID } from 'node:crypto'
import type { Limits } from '../../../protocol/limits.ts'
import type { Message } from '../../../protocol/message.ts'
import { encodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import { LimitExceeded, NotSupported, UnroutableError } from '../../errors.ts'
import type { PublishOptions } from '../../messaging/transport.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { Batch } from './batch.ts'
import type { Bindings } from './bindings.ts'
import type { RedisTransportSettings } from './options.ts'

export interface PublisherOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly bindings: Bindings
  readonly limits: Limits
  readonly logger: Logger
}

interface Push {
  readonly list: string
  readonly envelope: string
}

/** @see kombu 5.6, transport/virtual/base.py, `Channel.basic_publish` */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #pushes: Batch<Push, ReadonlyMap<string, unknown>>

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#pushes = new Batch((pushes) => this.#flush(pushes))
  }

  async publish(message: Message, options: PublishOptions): Promise<void> {
    const { exchange, routingKey } = options
    const { maxBodyBytes } = this.#options.limits
    if (message.body.length > maxBodyBytes) {
      throw new LimitExceeded(
        `a body of ${message.body.length} bytes; the limit is ${maxBodyBytes}`,
      )
    }
    const type = options.exchangeType ?? this.#options.bindings.typeOf(exchange)
    if (type === 'headers') throw new NotSupported('Redis has no exchanges of type headers')
    const deliveryTag = randomUUID()
    const envelope = encodeEnvelope(message, { exchange, routingKey, deliveryTag })
    if (exchange === '') return await this.#push([routingKey], message, envelope)
    if (type === 'fanout') return await this.#broadcast(envelope, options)
    const queues = await this.#options.bindings.lookup(exchange, routingKey, type)
    if (queues.length > 0) return await this.#push(queues, message, envelope)
    await this.#unroutable(message, envelope, options)
  }

  /** Resolves when all that was published is settled, one way or the other. */
  async idle(): Promise<void> {
    await this.#pushes.idle()
  }

  async #push(queues: readonly string[], message: Message, envelope: string): Promise<void> {
    const { keys } = this.#options.settings
    const lists = queues.map((queue) => keys.queue(queue, message.properties.priority))
    for (const failed of await Promise.all(
      lists.map((list) => this.#pushes.add({ list, envelope })),
    )) {
      for (const list of lists) if (failed.has(list)) throw failed.get(list)
    }
  }

  /** One LPUSH per list, in the order of the publishes; resolves to the lists that failed, and why. */
  async #flush(pushes: readonly Push[]): Promise<ReadonlyMap<string, unknown>> {
    const lists = new Map<string, string[]>()
    for (const { list, envelope } of pushes) {
      const items = lists.get(list)
      if (items === undefined) lists.set(list, [envelope])
      else items.push(envelope)
    }
    const failed = new Map<string, unknown>()
    const sent = [...lists].map(([list, items]) =>
      this.#options.client.lpush(list, ...items).catch((error: unknown) => failed.set(list, error)),
    )
    await Promise.all(sent)
    return failed
  }

  async #broadcast(envelope: string, options: PublishOptions): Promise<void> {
    const { exchange, routingKey, mandatory } = options
    const channel = this.#options.settings.keys.channel(exchange, routingKey)
    const receivers = await this.#options.client.publish(channel, envelope)
    if (mandatory && receivers === 0) throw new UnroutableError(exchange, routingKey)
  }

  async #unroutable(message: Message, envelope: string, options: PublishOptions): Promise<void> {
    const { exchange, routingKey, mandatory } = options
    const { deadletterQueue } = this.#options.settings
    if (deadletterQueue !== undefined) return await this.#push([deadletterQueue], message, envelope)
    if (mandatory) throw new UnroutableError(exchange, routingKey)
    this.#options.logger.debug(
      `no queue is bound to exchange '${exchange}' with routing key '${routingKey}': message dropped`,
    )
  }
}
