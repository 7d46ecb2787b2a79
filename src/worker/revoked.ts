/** Ids of tasks that must not run; kept in bounds of number and age. */

import { SYSTEM_CLOCK, type Clock } from '../runtime/clock.ts'

export interface RevokedOptions {
  /** The oldest is forgotten when there are more. @default 50000 */
  readonly maxLength?: number
  /** Seconds until an id is forgotten. @default 10800 */
  readonly expires?: number
  readonly clock?: Clock
}

/** The bounds are those of Celery. @see celery 5.6, worker/state.py, `REVOKES_MAX`, `REVOKE_EXPIRES` */
export class Revoked {
  readonly #since = new Map<string, number>()
  readonly #maxLength: number
  readonly #expiresMs: number
  readonly #clock: Clock

  constructor(options: RevokedOptions = {}) {
    this.#maxLength = options.maxLength ?? 50_000
    this.#expiresMs = (options.expires ?? 10_800) * 1000
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  get size(): number {
    return this.#since.size
  }

  add(id: string): void {
    this.#since.delete(id)
    this.#since.set(id, this.#clock.now())
    for (const [oldest, since] of this.#since) {
      if (this.#since.size <= this.#maxLength && !this.#isOld(since)) return
      this.#since.delete(oldest)
    }
  }

  has(id: string): boolean {
    const since = this.#since.get(id)
    return since !== undefined && !this.#isOld(since)
  }

  #isOld(since: number): boolean {
    return this.#clock.now() - since > this.#expiresMs
  }
}
