/** The time of a simulated world: while it is installed, all timers and clocks of the process are its own. */

import type { Cancel, Clock } from '../../src/runtime/clock.ts'

/** Whose code a timer belongs to: with its process the timer dies. */
export interface Actor {
  readonly name: string
  alive: boolean
}

interface Alarm {
  readonly owner: Actor
  readonly order: number
  at: number
  /** Rings again after so many milliseconds; nobody waits for such a one. */
  readonly every: number | undefined
  /** Set by a task, not by who runs it. */
  readonly byTask: boolean
  readonly ring: () => void
}

/** What the code under test may do with what `setTimeout` gives it. */
class Handle {
  readonly alarm: Alarm

  constructor(alarm: Alarm) {
    this.alarm = alarm
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

const START = Date.UTC(2026, 0, 1)

/** Taken before anybody changes them. */
const turnOfLoop = setImmediate
const original = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
}
const originalNow = Date.now
const originalRandom = Math.random

export interface TimeOptions {
  /** Whose code runs now. */
  readonly owner: () => Actor
  readonly random: () => number
}

export class VirtualTime implements Clock {
  readonly #options: TimeOptions
  readonly #alarms = new Set<Alarm>()
  readonly #immediates: (() => void)[] = []
  #now = START
  #order = 0

  constructor(options: TimeOptions) {
    this.#options = options
  }

  readonly now = (): number => this.#now

  after(delayMs: number, ring: () => void): Cancel {
    const alarm = this.#set(delayMs, ring)
    return () => void this.#alarms.delete(alarm)
  }

  /** An alarm of somebody else than who calls. */
  afterFor(owner: Actor, delayMs: number, ring: () => void): void {
    this.#set(delayMs, ring, { owner })
  }

  /** What a task waits for: it may outlive who runs it. */
  pause(delayMs: number, ring: () => void): void {
    this.#set(delayMs, ring, { byTask: true })
  }

  /** How many alarms of that owner are still to ring, or go on ringing. */
  pending(owner: Actor): number {
    let count = 0
    for (const alarm of this.#alarms) if (alarm.owner === owner && !alarm.byTask) count += 1
    return count
  }

  /** When something happens next by itself; undefined when nothing does. */
  get next(): number | undefined {
    return this.#earliest()?.at
  }

  /** Lets so much time pass, but not beyond the next alarm. */
  pass(ms: number): void {
    this.#now = Math.min(this.#now + ms, Math.max(this.next ?? Infinity, this.#now))
  }

  /** Goes on to the next alarm, if there is one, and gives it back with all repeating ones on the way. */
  take(): readonly Alarm[] {
    const next = this.#earliest()
    if (next === undefined) return []
    this.#now = Math.max(this.#now, next.at)
    const due = [...this.#alarms].filter(({ at, every }) => every !== undefined && at <= this.#now)
    for (const alarm of due) alarm.at = this.#now + (alarm.every ?? 0)
    this.#alarms.delete(next)
    return [...due, next]
  }

  /** Its process is gone, and its timers with it. */
  forget(owner: Actor): void {
    for (const alarm of this.#alarms) if (alarm.owner === owner) this.#alarms.delete(alarm)
  }

  /** Lets the code under test run until it waits for something of the world. */
  async settle(): Promise<void> {
    do {
      for (const immediate of this.#immediates.splice(0)) immediate()
      await new Promise<void>((resolve) => turnOfLoop(resolve))
    } while (this.#immediates.length > 0)
  }

  install(): void {
    const set = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Handle =>
      new Handle(this.#set(Math.max(1, ms), () => ring(...args)))
    const repeat = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Handle =>
      new Handle(this.#set(Math.max(1, ms), () => ring(...args), { every: Math.max(1, ms) }))
    const clear = (handle: unknown): void => {
      if (handle instanceof Handle) this.#alarms.delete(handle.alarm)
    }
    const soon = (run: (...args: unknown[]) => void, ...args: unknown[]): (() => void) => {
      const immediate = (): void => run(...args)
      this.#immediates.push(immediate)
      return immediate
    }
    const notSoon = (immediate: unknown): void => {
      const index = this.#immediates.indexOf(immediate as () => void)
      if (index >= 0) this.#immediates.splice(index, 1)
    }
    Object.assign(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: repeat,
      clearInterval: clear,
      setImmediate: soon,
      clearImmediate: notSoon,
    })
    Date.now = this.now
    Object.defineProperty(performance, 'now', { value: this.now, configurable: true })
    Math.random = this.#options.random
  }

  uninstall(): void {
    Object.assign(globalThis, original)
    Date.now = originalNow
    Reflect.deleteProperty(performance, 'now')
    Math.random = originalRandom
  }

  #set(delayMs: number, ring: () => void, more: Partial<Alarm> = {}): Alarm {
    const { owner = this.#options.owner(), every, byTask = false } = more
    const alarm = { owner, order: this.#order++, at: this.#now + delayMs, every, byTask, ring }
    // who is dead sets no alarm any more
    if (owner.alive) this.#alarms.add(alarm)
    return alarm
  }

  /** Of those at the same time, the one that was set first; who repeats himself does not count. */
  #earliest(): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.every !== undefined) continue
      if (first === undefined || alarm.at < first.at) first = alarm
      else if (alarm.at === first.at && alarm.order < first.order) first = alarm
    }
    return first
  }
}
