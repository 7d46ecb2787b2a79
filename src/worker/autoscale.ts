/** Grows the pool while there is more to do than can run, and shrinks it when that is long over. */

import { ImproperlyConfigured } from '../errors.ts'
import { MONOTONIC_CLOCK, type Cancel, type Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import type { Service } from '../runtime/service.ts'
import type { Pool } from './pool/pool.ts'

/** How many tasks may run at a time: so many at most, and so many at least. */
export type AutoscaleRange = readonly [max: number, min: number]

export interface AutoscalerOptions {
  readonly range: AutoscaleRange
  readonly pool: Pick<Pool<unknown>, 'size' | 'grow' | 'shrink'>
  /** How many tasks the pool has; those that run too. */
  readonly reserved: () => number
  /** The most was changed: the prefetch count follows. */
  readonly onMax: (max: number) => void
  readonly log: Logger
  /** Seconds between two looks, and from growing until it may shrink. @default 30 */
  readonly keepalive?: number
  /** For lengths of time. */
  readonly clock?: Clock
}

/** No machine runs so many; a typing error would. */
export const MAX_POOL_SIZE = 10_000

/** @see celery 5.6, worker/autoscale.py, `Autoscaler` */
export class Autoscaler implements Service {
  readonly #options: AutoscalerOptions
  readonly #clock: Clock
  readonly #keepaliveMs: number
  #range: AutoscaleRange
  #grownAt: number | undefined
  #cancel: Cancel | undefined

  constructor(options: AutoscalerOptions) {
    this.#options = options
    this.#range = options.range
    this.#clock = options.clock ?? MONOTONIC_CLOCK
    this.#keepaliveMs = (options.keepalive ?? 30) * 1000
  }

  get range(): AutoscaleRange {
    return this.#range
  }

  async start(): Promise<void> {
    this.#cancel ??= this.#clock.after(this.#keepaliveMs, () => this.#look())
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /**
   * Asked whenever a task has come, and now and then. A pool that never grew is not shrunk, nor one
   * that grew a short while ago.
   */
  maybeScale(): void {
    const { pool, reserved } = this.#options
    const [max, min] = this.#range
    const wanted = reserved()
    const { size } = pool
    if (Math.min(wanted, max) > size) {
      this.#grownAt = this.#clock.now()
      this.#grow(Math.min(wanted, max) - size)
    } else if (Math.max(wanted, min, 1) < size && this.#isIdle()) {
      this.#shrink(size - Math.max(wanted, min, 1))
    }
  }

  /** Changes the range, or one end of it. @throws ImproperlyConfigured */
  update(max: number | null, min: number | null): AutoscaleRange {
    const range = autoscaleRange(max ?? this.#range[0], min ?? this.#range[1])
    const { size } = this.#options.pool
    this.#range = range
    this.#options.onMax(range[0])
    if (range[0] < size) this.#shrink(size - range[0])
    if (range[1] > size) this.#grow(range[1] - size)
    return range
  }

  #look(): void {
    this.#cancel = this.#clock.after(this.#keepaliveMs, () => this.#look())
    this.maybeScale()
  }

  #isIdle(): boolean {
    return this.#grownAt !== undefined && this.#clock.now() - this.#grownAt > this.#keepaliveMs
  }

  #grow(n: number): void {
    this.#options.log.info(`Scaling up ${n} processes.`)
    this.#options.pool.grow(n)
  }

  #shrink(n: number): void {
    this.#options.log.info(`Scaling down ${n} processes.`)
    this.#options.pool.shrink(n)
  }
}

/** @throws ImproperlyConfigured when it is no range */
export function autoscaleRange(max: number, min: number): AutoscaleRange {
  const whole = Number.isInteger(max) && Number.isInteger(min)
  if (whole && 0 <= min && min <= max && 1 <= max && max <= MAX_POOL_SIZE) return [max, min]
  throw new ImproperlyConfigured(
    `autoscale needs two whole numbers, the most and the least, from 0 to ${MAX_POOL_SIZE}: ` +
      `not ${max} and ${min}`,
  )
}

/** @throws ImproperlyConfigured @see celery 5.6, worker/autoscale.py, `AUTOSCALE_KEEPALIVE` */
export function autoscaleKeepalive(
  env: Readonly<Record<string, string | undefined>>,
): number | undefined {
  const text = env['AUTOSCALE_KEEPALIVE']
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (Number.isFinite(seconds) && seconds > 0) return seconds
  throw new ImproperlyConfigured(`AUTOSCALE_KEEPALIVE must be seconds above 0, not '${text}'`)
}
