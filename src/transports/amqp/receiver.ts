/** Consumes queues on a channel, within a prefetch count, and settles what was delivered. */

import type { ConsumeMessage, GetMessage } from 'amqplib'
import { LeaseLostError, OperationalError } from '../../errors.ts'
import type { ConsumeOptions, Consumption, Delivery } from '../../messaging/transport.ts'
import { oneLine } from '../../runtime/log.ts'
import { AmqpDelivery } from './delivery.ts'
import type { ReadContent } from './frames.ts'
import type { Link, OpenChannel } from './link.ts'
import type { Outbox } from './outbox.ts'

/** The broker's field has 16 bits. @see kombu 5.6, common.py, `QoS.set` */
const PREFETCH_MAX = 65_535

interface Receiving {
  readonly channel: OpenChannel
  /** What the broker was told, as `count/global`. */
  qos: string
  readonly consumers: Set<Consuming>
  /** Who has had deliveries, and may hold some: whether it consumes still, or not. */
  readonly holders: Set<(error: Error) => void>
}

interface Consuming {
  readonly options: ConsumeOptions
  /** The broker has said that it consumes. */
  started: boolean
}

export class Receiver {
  readonly #link: Link
  readonly #outbox: Outbox
  #current: Receiving | undefined
  #opening: Promise<Receiving> | undefined
  #prefetch = 0
  #perConsumer = false
  #closed = false

  constructor(link: Link, outbox: Outbox) {
    this.#link = link
    this.#outbox = outbox
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
    const { channel, consumers } = receiving
    const { noAck = false } = options
    const consuming: Consuming = { options, started: false }
    const receive = (raw: ConsumeMessage | null): void => {
      if (raw === null) {
        if (consumers.delete(consuming)) options.onCancel?.()
        return
      }
      const delivery = this.#delivery(channel, queue, raw, noAck)
      if (delivery === undefined) return
      if (noAck || delivery.until <= Date.now()) onDelivery(delivery)
      else void postponeAgain(delivery, () => (consumers.has(consuming) ? onDelivery : undefined))
    }
    consumers.add(consuming)
    const { consumerTag } = await this.#start(
      receiving,
      consuming,
      `consume queue '${queue}'`,
      () => channel.raw.consume(queue, receive, { noAck }),
    )
    const cancel = async (): Promise<void> => {
      if (!consumers.delete(consuming) || !channel.open) return
      await this.#link
        .call('basic.cancel', () => channel.raw.cancel(consumerTag))
        .catch(() => {
          // The channel has closed meanwhile, and the consumer with it.
        })
    }
    return { queue, cancel }
  }

  /** Until it has started, a closed channel is told by the rejection, and not to the consumer. */
  async #start<T>(
    { channel, consumers, holders }: Receiving,
    consuming: Consuming,
    what: string,
    rpc: () => Promise<T>,
  ): Promise<T> {
    try {
      const answer = await this.#link.call(what, rpc)
      if (!channel.open) throw this.#link.lost ?? new OperationalError('the channel is closed')
      consuming.started = true
      const { onLost } = consuming.options
      if (onLost !== undefined) holders.add(onLost)
      return answer
    } catch (error) {
      consumers.delete(consuming)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    // What is about to be opened is closed there.
    this.#current?.consumers.clear()
    this.#current?.holders.clear()
    await this.#link.closeChannel(this.#current?.channel)
  }

  async #open(): Promise<Receiving> {
    if (this.#current !== undefined) return this.#current
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined))
    return await this.#opening
  }

  async #connect(): Promise<Receiving> {
    const consumers = new Set<Consuming>()
    const holders = new Set<(error: Error) => void>()
    const channel = await this.#link.open((closed) => {
      this.#current = undefined
      this.#end({ channel: closed, consumers, holders })
    })
    if (this.#closed) {
      await this.#link.closeChannel(channel)
      throw new OperationalError('the channel is closed')
    }
    return (this.#current = { channel, qos: '0/false', consumers, holders })
  }

  /** Who lost the connection hears of it from there. */
  #end({ channel, consumers, holders }: Omit<Receiving, 'qos'>): void {
    const faulty = this.#link.lost === undefined
    const error = channel.reason ?? new Error('the channel was closed')
    if (channel.reason !== undefined && faulty) {
      this.#link.logger.error(`the broker closed a channel: ${oneLine(error.message)}`)
    }
    const ended = [...consumers].filter(({ started }) => started)
    consumers.clear()
    for (const { options } of ended) {
      if (options.onLost === undefined) options.onCancel?.()
    }
    if (faulty) for (const onLost of holders) onLost(error)
    holders.clear()
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
  ): AmqpDelivery | undefined {
    const { fields } = raw
    const content = raw.properties as unknown as ReadContent
    if (!('malformed' in content)) {
      return new AmqpDelivery(
        { link: this.#link, outbox: this.#outbox, channel, queue, noAck },
        raw,
      )
    }
    this.#link.logger.error(
      `a message in queue '${queue}' was rejected: ${content.malformed.message} ` +
        `(exchange '${fields.exchange}', routing key '${fields.routingKey}')`,
    )
    if (!noAck && channel.open) this.#link.frames.reject(channel.number, fields.deliveryTag)
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
      if (delivery === undefined) continue
      if (noAck || delivery.until <= Date.now()) return delivery
      await delivery.postpone(delivery.until)
    }
  }
}

/** Its way has several steps. Who would have it early has it when it cannot go on. */
async function postponeAgain(
  delivery: AmqpDelivery,
  taker: () => ((delivery: Delivery) => void) | undefined,
): Promise<void> {
  try {
    await delivery.postpone(delivery.until)
  } catch (error) {
    if (error instanceof LeaseLostError) return
    const take = taker()
    if (take === undefined) await delivery.requeue().catch(() => {})
    else take(delivery)
  }
}

function asConsumed(raw: GetMessage): ConsumeMessage {
  return raw as unknown as ConsumeMessage
}
