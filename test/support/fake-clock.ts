/** A clock that stands still until a test moves it. */

import type { Cancel, Clock } from '../../src/runtime/clock.ts'

interface Alarm {
  readonly at: number
  readonly ring: () => void
}

export class FakeClock implements Clock {
  #now: number
  readonly #alarms = new Set<Alarm>()

  constructor(now: number = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }

  /** How many alarms are set. */
  get alarms(): number {
    return this.#alarms.size
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, ring: () => void): Cancel {
    const alarm = { at: this.#now + delayMs, ring }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }

  /** Lets time pass, and rings what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.at)
      this.#alarms.delete(next)
      next.ring()
    }
    this.#now = end
  }

  /** Somebody sets the clock: time jumps, and no alarm is nearer than before. */
  jump(ms: number): void {
    const alarms = [...this.#alarms]
    this.#alarms.clear()
    this.#now += ms
    for (const { at, ring } of alarms) this.#alarms.add({ at: at + ms, ring })
  }

  #next(end: number): Alarm | undefined {
    const due = [...this.#alarms].filter(({ at }) => at <= end)
    return due.toSorted((a, b) => a.at - b.at)[0]
  }
}
