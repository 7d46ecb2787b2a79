/** Consumes queues on a channel, within a prefetch count, and settles what was delivered. */

import type { ConsumeMessage, GetMessage } from 'amqplib'
import type { Message } from '../../../protocol/message.ts'
import { LeaseLostError, NotSupported, OperationalError } from '../../errors.ts'
import { deliveryCountOf } from '../../messaging/delivery-count.ts'
import type { ConsumeOptions, Consumption, Delivery } from '../../messaging/transport.ts'
import type { ReadContent } from './frames.ts'
import type { Content } from './properties.ts'
import type { Link, OpenChannel } from './link.ts'

/** The broker's field has 16 bits. @see kombu 5.6, common.py, `QoS.set` */
const PREFETCH_MAX = 65_535

interface Receiving {
  readonly channel: OpenChannel
  /** What the broker was told, as `count/global`. */
  qos: string
  readonly cancelled: Set<() => void>
}

export class Receiver {
  readonly #link: Link
  #current: Receiving | undefined
  #opening: Promise<Receiving> | undefined
  #prefetch = 0
  #perConsumer = false
  #closed = false

  constructor(link: Link) {
    this.#link = link
  }

  /** Quorum queues refuse a prefetch count that is shared by the channel. */
  usePrefetchPerConsumer(): void {
    this.#perConsumer = true
  }

  async qos(prefetchCount: number): Promise<void> {
    this.#prefetch = prefetchCount > PREFETCH_MAX ? 0 : prefetchCount
    if (this.#current !== undefined) await this.#tellQos(this.#current)
  }

  async consume(
    queue: string,
    onDelivery: (delivery: Delivery) => void,
    options: ConsumeOptions = {},
  ): Promise<Consumption> {
    const receiving = await this.#open()
    await this.#tellQos(receiving)
    const { channel, cancelled } = receiving
    const noAck = options.noAck ?? false
    const onCancel = options.onCancel ?? ((): void => {})
    const receive = (raw: ConsumeMessage | null): void => {
      if (raw === null) {
        if (cancelled.delete(onCancel)) onCancel()
        return
      }
      const delivery = this.#delivery(channel, queue, raw, noAck)
      if (delivery !== undefined) onDelivery(delivery)
    }
    cancelled.add(onCancel)
    const { consumerTag } = await this.#link.call(`consume queue '${queue}'`, () =>
      channel.raw.consume(queue, receive, { noAck }),
    )
    const cancel = async (): Promise<void> => {
      if (!cancelled.delete(onCancel) || !channel.open) return
      await this.#link
        .call('basic.cancel', () => channel.raw.cancel(consumerTag))
        .catch(() => {
          // The channel has closed meanwhile, and the consumer with it.
        })
    }
    return { queue, cancel }
  }

  async close(): Promise<void> {
    this.#closed = true
    // What is about to be opened is closed there.
    this.#current?.cancelled.clear()
    await this.#link.closeChannel(this.#current?.channel)
  }

  async #open(): Promise<Receiving> {
    if (this.#current !== undefined) return this.#current
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined))
    return await this.#opening
  }

  async #connect(): Promise<Receiving> {
    const cancelled = new Set<() => void>()
    const channel = await this.#link.open((closed) => {
      this.#current = undefined
      if (closed.reason !== undefined && this.#link.lost === undefined) {
        this.#link.logger.error(`the broker closed a channel: ${closed.reason.message}`)
      }
      const consumers = [...cancelled]
      cancelled.clear()
      for (const onCancel of consumers) onCancel()
    })
    if (this.#closed) {
      await this.#link.closeChannel(channel)
      throw new OperationalError('the channel is closed')
    }
    return (this.#current = { channel, qos: '0/false', cancelled })
  }

  async #tellQos(receiving: Receiving): Promise<void> {
    const global = !this.#perConsumer
    const wanted = `${this.#prefetch}/${global}`
    if (receiving.qos === wanted) return
    const wasGlobal = receiving.qos.endsWith('true')
    receiving.qos = wanted
    const prefetch = this.#prefetch
    const { raw } = receiving.channel
    await this.#link.call('basic.qos', async () => {
      if (wasGlobal && !global) await raw.prefetch(0, true)
      await raw.prefetch(prefetch, global)
    })
  }

  #delivery(
    channel: OpenChannel,
    queue: string,
    raw: ConsumeMessage,
    noAck: boolean,
  ): Delivery | undefined {
    const { fields } = raw
    const content = raw.properties as unknown as ReadContent
    if (!('malformed' in content)) {
      return new AmqpDelivery(
        this.#link,
        channel,
        queue,
        raw,
        messageOf(content, raw.content),
        noAck,
      )
    }
    this.#link.logger.error(
      `a message in queue '${queue}' was rejected: ${content.malformed.message} ` +
        `(exchange '${fields.exchange}', routing key '${fields.routingKey}')`,
    )
    if (!noAck && channel.open) this.#link.frames.reject(channel.number, fields.deliveryTag, false)
    return undefined
  }

  /** One message; those that cannot be read are rejected and skipped. */
  async get(queue: string, noAck: boolean): Promise<Delivery | undefined> {
    const { channel } = await this.#open()
    for (;;) {
      const raw = await this.#link.call(`get from queue '${queue}'`, () =>
        channel.raw.get(queue, { noAck }),
      )
      if (raw === false) return undefined
      const delivery = this.#delivery(channel, queue, asConsumed(raw), noAck)
      if (delivery !== undefined) return delivery
    }
  }
}

function asConsumed(raw: GetMessage): ConsumeMessage {
  return raw as unknown as ConsumeMessage
}

function messageOf(
  { contentType, contentEncoding, headers, properties }: Content,
  body: Buffer,
): Message {
  return { body, contentType, contentEncoding, headers, properties }
}

class AmqpDelivery implements Delivery {
  readonly message: Message
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  readonly deliveryCount: number
  readonly deliveryTag: number
  readonly #link: Link
  readonly #channel: OpenChannel
  #settled: boolean

  constructor(
    link: Link,
    channel: OpenChannel,
    queue: string,
    { fields }: ConsumeMessage,
    message: Message,
    noAck: boolean,
  ) {
    this.message = message
    this.queue = queue
    this.exchange = fields.exchange
    this.routingKey = fields.routingKey
    this.redelivered = fields.redelivered
    this.deliveryCount = deliveryCountOf(message)
    this.deliveryTag = fields.deliveryTag
    this.#link = link
    this.#channel = channel
    this.#settled = noAck
  }

  ack(): Promise<void> {
    return this.#settle(() => this.#link.frames.ack(this.#channel.number, this.deliveryTag))
  }

  reject(): Promise<void> {
    return this.#settle(() =>
      this.#link.frames.reject(this.#channel.number, this.deliveryTag, false),
    )
  }

  bury(): Promise<void> {
    return this.reject()
  }

  requeue(): Promise<void> {
    return this.#settle(() =>
      this.#link.frames.reject(this.#channel.number, this.deliveryTag, true),
    )
  }

  postpone(): Promise<void> {
    return Promise.reject(new NotSupported('not yet'))
  }

  /** A tag that the broker does not know, or knows no more, would close the channel: it is never sent. */
  async #settle(send: () => void): Promise<void> {
    if (this.#settled) return
    if (!this.#channel.open || this.#link.lost !== undefined) {
      const message = `the channel that delivered message ${this.deliveryTag} of queue '${this.queue}' is gone`
      throw new LeaseLostError(message, { cause: this.#channel.reason ?? this.#link.lost })
    }
    this.#settled = true
    send()
  }
}
