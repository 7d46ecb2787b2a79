/** Consumes queues for as long as it runs: declares and consumes them again after every loss. */

import { ImproperlyConfigured, OperationalError } from '../errors.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { delay, interval, reasonOf, type RetryPolicy } from '../runtime/retry.ts'
import type { Service } from '../runtime/service.ts'
import type { Connection, Unsubscribe } from './connection.ts'
import type { Queue } from './entity.ts'
import type { Channel, Consumption, Delivery } from './transport.ts'

/** What was lost: the channel alone when the broker closed it (an ack that took longer than its `consumer_timeout`). */
export type LostPart = 'channel' | 'connection'

export interface ConsumerOptions {
  readonly queues: readonly Queue[]
  /** Deliveries that may be unsettled at a time; 0 is no limit. */
  readonly prefetchCount: number
  /** How many may come at this moment besides. @see Channel.qos @default no limit */
  readonly canConsume?: (() => number) | undefined
  /** Deliveries are settled as they are sent. @default false */
  readonly noAck?: boolean
  /** Must not throw; is not awaited. */
  readonly onDelivery: (delivery: Delivery) => void
  /** Consumes, for the first time or again. */
  readonly onConnected?: () => void
  /** The connection is gone, or the channel alone, and every delivery in hand with it. */
  readonly onLost?: (error: Error, what: LostPart) => void
  /** There is no way back: the connection gave up. @default logs it */
  readonly onFailed?: (error: Error) => void
  readonly logger: Logger
}

/** How long apart a queue is tried again that the broker took away. */
const RETRY: RetryPolicy = {
  maxRetries: null,
  intervalStart: 0.1,
  intervalStep: 0.5,
  intervalMax: 3,
}

/** Milliseconds after which a channel that is closed is no sequel of the one that was closed before. */
const CALM_MS = 10_000

/** What runs on one channel. */
interface Session {
  readonly channel: Channel
  readonly openedAt: number
  readonly onLost: (error: Error) => void
  readonly generation: number
  readonly over: AbortController
  readonly consumptions: Map<string, Consumption>
  /** What is about to be a consumption, by the name of its queue. */
  readonly starting: Map<string, Promise<void>>
}

export class Consumer implements Service {
  readonly #connection: Connection
  readonly #options: ConsumerOptions
  readonly #queues: Map<string, Queue>
  #prefetchCount: number
  /** Queues that the broker refused on this generation of the connection: they are not tried again on it. */
  readonly #refused = new WeakMap<Queue, number>()
  #session: Session | undefined
  /** How many channels were closed in quick succession. */
  #faults = 0
  #lifetime: AbortController | undefined
  #unsubscribe: Unsubscribe | undefined
  #paused = false

  constructor(connection: Connection, options: ConsumerOptions) {
    this.#connection = connection
    this.#options = options
    this.#queues = new Map(options.queues.map((queue) => [queue.name, queue]))
    this.#prefetchCount = options.prefetchCount
  }

  /** Whether it consumes at this moment. */
  get consuming(): boolean {
    return (this.#session?.consumptions.size ?? 0) > 0
  }

  /** The queues that it consumes, or will again. */
  get queues(): readonly Queue[] {
    return [...this.#queues.values()]
  }

  /** Resolves when it consumes; rejects when there is no connection, or every queue was refused. */
  async start(): Promise<void> {
    if (this.#lifetime !== undefined) return
    const lifetime = (this.#lifetime = new AbortController())
    this.#unsubscribe = this.#connection.onLost((error) => this.#lost(error, 'connection'))
    try {
      const refused = await this.#open(lifetime.signal)
      if (refused.length > 0 && refused.length === this.#queues.size) throw refused[0]
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** What is unsettled goes back to the queue. */
  async stop(): Promise<void> {
    this.#lifetime?.abort(stopped())
    this.#lifetime = undefined
    this.#unsubscribe?.()
    const session = this.#end()
    await session?.channel.close()
  }

  /** Takes no more messages; those in hand can still be settled. */
  async pause(): Promise<void> {
    this.#paused = true
    const consumptions = [...(this.#session?.consumptions.values() ?? [])]
    this.#session?.consumptions.clear()
    await Promise.all(consumptions.map((consumption) => consumption.cancel()))
  }

  async resume(): Promise<void> {
    this.#paused = false
    const session = this.#session
    if (session !== undefined) await this.#consumeAll(session)
  }

  /** Resolves when the queue is consumed; when there is no connection now, it will be later. */
  async addQueue(queue: Queue): Promise<void> {
    this.#queues.set(queue.name, queue)
    const session = this.#session
    if (session === undefined || this.#paused || session.consumptions.has(queue.name)) return
    try {
      await this.#consume(session, queue)
    } catch (error) {
      if (error instanceof ImproperlyConfigured) this.#queues.delete(queue.name)
      throw error
    }
  }

  async cancelQueue(name: string): Promise<void> {
    this.#queues.delete(name)
    const consumption = this.#session?.consumptions.get(name)
    this.#session?.consumptions.delete(name)
    await consumption?.cancel()
  }

  /** Changes the prefetch count, now and for later connections. */
  async qos(prefetchCount: number): Promise<void> {
    this.#prefetchCount = prefetchCount
    await this.#session?.channel.qos(prefetchCount, this.#options.canConsume)
  }

  #end(): Session | undefined {
    const session = this.#session
    this.#session = undefined
    session?.over.abort(stopped())
    return session
  }

  #lost(error: Error, what: LostPart): void {
    const signal = this.#lifetime?.signal
    if (signal === undefined || this.#end() === undefined) return
    if (what === 'connection') this.#faults = 0
    this.#options.onLost?.(error, what)
    void this.#reopen(signal)
  }

  /** The connection is as good as before: only what came by this channel is void. */
  #channelLost(session: Session, error: Error): void {
    if (this.#session !== session) return
    const calm = performance.now() - session.openedAt > CALM_MS
    this.#faults = calm ? 0 : this.#faults + 1
    void session.channel.close()
    this.#lost(error, 'channel')
  }

  async #reopen(signal: AbortSignal): Promise<void> {
    try {
      if (this.#faults > 0) await delay(interval(RETRY, this.#faults), signal)
      await this.#open(signal)
    } catch (error) {
      if (signal.aborted) return
      const { onFailed, logger } = this.#options
      const failed = error as Error
      if (onFailed === undefined) logger.critical(`no broker any more: ${oneLine(failed.message)}`)
      else onFailed(failed)
    }
  }

  /** Opens a session and consumes; returns the errors of queues that were refused. */
  async #open(signal: AbortSignal): Promise<Error[]> {
    for (let retries = 0; ; retries += 1) {
      const channel = await this.#connection.channel(signal)
      const { generation } = this.#connection
      const session: Session = {
        channel,
        openedAt: performance.now(),
        onLost: (error) => this.#channelLost(session, error),
        generation,
        over: new AbortController(),
        consumptions: new Map(),
        starting: new Map(),
      }
      try {
        await channel.qos(this.#prefetchCount, this.#options.canConsume)
        if (signal.aborted) throw reasonOf(signal)
        this.#session = session
        const refused = await this.#consumeAll(session)
        if (this.#session === session) this.#options.onConnected?.()
        return refused
      } catch (error) {
        await channel.close()
        if (!(error instanceof OperationalError) || signal.aborted) throw error
        await delay(interval(RETRY, retries), signal)
      }
    }
  }

  async #consumeAll(session: Session): Promise<Error[]> {
    const refused: Error[] = []
    for (const queue of this.#queues.values()) {
      if (this.#paused || session.over.signal.aborted || session.consumptions.has(queue.name))
        continue
      if (this.#refused.get(queue) === session.generation) continue
      try {
        await this.#consume(session, queue)
      } catch (error) {
        if (error instanceof ImproperlyConfigured) {
          this.#refused.set(queue, session.generation)
          refused.push(error)
        }
        if (session.over.signal.aborted) break
        this.#options.logger.error(`cannot consume: ${oneLine((error as Error).message)}`)
        if (!(error instanceof ImproperlyConfigured)) void this.#consumeAgain(session, queue)
      }
    }
    return refused
  }

  /** Never twice: a queue may be added, or all resumed, while others are still about it. */
  async #consume(session: Session, queue: Queue): Promise<void> {
    const { name } = queue
    const { consumptions, starting } = session
    for (let other = starting.get(name); other !== undefined; other = starting.get(name)) {
      await other.catch(() => {})
    }
    if (consumptions.has(name)) return
    const start = this.#start(session, queue).finally(() => starting.delete(name))
    starting.set(name, start)
    await start
  }

  async #start(session: Session, queue: Queue): Promise<void> {
    const { channel, over, consumptions, onLost } = session
    const { name } = await channel.declareQueue(queue)
    let ended = false
    const consumption = await channel.consume(name, this.#options.onDelivery, {
      noAck: this.#options.noAck ?? false,
      onCancel: () => {
        ended = true
        this.#cancelled(session, queue)
      },
      onLost,
    })
    const wanted = this.#queues.get(queue.name) === queue && !this.#paused
    if (!wanted || over.signal.aborted) await consumption.cancel()
    else consumptions.set(queue.name, consumption)
    if (ended) this.#cancelled(session, queue)
  }

  /** The broker ended the consumer: its queue was deleted, or its channel closed. */
  #cancelled(session: Session, queue: Queue): void {
    if (!session.consumptions.delete(queue.name) || session.over.signal.aborted) return
    this.#options.logger.warning(`the broker cancelled the consumer of queue '${queue.name}'`)
    void this.#consumeAgain(session, queue)
  }

  async #consumeAgain(session: Session, queue: Queue): Promise<void> {
    const { signal } = session.over
    const wanted = (): boolean =>
      this.#queues.get(queue.name) === queue &&
      !this.#paused &&
      !session.consumptions.has(queue.name) &&
      !signal.aborted
    for (let retries = 0; ; retries += 1) {
      try {
        await delay(interval(RETRY, retries), signal)
        if (wanted()) await this.#consume(session, queue)
        return
      } catch (error) {
        if (signal.aborted) return
        if (retries === 0 || error instanceof ImproperlyConfigured) {
          this.#options.logger.error(`cannot consume: ${oneLine((error as Error).message)}`)
        }
        if (error instanceof ImproperlyConfigured) return
      }
    }
  }
}

function stopped(): OperationalError {
  return new OperationalError('the consumer was stopped')
}
