/** The worker's connection: connects, consumes, loses, connects again; and quiets down at the end. */

import { OperationalError, TimeoutError } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import { Consumer as MessageConsumer, type LostPart } from '../messaging/consumer.ts'
import type { Queue } from '../messaging/entity.ts'
import type { Delivery } from '../messaging/transport.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { deadline } from '../runtime/retry.ts'
import type { Service } from '../runtime/service.ts'
import { Prefetch } from './prefetch.ts'

export interface ConsumerOptions {
  readonly connection: Connection
  readonly queues: readonly Queue[]
  /** Concurrency times the multiplier; 0 is no limit. */
  readonly prefetchCount: number
  readonly prefetchMultiplier: number
  /** Whether fewer are fetched after a loss, until what runs is done. @see celery 5.6, `worker_enable_prefetch_count_reduction` */
  readonly reducesPrefetch: boolean
  readonly etaTaskLimit: number | null
  /** How many more could run at once; undefined fetches ahead. @see celery 5.6, `worker_disable_prefetch` */
  readonly canConsume: (() => number) | undefined
  /** Whether the first connection is tried again. @see celery 5.6, `broker_connection_retry_on_startup` */
  readonly retryOnStartup: boolean
  /** Whether a lost one is. @see celery 5.6, `broker_connection_retry` */
  readonly retry: boolean
  /** Must not throw. */
  readonly onDelivery: (delivery: Delivery) => void
  /** Every delivery in hand is void: the broker gives it to a worker again. */
  readonly onLost: () => void
  /** There is no way back. */
  readonly onFailed: (error: Error) => void
  readonly log: Logger
}

/** Seconds that the broker may take to end the consumers. */
const QUIET_TIMEOUT = 2
/** Seconds that it may take to close. */
const CLOSE_TIMEOUT = 3

/** @see celery 5.6, worker/consumer/consumer.py */
export class Consumer implements Service {
  readonly #options: ConsumerOptions
  readonly #consumer: MessageConsumer
  readonly #starting = new AbortController()
  /** Raised while tasks wait for their eta. */
  readonly prefetch: Prefetch

  constructor(options: ConsumerOptions) {
    this.#options = options
    const { connection, queues, onDelivery, onFailed, log } = options
    const { prefetchCount, prefetchMultiplier, etaTaskLimit, canConsume } = options
    this.#consumer = new MessageConsumer(connection, {
      queues,
      prefetchCount,
      canConsume,
      onDelivery,
      onConnected: () => log.info(`Connected to ${connection.address}`),
      onLost: (error, what) => this.#lost(error, what),
      onFailed,
      logger: log,
    })
    this.prefetch = new Prefetch({
      initial: prefetchCount,
      multiplier: prefetchMultiplier,
      etaTaskLimit,
      apply: (count) => this.#consumer.qos(count),
      // With the next connection the broker is told anyway.
      onError: (error) => log.debug(`basic.qos: ${oneLine((error as Error).message)}`),
    })
  }

  get address(): string {
    return this.#options.connection.address
  }

  get queues(): readonly Queue[] {
    return this.#consumer.queues
  }

  /** @throws OperationalError when no broker answered as often as the settings say */
  async start(): Promise<void> {
    const { connection, retryOnStartup, canConsume, log } = this.#options
    await connection.connect(this.#starting.signal, { patient: retryOnStartup })
    if (this.#starting.signal.aborted) throw aborted()
    const { driver } = connection.capabilities
    if (canConsume !== undefined && driver !== 'redis') {
      log.warning(
        'worker_disable_prefetch is only supported for Redis brokers. ' +
          `Current broker transport: ${driver}. Ignoring disable_prefetch setting.`,
      )
    }
    await this.#consumer.start()
  }

  /** The connection is gone, and so many tasks run on: their slots are not free for what is fetched. */
  reducePrefetch(active: number): void {
    const { log, reducesPrefetch } = this.#options
    if (!reducesPrefetch || !this.prefetch.reduce(active)) return
    const { base, maximum } = this.prefetch
    log.info(
      `Temporarily reducing the prefetch count to ${base} to avoid over-fetching since ` +
        `${active} tasks are currently being processed.\nThe prefetch count will be gradually ` +
        `restored to ${maximum} as the tasks complete processing.`,
    )
  }

  /** A delivery was answered. */
  settled(): void {
    if (!this.prefetch.regain()) return
    this.#options.log.info(
      'Resuming normal operations following a restart.\n' +
        `Prefetch count has been restored to the maximum of ${this.prefetch.maximum}`,
    )
  }

  /** One more could run at once, where that counts. */
  canConsumeMore(): void {
    const { canConsume, log } = this.#options
    if (canConsume === undefined) return
    this.#consumer.qos(this.prefetch.value).catch((error: unknown) => {
      log.debug(`basic.qos: ${oneLine((error as Error).message)}`)
    })
  }

  /** Takes no more messages; those in hand can still be settled. */
  async quiet(seconds: number = QUIET_TIMEOUT): Promise<void> {
    this.#starting.abort(aborted())
    await this.#within(seconds, this.#consumer.pause(), 'cancel the consumers')
  }

  /** Closes the connection; what is unsettled goes back to its queue. Never rejects. */
  async stop(seconds: number = CLOSE_TIMEOUT): Promise<void> {
    this.#starting.abort(aborted())
    await this.#within(seconds, this.#consumer.stop(), 'close the channel')
    await this.#within(seconds, this.#options.connection.close(), 'close the connection')
  }

  /** A channel comes back whatever the settings say: Celery's worker would end. @see celery 5.6, `broker_channel_error_retry` */
  #lost(error: Error, what: LostPart): void {
    const { log, retry, onLost, onFailed } = this.#options
    const again =
      what === 'channel'
        ? 'Channel was closed by the broker. Opening another'
        : 'Connection to broker lost. Trying to re-establish the connection'
    log.warning(`consumer: ${again}... (${oneLine(error.message)})`)
    onLost()
    if (what === 'connection' && !retry) onFailed(error)
  }

  async #within(seconds: number, work: Promise<void>, what: string): Promise<void> {
    const tooLong = (): Error => new TimeoutError(`the broker took longer than ${seconds} s`)
    try {
      await deadline(work, seconds, tooLong)
    } catch (error) {
      this.#options.log.warning(`consumer: Cannot ${what}: ${oneLine((error as Error).message)}`)
    }
  }
}

function aborted(): OperationalError {
  return new OperationalError('the worker was stopped before it was connected')
}
