/** Many deadlines on one clock: calls back at points in time, never early. */

import { SYSTEM_CLOCK, type Cancel, type Clock } from './clock.ts'
import { Heap, type HeapEntry } from './heap.ts'

/** One deadline; hand it back to {@link Timer.cancel}. */
export interface TimerEntry {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly run: () => void
}

interface Node extends TimerEntry, HeapEntry {
  /** Orders entries of the same millisecond as they came. */
  readonly order: number
}

/**
 * The longest sleep in one piece. It is short for two reasons: a clock that was set forward is noticed
 * within this time, and `setTimeout` fires at once for more than 2^31 - 1 milliseconds.
 */
const MAX_SLEEP_MS = 1000

/**
 * All deadlines share one alarm, for the earliest. Without entries there is no alarm, so that an
 * idle timer keeps no process alive.
 */
export class Timer {
  readonly #clock: Clock
  readonly #heap = new Heap<Node>(before)
  #order = 0
  #cancelAlarm: Cancel | undefined
  #alarmAt = Infinity

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock
  }

  /** How many deadlines are to come. */
  get size(): number {
    return this.#heap.size
  }

  /** Calls `run` once, at that point in time or as soon as possible after it; it must not throw. */
  callAt(at: number, run: () => void): TimerEntry {
    const node: Node = { at, run, order: this.#order++, index: -1 }
    this.#heap.add(node)
    if (this.#heap.first === node) this.#arm()
    return node
  }

  /** Forgets a deadline; one that has passed, or was never here, is fine. */
  cancel(entry: TimerEntry): void {
    if (this.#heap.delete(entry as Node)) this.#arm()
  }

  /** Forgets all deadlines. */
  clear(): void {
    this.#heap.clear()
    this.#arm()
  }

  /** Sleeps until the earliest deadline, or a part of the way. */
  #arm(): void {
    const next = this.#heap.first
    if (next === undefined) return this.#disarm()
    const now = this.#clock.now()
    const at = Math.min(Math.max(next.at, now), now + MAX_SLEEP_MS)
    if (this.#cancelAlarm !== undefined && this.#alarmAt <= at) return
    this.#disarm()
    this.#alarmAt = at
    this.#cancelAlarm = this.#clock.after(Math.ceil(at - now), () => this.#ring())
  }

  #disarm(): void {
    this.#cancelAlarm?.()
    this.#cancelAlarm = undefined
    this.#alarmAt = Infinity
  }

  /** `setTimeout` may ring a millisecond early: what counts is the clock. */
  #ring(): void {
    this.#disarm()
    const now = this.#clock.now()
    try {
      for (let next = this.#due(now); next !== undefined; next = this.#due(now)) {
        this.#heap.delete(next)
        next.run()
      }
    } finally {
      this.#arm()
    }
  }

  #due(now: number): Node | undefined {
    const { first } = this.#heap
    return first !== undefined && first.at <= now ? first : undefined
  }
}

function before(a: Node, b: Node): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
