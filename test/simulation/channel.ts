/** A simulated channel: publishes, consumes, and hands over what the broker gives it. */

import type { Message } from '../../protocol/message.ts'
import { OperationalError } from '../../src/errors.ts'
import type { Exchange, Queue } from '../../src/messaging/entity.ts'
import type {
  Channel,
  Consumption,
  ConsumeOptions,
  DeclaredQueue,
  Delivery,
  PublishOptions,
} from '../../src/messaging/transport.ts'
import type { Broker } from './broker.ts'
import type { SimConnection } from './connection.ts'
import type { Holder, Subscription } from './copy.ts'
import { SimDelivery } from './delivery.ts'

export class SimChannel implements Channel {
  readonly connection: SimConnection
  readonly holder: Holder
  readonly #consumers = new Set<Subscription>()
  /** Grows when the broker closes the channel under the hand: deliveries before that are void. */
  generation = 0
  #closing: Promise<void> | undefined

  constructor(connection: SimConnection, holder: Holder) {
    this.connection = connection
    this.holder = holder
  }

  get broker(): Broker {
    return this.connection.options.broker
  }

  /** Whether what it delivered can still be settled, as far as this side knows. */
  isCurrent(generation: number): boolean {
    return (
      this.connection.over === undefined &&
      this.#closing === undefined &&
      this.generation === generation
    )
  }

  declareExchange(exchange: Exchange): Promise<void> {
    return this.#ask(`declare exchange ${exchange.name}`, () =>
      this.broker.declareExchange(exchange),
    )
  }

  declareQueue(queue: Queue): Promise<DeclaredQueue> {
    return this.#ask(`declare ${queue.name}`, () => ({
      name: queue.name,
      ...this.broker.declareQueue(queue),
    }))
  }

  deleteQueue(): Promise<void> {
    return Promise.reject(new Error('not simulated'))
  }

  purge(): Promise<number> {
    return Promise.reject(new Error('not simulated'))
  }

  get(): Promise<Delivery | undefined> {
    return Promise.reject(new Error('not simulated'))
  }

  publish(message: Message, options: PublishOptions): Promise<void> {
    const publish = (): Promise<void> => this.#publish(message, options)
    const { mutant } = this.connection.options
    return mutant.publish === undefined ? publish() : mutant.publish(publish)
  }

  #publish(message: Message, options: PublishOptions): Promise<void> {
    return this.#ask(`publish ${String(message.headers['id'])}`, () => {
      if (this.connection.options.refusesMessage()) {
        throw new OperationalError('the broker refused the message')
      }
      this.broker.publish(message, options)
    })
  }

  async consume(
    queue: string,
    onDelivery: (delivery: Delivery) => void,
    options: ConsumeOptions = {},
  ): Promise<Consumption> {
    const subscription = this.#subscription(queue, onDelivery, options)
    this.#consumers.add(subscription)
    await this.#ask(`consume ${queue}`, () => this.broker.subscribe(subscription))
    return { queue, cancel: () => this.#cancel(subscription) }
  }

  #subscription(
    queue: string,
    onDelivery: (delivery: Delivery) => void,
    { noAck = false, onCancel }: ConsumeOptions,
  ): Subscription {
    const { observer, mutant } = this.connection.options
    const subscription: Subscription = {
      holder: this.holder,
      queue,
      noAck,
      hand: (copy, tag, redelivered) =>
        this.connection.hand(`delivery ${tag} of message ${copy.serial}`, () => {
          // fetched for a consumer that is gone: on Redis it is put back, RabbitMQ sends none
          if (!this.#consumers.has(subscription)) return this.#putBack(tag)
          const delivery = new SimDelivery(this, copy, { tag, redelivered, noAck })
          observer.arrived(delivery)
          if (mutant.deliver === undefined || noAck) onDelivery(delivery)
          else mutant.deliver(delivery, onDelivery)
        }),
      onCancel: () =>
        this.connection.hand(`consumer of ${queue} cancelled`, () => {
          const known = this.#consumers.delete(subscription)
          if (known && mutant.deaf !== true) onCancel?.()
        }),
    }
    return subscription
  }

  #putBack(tag: number): void {
    this.connection.tell('put back', () => void this.broker.requeue(this.holder, tag))
  }

  async #cancel(subscription: Subscription): Promise<void> {
    try {
      await this.#ask(`cancel ${subscription.queue}`, () => this.broker.unsubscribe(subscription))
    } catch {
      // it went with its connection
    }
    this.#consumers.delete(subscription)
  }

  qos(wanted: number): Promise<void> {
    const { qos } = this.connection.options.mutant
    const prefetchCount = qos === undefined ? wanted : qos(wanted)
    this.connection.options.observer.qos(this.holder.actor, prefetchCount)
    return this.#ask(`qos ${prefetchCount}`, () => {
      this.holder.prefetchCount = prefetchCount
      this.broker.wake()
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.connection
      .ask('channel.close', () => {
        for (const consumer of this.#consumers) this.broker.unsubscribe(consumer)
        this.broker.release(this.holder, 'channel closed')
      })
      .catch(() => {})
      .then(() => this.#consumers.clear())
    return this.#closing
  }

  /** The broker closes it: all that is held goes back, and the consumers end. */
  breakDown(): void {
    for (const consumer of this.#consumers) this.broker.unsubscribe(consumer)
    this.broker.recall(this.holder, 'channel closed by the broker')
    this.connection.hand('the broker closed the channel', () => {
      this.generation += 1
    })
    for (const consumer of this.#consumers) consumer.onCancel()
  }

  #ask<T>(what: string, act: () => T): Promise<T> {
    if (this.#closing !== undefined) {
      return Promise.reject(new OperationalError('the channel is closed'))
    }
    return this.connection.ask(what, act)
  }
}
