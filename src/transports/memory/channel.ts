/** A channel to the broker inside the process: prefetch, and giving back what was not settled. */

import type { Message } from '../../../protocol/message.ts'
import { LeaseLostError, OperationalError, QueueNotFound, UnroutableError } from '../../errors.ts'
import { counted, deliveryCountOf, uncounted } from '../../messaging/delivery-count.ts'
import type { Exchange, Queue } from '../../messaging/entity.ts'
import type {
  Channel,
  ConsumeOptions,
  Consumption,
  DeclaredQueue,
  Delivery,
  PublishOptions,
  RequeueOptions,
} from '../../messaging/transport.ts'
import type { MemoryBroker, MemoryQueue, Receiver, Stored } from './broker.ts'

/** A message in hand, and the queue that it goes back to. */
interface Held {
  readonly queue: MemoryQueue
  readonly stored: Stored
}

export class MemoryChannel implements Channel {
  readonly #broker: MemoryBroker
  readonly #unacked = new Map<number, Held>()
  readonly #receivers = new Map<Receiver, MemoryQueue>()
  #prefetchCount = 0
  #lastTag = 0
  #over: Error | undefined

  readonly #onEnd: () => void

  constructor(broker: MemoryBroker, onEnd: () => void) {
    this.#broker = broker
    this.#onEnd = onEnd
  }

  async declareExchange(exchange: Exchange): Promise<void> {
    this.#check()
    this.#broker.declareExchange(exchange)
  }

  async declareQueue(queue: Queue): Promise<DeclaredQueue> {
    this.#check()
    const declared = queue.passive ? this.#queue(queue.name) : this.#broker.declareQueue(queue)
    const { name, size: messageCount, consumerCount } = declared
    return { name, messageCount, consumerCount }
  }

  async deleteQueue(name: string): Promise<void> {
    this.#check()
    this.#broker.deleteQueue(name)
  }

  async purge(name: string): Promise<number> {
    this.#check()
    return this.#queue(name).purge()
  }

  async publish(message: Message, options: PublishOptions): Promise<void> {
    this.#check()
    const { exchange, routingKey, mandatory } = options
    const taken = this.#broker.publish(message, exchange, routingKey)
    if (!taken && mandatory) throw new UnroutableError(exchange, routingKey)
  }

  async get(
    name: string,
    options: { readonly noAck?: boolean } = {},
  ): Promise<Delivery | undefined> {
    this.#check()
    const queue = this.#queue(name)
    const stored = queue.take()
    return stored && this.#hold(queue, stored, options.noAck ?? false)
  }

  async consume(
    name: string,
    onDelivery: (delivery: Delivery) => void,
    options: ConsumeOptions = {},
  ): Promise<Consumption> {
    this.#check()
    const queue = this.#queue(name)
    const noAck = options.noAck ?? false
    const receiver: Receiver = {
      hasRoom: () => noAck || this.#prefetchCount === 0 || this.#unacked.size < this.#prefetchCount,
      receive: (stored) => onDelivery(this.#hold(queue, stored, noAck)),
      cancelled: () => {
        this.#receivers.delete(receiver)
        options.onCancel?.()
      },
    }
    this.#receivers.set(receiver, queue)
    queue.subscribe(receiver)
    const cancel = async (): Promise<void> => {
      if (this.#receivers.delete(receiver)) queue.unsubscribe(receiver)
    }
    return { queue: name, cancel }
  }

  async qos(prefetchCount: number): Promise<void> {
    this.#check()
    this.#prefetchCount = prefetchCount
    this.#wake()
  }

  async close(): Promise<void> {
    this.end(new OperationalError('the channel is closed'))
  }

  /** Gives back what is in hand, for the reason given. */
  end(reason: Error): void {
    if (this.#over !== undefined) return
    this.#over = reason
    this.#onEnd()
    const receivers = [...this.#receivers]
    this.#receivers.clear()
    for (const [receiver, queue] of receivers) queue.unsubscribe(receiver)
    const held = [...this.#unacked.values()]
    this.#unacked.clear()
    for (const { queue, stored } of held.toReversed()) queue.restore(stored)
  }

  #check(): void {
    if (this.#over !== undefined) throw this.#over
  }

  #queue(name: string): MemoryQueue {
    const queue = this.#broker.queue(name)
    if (queue === undefined) throw new QueueNotFound(`no queue '${name}' in this process`)
    return queue
  }

  #wake(): void {
    for (const queue of this.#receivers.values()) queue.wake()
  }

  #hold(queue: MemoryQueue, stored: Stored, noAck: boolean): Delivery {
    const deliveryTag = (this.#lastTag += 1)
    if (!noAck) this.#unacked.set(deliveryTag, { queue, stored })
    let settled = noAck
    const settle = async (then?: () => void): Promise<void> => {
      if (settled) return
      if (!this.#unacked.delete(deliveryTag)) {
        const message = `the channel that delivered message ${deliveryTag} of queue '${queue.name}' is gone`
        throw new LeaseLostError(message, { cause: this.#over })
      }
      settled = true
      then?.()
      this.#wake()
    }
    const again = (options: RequeueOptions = {}): void => {
      const { message } = stored
      if (options.counted) queue.put({ ...stored, message: counted(message), redelivered: false })
      else queue.restore(options.anew ? { ...stored, message: uncounted(message) } : stored)
    }
    const { message, exchange, routingKey, redelivered } = stored
    return {
      message,
      queue: queue.name,
      exchange,
      routingKey,
      redelivered,
      deliveryCount: deliveryCountOf(message),
      deliveryTag,
      ack: () => settle(),
      reject: () => settle(),
      requeue: (options) => settle(() => again(options)),
      bury: () => settle(),
      postpone: (until) => settle(() => this.#broker.postpone(queue.name, stored, until)),
    }
  }
}
