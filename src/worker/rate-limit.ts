/** Holds tasks back, name by name, so that each runs no more often than its rate limit says. */

import { ImproperlyConfigured } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { perSecond, type Rate } from '../runtime/rate.ts'
import { Timer } from '../runtime/timer.ts'
import { TokenBucket } from '../runtime/token-bucket.ts'

/** What is held back: a request. */
export interface Held {
  readonly taskName: string
  /** Discards it when it must not run any more. */
  revoked(): boolean
  execute(): void
  onDropped(): void
}

export interface RateLimitsOptions {
  /** For lengths of time. */
  readonly clock: Clock
  /** What the task itself says. */
  readonly rateOf: (task: string) => Rate
  /** False takes no notice of limits. @see celery 5.6, `worker_disable_rate_limits` */
  readonly enabled: boolean
}

/** The tasks of one name that wait for a token, in the order they came. */
interface Bucket {
  readonly tokens: TokenBucket
  readonly waiting: Held[]
}

/**
 * For each worker on its own, as in Celery: two workers run twice as many. What waits is unsettled and
 * counts against the prefetch count, so that no more can wait than were fetched.
 *
 * @see celery 5.6, worker/consumer/consumer.py, `bucket_for_task`, `_limit_task`
 */
export class RateLimits {
  readonly #options: RateLimitsOptions
  readonly #timer: Timer
  /** Set from remote, in place of what the tasks say. */
  readonly #changed = new Map<string, Rate>()
  /** By the task's name; null where there is no limit. */
  readonly #buckets = new Map<string, Bucket | null>()
  /** Those that somebody waits in, also when they were replaced since. */
  readonly #busy = new Set<Bucket>()

  constructor(options: RateLimitsOptions) {
    this.#options = options
    this.#timer = new Timer(options.clock)
  }

  rateOf(task: string): Rate {
    const changed = this.#changed.get(task)
    return changed === undefined ? this.#options.rateOf(task) : changed
  }

  /**
   * Replaces all buckets by full ones, of every task, as Celery does. Who waits goes on at the rate
   * that it came under; who comes from now on does not wait for those.
   *
   * @see celery 5.6, worker/consumer/consumer.py, `reset_rate_limits`
   */
  change(task: string, rate: Rate): void {
    this.#changed.set(task, rate)
    this.#buckets.clear()
  }

  /** @throws ImproperlyConfigured when one of the tasks has a limit that is none */
  check(tasks: Iterable<string>): void {
    for (const task of tasks) this.#bucketOf(task)
  }

  /** Takes a task whose name has a limit, and runs it when its turn has come; false when it has none. */
  hold(request: Held): boolean {
    const bucket = this.#bucketOf(request.taskName)
    if (bucket === null) return false
    bucket.waiting.push(request)
    this.#busy.add(bucket)
    // Behind others its time comes with theirs.
    if (bucket.waiting.length === 1) this.#release(bucket)
    return true
  }

  /** Gives back all that wait. */
  drop(): void {
    this.#timer.clear()
    const dropped = [...this.#busy].flatMap(({ waiting }) => waiting.splice(0))
    this.#busy.clear()
    for (const request of dropped) request.onDropped()
  }

  #bucketOf(task: string): Bucket | null {
    const known = this.#buckets.get(task)
    if (known !== undefined) return known
    const bucket = this.#newBucket(task)
    this.#buckets.set(task, bucket)
    return bucket
  }

  #newBucket(task: string): Bucket | null {
    const { clock, enabled } = this.#options
    const rate = this.rateOf(task)
    const fillRate = enabled ? perSecond(rate) : 0
    if (fillRate === undefined) {
      throw new ImproperlyConfigured(
        `the rate limit '${rate}' of task '${task}' is none: write it as '10/m', '2/s' or '100/h'`,
      )
    }
    return fillRate === 0 ? null : { tokens: new TokenBucket(fillRate, clock), waiting: [] }
  }

  /** A task that was revoked while it waited, or has expired, takes no token. */
  #release(bucket: Bucket): void {
    const { waiting, tokens } = bucket
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const held = next.revoked()
      if (!held && !tokens.consume()) return this.#wait(bucket)
      waiting.shift()
      if (!held) next.execute()
    }
    this.#busy.delete(bucket)
  }

  /** Never less than a millisecond: what is left of a token may be too little to tell from nothing. */
  #wait(bucket: Bucket): void {
    const { clock } = this.#options
    const delay = Math.max(1, Math.ceil(bucket.tokens.expectedTimeMs()))
    this.#timer.callAt(clock.now() + delay, () => this.#release(bucket))
  }
}
