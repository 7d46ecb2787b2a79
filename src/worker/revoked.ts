/** Ids of tasks that must not run; kept in bounds of number and age. */

import { ImproperlyConfigured } from '../errors.ts'
import { SYSTEM_CLOCK, type Clock } from '../runtime/clock.ts'

export interface RevokedOptions {
  /** The oldest is forgotten when there are more. @default 50000 */
  readonly maxLength?: number
  /** Seconds until an id is forgotten. @default 10800 */
  readonly expires?: number
  readonly clock?: Clock
  /** There is one that was not there before. */
  readonly onAdded?: () => void
}

/** An id, and when it was revoked: milliseconds since 1970, so that it means the same after a reboot. */
export type RevokedEntry = readonly [id: string, since: number]

/** The bounds are those of Celery. @see celery 5.6, worker/state.py, `REVOKES_MAX`, `REVOKE_EXPIRES` */
export class Revoked {
  /** The oldest first. */
  #since = new Map<string, number>()
  /** Walks behind the deleted: from the front, a Map would step over all of them each time. */
  #walk = this.#since.entries()
  /** Where it stands. */
  #oldest: RevokedEntry | undefined
  readonly #maxLength: number
  readonly #expiresMs: number
  readonly #clock: Clock
  readonly #onAdded: () => void

  constructor(options: RevokedOptions = {}) {
    this.#maxLength = options.maxLength ?? 50_000
    this.#expiresMs = (options.expires ?? 10_800) * 1000
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#onAdded = options.onAdded ?? (() => {})
  }

  get size(): number {
    return this.#since.size
  }

  add(id: string): void {
    if (this.#since.delete(id) && this.#oldest?.[0] === id) this.#oldest = undefined
    this.#since.set(id, this.#clock.now())
    this.#purge()
    this.#onAdded()
  }

  has(id: string): boolean {
    const since = this.#since.get(id)
    return since !== undefined && !this.#isOld(since)
  }

  /** What is still in force, the oldest first: to be kept, or shared. */
  entries(): readonly RevokedEntry[] {
    this.#purge()
    return [...this.#since]
  }

  /** Takes over what was kept or shared; of what is known the later time counts, and none is to come. */
  merge(entries: readonly RevokedEntry[]): void {
    const now = this.#clock.now()
    const latest = new Map(this.#since)
    for (const [id, since] of entries) {
      latest.set(id, Math.min(now, Math.max(since, latest.get(id) ?? since)))
    }
    this.#since = new Map([...latest].toSorted(([, a], [, b]) => a - b))
    this.#walk = this.#since.entries()
    this.#oldest = undefined
    this.#purge()
  }

  #purge(): void {
    for (let entry = this.#first(); entry !== undefined; entry = this.#first()) {
      if (this.#since.size <= this.#maxLength && !this.#isOld(entry[1])) return
      this.#since.delete(entry[0])
      this.#oldest = undefined
    }
  }

  /** One that has come to its end sees nothing that is added later. */
  #first(): RevokedEntry | undefined {
    if (this.#since.size === 0) this.#walk = this.#since.entries()
    else this.#oldest ??= this.#walk.next().value
    return this.#oldest
  }

  #isOld(since: number): boolean {
    return this.#clock.now() - since > this.#expiresMs
  }
}

/**
 *     CELERY_WORKER_REVOKES_MAX      how many ids
 *     CELERY_WORKER_REVOKE_EXPIRES   how many seconds
 *
 * @throws ImproperlyConfigured for what is no number
 * @see celery 5.6, worker/state.py
 */
export function revokedBounds(
  env: Readonly<Record<string, string | undefined>>,
): Pick<RevokedOptions, 'maxLength' | 'expires'> {
  const maxLength = numberOf(env, 'CELERY_WORKER_REVOKES_MAX')
  const expires = numberOf(env, 'CELERY_WORKER_REVOKE_EXPIRES')
  return {
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(expires === undefined ? {} : { expires }),
  }
}

function numberOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): number | undefined {
  const text = env[name]
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number) && number >= 0) return number
  throw new ImproperlyConfigured(`${name} must be a number from 0, not '${text}'`)
}
