/** Many deadlines on one clock: calls back at points in time, never early. */

import { SYSTEM_CLOCK, type Cancel, type Clock } from './clock.ts'

/** One deadline; hand it back to {@link Timer.cancel}. */
export interface TimerEntry {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly run: () => void
}

interface Node extends TimerEntry {
  /** Orders entries of the same millisecond as they came. */
  readonly order: number
  /** Its place in the heap; -1 when it is out. */
  index: number
}

/**
 * The longest sleep in one piece. It is short for two reasons: a clock that was set forward is noticed
 * within this time, and `setTimeout` fires at once for more than 2^31 - 1 milliseconds.
 */
const MAX_SLEEP_MS = 1000

/**
 * A binary heap with one alarm for its earliest entry. Without entries there is no alarm, so that an
 * idle timer keeps no process alive.
 */
export class Timer {
  readonly #clock: Clock
  readonly #heap: Node[] = []
  #order = 0
  #cancelAlarm: Cancel | undefined
  #alarmAt = Infinity

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock
  }

  /** How many deadlines are to come. */
  get size(): number {
    return this.#heap.length
  }

  /** Calls `run` once, at that point in time or as soon as possible after it; it must not throw. */
  callAt(at: number, run: () => void): TimerEntry {
    const node: Node = { at, run, order: this.#order++, index: this.#heap.length }
    this.#heap.push(node)
    this.#up(node)
    if (node.index === 0) this.#arm()
    return node
  }

  /** Forgets a deadline; one that has passed, or was never here, is fine. */
  cancel(entry: TimerEntry): void {
    const node = entry as Node
    if (this.#heap[node.index] === node) this.#remove(node)
    this.#arm()
  }

  /** Forgets all deadlines. */
  clear(): void {
    for (const node of this.#heap) node.index = -1
    this.#heap.length = 0
    this.#arm()
  }

  /** Sleeps until the earliest deadline, or a part of the way. */
  #arm(): void {
    const next = this.#heap[0]
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
      for (let next = this.#heap[0]; next !== undefined && next.at <= now; next = this.#heap[0]) {
        this.#remove(next)
        next.run()
      }
    } finally {
      this.#arm()
    }
  }

  #remove(node: Node): void {
    const last = this.#heap.pop()
    if (last !== undefined && last !== node) {
      this.#put(last, node.index)
      this.#up(last)
      this.#down(last)
    }
    node.index = -1
  }

  #up(node: Node): void {
    while (node.index > 0) {
      const parent = this.#heap[(node.index - 1) >> 1]
      if (parent === undefined || !before(node, parent)) return
      this.#swap(node, parent)
    }
  }

  #down(node: Node): void {
    for (;;) {
      const left = this.#heap[2 * node.index + 1]
      const right = this.#heap[2 * node.index + 2]
      const child = left !== undefined && right !== undefined && before(right, left) ? right : left
      if (child === undefined || !before(child, node)) return
      this.#swap(node, child)
    }
  }

  #swap(a: Node, b: Node): void {
    const index = a.index
    this.#put(a, b.index)
    this.#put(b, index)
  }

  #put(node: Node, index: number): void {
    this.#heap[index] = node
    node.index = index
  }
}

function before(a: Node, b: Node): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
