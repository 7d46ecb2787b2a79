/** A simulated message in hand, which must be settled once. */

import type { Message } from '../../protocol/message.ts'
import { LeaseLostError } from '../../src/errors.ts'
import { deliveryCountOf } from '../../src/messaging/delivery-count.ts'
import type { Delivery, RequeueOptions } from '../../src/messaging/transport.ts'
import type { SimChannel } from './channel.ts'
import type { Copy } from './copy.ts'

/** How it was handed over. */
export interface Handing {
  readonly tag: number
  readonly redelivered: boolean
  readonly noAck: boolean
}

export class SimDelivery implements Delivery {
  readonly message: Message
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  readonly deliveryCount: number
  readonly deliveryTag: number
  readonly copy: Copy
  readonly channel: SimChannel
  readonly #generation: number

  constructor(channel: SimChannel, copy: Copy, { tag, redelivered }: Handing) {
    this.message = copy.message
    this.queue = copy.queue
    this.exchange = copy.exchange
    this.routingKey = copy.routingKey
    this.redelivered = redelivered
    this.deliveryCount = deliveryCountOf(copy.message)
    this.deliveryTag = tag
    this.copy = copy
    this.channel = channel
    this.#generation = channel.generation
  }

  ack(): Promise<void> {
    return this.#settle('ack', () =>
      this.#broker.settle(this.channel.holder, this.deliveryTag, 'ack'),
    )
  }

  reject(): Promise<void> {
    return this.#settle('reject', () =>
      this.#broker.settle(this.channel.holder, this.deliveryTag, 'reject'),
    )
  }

  bury(): Promise<void> {
    return this.#settle('bury', () =>
      this.#broker.settle(this.channel.holder, this.deliveryTag, 'bury'),
    )
  }

  requeue(options: RequeueOptions = {}): Promise<void> {
    const changes = options.counted === true || (options.anew === true && this.deliveryCount > 0)
    if (changes && this.#broker.flavour === 'amqp') {
      return this.#replace('requeue', () => this.#broker.resend(this.copy, options))
    }
    return this.#settle('requeue', () =>
      this.#broker.requeue(this.channel.holder, this.deliveryTag, options),
    )
  }

  postpone(until: number): Promise<void> {
    if (this.#broker.flavour === 'amqp') {
      return this.#replace('postpone', () => this.#broker.resendLater(this.copy, until))
    }
    return this.#settle('postpone', () =>
      this.#broker.postpone(this.channel.holder, this.deliveryTag, until),
    )
  }

  /** Another one is sent first, then this one is acked: a crash in between makes two of one, never none. */
  async #replace(how: string, send: () => void): Promise<void> {
    const { connection, holder } = this.channel
    connection.options.observer.settling(this, how)
    this.#check()
    try {
      await connection.ask(`${how} ${this.deliveryTag}: copy`, send)
      this.#check()
    } catch (error) {
      connection.options.observer.unsettled(this)
      throw error
    }
    connection.tell(`${how} ${this.deliveryTag}`, () =>
      this.#broker.settle(holder, this.deliveryTag, 'copied'),
    )
  }

  get #broker(): SimChannel['broker'] {
    return this.channel.broker
  }

  /** RabbitMQ is told, and says nothing; Redis answers whether the message was still ours. */
  async #settle(how: string, act: () => boolean): Promise<void> {
    const { connection } = this.channel
    connection.options.observer.settling(this, how)
    this.#check()
    const what = `${how} ${this.deliveryTag}`
    if (this.#broker.flavour === 'amqp') {
      connection.tell(what, () => void act())
      return
    }
    const ours = await connection.ask(what, act).catch(() => false)
    if (!ours) throw this.#lost()
  }

  #check(): void {
    if (!this.channel.isCurrent(this.#generation)) throw this.#lost()
  }

  #lost(): LeaseLostError {
    return new LeaseLostError(`message ${this.deliveryTag} is no longer ours`)
  }
}
