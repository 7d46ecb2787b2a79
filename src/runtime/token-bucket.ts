/** A token bucket: it fills at a steady rate, and who wants to go takes a token out of it. */

import type { Clock } from './clock.ts'

/** Full at first. @see kombu 5.6, utils/limits.py, `TokenBucket` */
export class TokenBucket {
  readonly #fillRate: number
  readonly #capacity: number
  readonly #clock: Clock
  #tokens: number
  #filledAt: number

  /** @param fillRate tokens a second */
  constructor(fillRate: number, clock: Clock, capacity = 1) {
    this.#fillRate = fillRate
    this.#capacity = capacity
    this.#clock = clock
    this.#tokens = capacity
    this.#filledAt = clock.now()
  }

  /** Takes a token, if there is a whole one. */
  consume(): boolean {
    this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Milliseconds until there is a whole token, if nobody takes one before. */
  expectedTimeMs(): number {
    this.#fill()
    return (Math.max(0, 1 - this.#tokens) / this.#fillRate) * 1000
  }

  #fill(): void {
    const now = this.#clock.now()
    const grown = ((now - this.#filledAt) / 1000) * this.#fillRate
    this.#tokens = Math.min(this.#capacity, this.#tokens + grown)
    this.#filledAt = now
  }
}
