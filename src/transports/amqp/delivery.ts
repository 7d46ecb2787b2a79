/** A message from RabbitMQ in hand: settled on its channel, or replaced by a copy that comes later. */

import type { ConsumeMessage } from 'amqplib'
import type { Message } from '../../../protocol/message.ts'
import { LeaseLostError } from '../../errors.ts'
import { counted, deliveryCountOf, uncounted } from '../../messaging/delivery-count.ts'
import type { Delivery, RequeueOptions } from '../../messaging/transport.ts'
import { delay } from '../../runtime/retry.ts'
import { asSent } from './kept.ts'
import type { Link, OpenChannel } from './link.ts'
import type { Outbox } from './outbox.ts'
import type { Content } from './properties.ts'

/** Seconds that a message is kept that cannot be replaced by a copy, before it goes back. */
const PAUSE = 1

/** Where a delivery came from. */
export interface Origin {
  readonly link: Link
  readonly outbox: Outbox
  readonly channel: OpenChannel
  readonly queue: string
  readonly noAck: boolean
}

export class AmqpDelivery implements Delivery {
  readonly message: Message
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  readonly deliveryCount: number
  readonly deliveryTag: number
  /** When it shall come, if it was postponed; it may have come too early. */
  readonly until: number
  readonly #link: Link
  readonly #outbox: Outbox
  readonly #channel: OpenChannel
  #settled: boolean

  constructor(origin: Origin, { fields, properties, content: body }: ConsumeMessage) {
    const sent = asSent(properties as unknown as Content)
    const { contentType, contentEncoding, headers } = sent
    this.message = { body, contentType, contentEncoding, headers, properties: sent.properties }
    this.queue = origin.queue
    this.exchange = sent.exchange ?? fields.exchange
    this.routingKey = sent.routingKey ?? fields.routingKey
    this.redelivered = fields.redelivered
    this.deliveryCount = deliveryCountOf(this.message)
    this.deliveryTag = fields.deliveryTag
    this.until = sent.until ?? 0
    this.#link = origin.link
    this.#outbox = origin.outbox
    this.#channel = origin.channel
    this.#settled = origin.noAck
  }

  ack(): Promise<void> {
    return this.#settle(() => this.#link.frames.ack(this.#channel.number, this.deliveryTag))
  }

  reject(): Promise<void> {
    return this.#settle(() => this.#link.frames.reject(this.#channel.number, this.deliveryTag))
  }

  bury(): Promise<void> {
    return this.reject()
  }

  /** What is in a message cannot be changed: a copy comes that says it. */
  requeue({ counted: died = false, anew = false }: RequeueOptions = {}): Promise<void> {
    if (died) return this.#requeueAs(counted(this.message))
    if (anew && this.deliveryCount > 0) return this.#requeueAs(uncounted(this.message))
    return this.#requeue()
  }

  postpone(until: number): Promise<void> {
    return this.#replace(() => this.#outbox.postpone(this, until))
  }

  /** As it is, where the copy cannot be sent; after a while, as it comes again at once, for the same. */
  async #requeueAs(message: Message): Promise<void> {
    const { queue, exchange, routingKey } = this
    const copy = { message, queue, exchange, routingKey }
    try {
      await this.#replace(() => this.#outbox.resend(copy))
    } catch (error) {
      if (error instanceof LeaseLostError) throw error
      await delay(PAUSE)
      await this.#requeue()
    }
  }

  #requeue(): Promise<void> {
    return this.#settle(() => this.#link.frames.requeue(this.#channel.number, this.deliveryTag))
  }

  /** The copy is sent first: a crash in between makes two of one message, never none. */
  async #replace(send: () => Promise<void>): Promise<void> {
    if (this.#settled) return
    this.#check()
    this.#settled = true
    try {
      await send()
    } finally {
      this.#settled = false
    }
    await this.ack()
  }

  async #settle(send: () => void): Promise<void> {
    if (this.#settled) return
    this.#check()
    this.#settled = true
    send()
  }

  /** A tag that the broker does not know, or knows no more, would close the channel: it is never sent. */
  #check(): void {
    if (this.#channel.open && this.#link.lost === undefined) return
    const message = `the channel that delivered message ${this.deliveryTag} of queue '${this.queue}' is gone`
    throw new LeaseLostError(message, { cause: this.#channel.reason ?? this.#link.lost })
  }
}
