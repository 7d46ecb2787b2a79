/** A channel to RabbitMQ: publishes, consumes and takes on channels of amqplib that fail apart from each other. */

import type { Message } from '../../../protocol/message.ts'
import type { Exchange, Queue } from '../../messaging/entity.ts'
import type {
  Channel,
  ConsumeOptions,
  Consumption,
  DeclaredQueue,
  Delivery,
  PublishOptions,
} from '../../messaging/transport.ts'
import { type CeleryError, OperationalError } from '../../errors.ts'
import type { Admin } from './admin.ts'
import type { Link } from './link.ts'
import type { Outbox } from './outbox.ts'
import { Publisher } from './publisher.ts'
import { Receiver } from './receiver.ts'

export class AmqpChannel implements Channel {
  readonly #link: Link
  readonly #admin: Admin
  readonly #outbox: Outbox
  readonly #publisher: Publisher
  readonly #consumer: Receiver
  /** Apart, because a get from a queue that is not there closes the channel. */
  readonly #getter: Receiver
  #closed = false

  constructor(link: Link, admin: Admin, outbox: Outbox) {
    this.#link = link
    this.#admin = admin
    this.#outbox = outbox
    this.#publisher = new Publisher(link)
    this.#consumer = new Receiver(link, outbox)
    this.#getter = new Receiver(link, outbox)
  }

  async declareExchange(exchange: Exchange): Promise<void> {
    this.#check()
    await this.#admin.declareExchange(exchange)
  }

  async declareQueue(queue: Queue): Promise<DeclaredQueue> {
    this.#check()
    const type = queue.arguments?.['x-queue-type']
    if (type === 'quorum' || type === 'stream') this.#consumer.usePrefetchPerConsumer()
    if (type === 'quorum') this.#outbox.addQuorum(queue.name)
    return await this.#admin.declareQueue(queue)
  }

  async deleteQueue(name: string): Promise<void> {
    this.#check()
    await this.#admin.deleteQueue(name)
  }

  async purge(name: string): Promise<number> {
    this.#check()
    return await this.#admin.purge(name)
  }

  publish(message: Message, options: PublishOptions): Promise<void> {
    const over = this.#over()
    return over === undefined ? this.#publisher.publish(message, options) : Promise.reject(over)
  }

  async get(
    queue: string,
    options: { readonly noAck?: boolean } = {},
  ): Promise<Delivery | undefined> {
    this.#check()
    return await this.#getter.get(queue, options.noAck ?? false)
  }

  async consume(
    queue: string,
    onDelivery: (delivery: Delivery) => void,
    options?: ConsumeOptions,
  ): Promise<Consumption> {
    this.#check()
    // A queue that is not there would close the channel, with the consumers of the others.
    await this.#admin.checkQueue(queue)
    return await this.#consumer.consume(queue, onDelivery, options)
  }

  async qos(prefetchCount: number): Promise<void> {
    this.#check()
    await this.#consumer.qos(prefetchCount)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#consumer.close(), this.#getter.close(), this.#publisher.close()])
  }

  #over(): CeleryError | undefined {
    if (this.#link.lost !== undefined) return this.#link.lost
    return this.#closed ? new OperationalError('the channel is closed') : undefined
  }

  #check(): void {
    const over = this.#over()
    if (over !== undefined) throw over
  }
}
