/** The prefetch count: raised by one for each eta task that waits, told to the broker once per turn. */

/** More cannot be said in AMQP's 16 bits, and stands for no limit. @see kombu 5.6, common.py, `QoS` */
const PREFETCH_COUNT_MAX = 0xffff

export interface PrefetchOptions {
  /** Concurrency times the multiplier; 0 is no limit. */
  readonly initial: number
  /** What one slot of the pool stands for. @default 1 */
  readonly multiplier?: number
  /** The most that eta tasks may raise it to. @default no limit */
  readonly etaTaskLimit?: number | null
  /** Tells the broker; the promise is awaited before the next change is told. */
  readonly apply: (prefetchCount: number) => Promise<void>
  /** A change could not be told; it is told again with the next connection. */
  readonly onError: (error: unknown) => void
}

/**
 * Deliveries that wait for their eta are unsettled, so they would use up the prefetch window and leave
 * the worker without work. The count is worked out anew from the number that waits, so that it cannot
 * drift, as Celery's does when a limit is reached or a connection lost.
 */
export class Prefetch {
  readonly #options: PrefetchOptions
  readonly #multiplier: number
  #base: number
  /** How much less is asked for, since a connection was lost. */
  #reduction = 0
  #waiting = 0
  #told: number
  #telling = false

  constructor(options: PrefetchOptions) {
    this.#options = options
    this.#multiplier = options.multiplier ?? 1
    this.#base = options.initial
    this.#told = this.value
  }

  /** What the broker should know. */
  get value(): number {
    if (this.#base === 0) return 0
    const { base } = this
    const limit = this.#options.etaTaskLimit ?? Infinity
    const count = Math.max(base, Math.min(base + this.#waiting, limit))
    return count > PREFETCH_COUNT_MAX ? 0 : count
  }

  /**
   * How many eta tasks may wait, so that what can run still gets through: all that raise the count, or
   * half of what it is without them.
   */
  get etaRoom(): number {
    const { etaTaskLimit } = this.#options
    if (this.#base === 0 || etaTaskLimit == null) return Infinity
    return Math.max(etaTaskLimit - this.#base, Math.min(etaTaskLimit, this.#base >> 1))
  }

  /** What is asked for while no eta task waits. */
  get base(): number {
    return this.#base - this.#reduction
  }

  /** The same when no connection was lost either. */
  get maximum(): number {
    return this.#base
  }

  /** One more eta task waits. */
  increment(): void {
    this.#waiting += 1
    this.#tellEventually()
  }

  /** An eta task is due, or gone. */
  decrement(): void {
    this.#waiting = Math.max(0, this.#waiting - 1)
    this.#tellEventually()
  }

  /** The pool grew or shrank. */
  resize(initial: number): void {
    this.#base = initial
    this.#reduction = Math.min(this.#reduction, this.#most)
    this.#tellEventually()
  }

  /**
   * Asks for less until what still runs is done: the connection is lost, so that its deliveries no
   * longer count for the broker, but have their slots of the pool.
   *
   * @returns whether it is less
   * @see celery 5.6, worker/consumer/consumer.py, `on_connection_error_after_connected`
   */
  reduce(active: number): boolean {
    this.#reduction = Math.min(active * this.#multiplier, this.#most)
    this.#tellEventually()
    return this.#reduction > 0
  }

  /**
   * One more is done: asks for as many again as that stands for.
   *
   * @returns whether that is all now
   * @see celery 5.6, worker/consumer/consumer.py, `_restore_prefetch_count_after_connection_restart`
   */
  regain(): boolean {
    if (this.#reduction === 0) return false
    this.#reduction = Math.max(0, this.#reduction - this.#multiplier)
    this.#tellEventually()
    return this.#reduction === 0
  }

  /** One slot's worth is always asked for. */
  get #most(): number {
    return Math.max(0, this.#base - this.#multiplier)
  }

  #tellEventually(): void {
    if (this.#telling) return
    this.#telling = true
    setImmediate(() => void this.#tell())
  }

  async #tell(): Promise<void> {
    try {
      while (this.#told !== this.value) {
        this.#told = this.value
        await this.#options.apply(this.#told)
      }
    } catch (error) {
      const changed = this.#told !== this.value
      this.#told = -1
      this.#options.onError(error)
      // Else the next connection would be told a count that was true before this one was lost.
      if (changed) setImmediate(() => this.#tellEventually())
    } finally {
      this.#telling = false
    }
  }
}
