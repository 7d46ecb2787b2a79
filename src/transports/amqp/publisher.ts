/** Publishes on a channel with confirms, many at a time, and opens a new one when the broker closes it. */

import type { Message } from '../../../protocol/message.ts'
import { LimitExceeded, OperationalError, UnroutableError } from '../../errors.ts'
import type { PublishOptions } from '../../messaging/transport.ts'
import { Confirms, type Publish } from './confirms.ts'
import { absentExchange } from './errors.ts'
import type { ReadContent } from './frames.ts'
import type { Link, OpenChannel } from './link.ts'

interface Confirming {
  readonly channel: OpenChannel
  readonly confirms: Confirms
}

export class Publisher {
  readonly #link: Link
  #current: Confirming | undefined
  #opening: Promise<Confirming> | undefined
  #closed = false

  constructor(link: Link) {
    this.#link = link
  }

  publish(message: Message, options: PublishOptions): Promise<void> {
    const current = this.#current
    if (current !== undefined) return this.#send(current, message, options)
    return this.#open().then((opened) => this.#send(opened, message, options))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#link.closeChannel(this.#current?.channel)
  }

  #send(
    { channel, confirms }: Confirming,
    message: Message,
    options: PublishOptions,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!channel.open) throw this.#gone(channel)
      const { maxBodyBytes } = this.#link
      if (message.body.length > maxBodyBytes) {
        throw new LimitExceeded(
          `a body of ${message.body.length} bytes; the limit is ${maxBodyBytes}`,
        )
      }
      const { exchange, routingKey, mandatory = false } = options
      this.#link.frames.publish(channel.number, message, { exchange, routingKey, mandatory })
      confirms.add({ message, exchange, routingKey, mandatory, resolve, reject })
    })
  }

  #open(): Promise<Confirming> {
    if (this.#closed) return Promise.reject(new OperationalError('the channel is closed'))
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  async #connect(): Promise<Confirming> {
    const confirms = new Confirms()
    const channel = await this.#link.openConfirming((closed) => {
      this.#current = undefined
      confirms.fail((publish) => this.#outcome(closed, publish))
    })
    channel.raw.on('ack', ({ deliveryTag, multiple }) => confirms.ack(deliveryTag, multiple))
    channel.raw.on('nack', ({ deliveryTag, multiple }) => confirms.nack(deliveryTag, multiple))
    channel.raw.on('return', ({ fields, properties, content }) => {
      const { exchange, routingKey } = fields
      confirms.return({
        exchange,
        routingKey,
        body: content,
        correlationId: correlation(properties),
      })
    })
    if (this.#closed) {
      await this.#link.closeChannel(channel)
      throw new OperationalError('the channel is closed')
    }
    return (this.#current = { channel, confirms })
  }

  /** What became of a publish that was not confirmed when the channel closed. */
  #outcome(channel: OpenChannel, { exchange, routingKey }: Publish): Error {
    if (absentExchange(channel.reason) === exchange)
      return new UnroutableError(exchange, routingKey)
    return this.#gone(channel)
  }

  #gone({ reason }: OpenChannel): Error {
    if (this.#link.lost !== undefined) return this.#link.lost
    const message = `the channel to ${this.#link.address} closed before the broker confirmed the message`
    return new OperationalError(message, { cause: reason })
  }
}

function correlation(properties: unknown): string | undefined {
  const content = properties as ReadContent
  return 'malformed' in content ? undefined : content.properties.correlationId
}
