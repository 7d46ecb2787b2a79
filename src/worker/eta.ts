/** Tasks that wait for their eta: the nearest here, the others aside at the broker, where they cost nothing. */

import { LeaseLostError } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import { MONOTONIC_CLOCK, type Clock } from '../runtime/clock.ts'
import { Heap, type HeapEntry } from '../runtime/heap.ts'
import { isEnabled, oneLine, type Logger } from '../runtime/log.ts'
import { Timer, type TimerEntry } from '../runtime/timer.ts'
import type { Prefetch } from './prefetch.ts'
import type { Settlements } from './settlement.ts'

/** What is read of a request here. */
export interface EtaTask {
  readonly delivery: Pick<Delivery, 'postpone'>
  /** Milliseconds since 1970. */
  readonly schedule: { readonly eta: number | undefined }
  readonly label: string
  /** Gives it back to the broker. */
  onDropped(): void
}

export interface EtaContext<T extends EtaTask> {
  readonly clock: Clock
  /** @default {@link MONOTONIC_CLOCK} */
  readonly monotonic?: Clock
  readonly log: Logger
  readonly state: { readonly scheduled: Set<T> }
  readonly settlements: Pick<Settlements, 'track'>
  readonly prefetch: Pick<Prefetch, 'increment' | 'decrement' | 'etaRoom'>
  /** How many may wait here. */
  readonly etaHoldLimit: number
  /** Seconds that the broker leaves a delivery unsettled. */
  readonly holdLimit: () => number
}

/** What was put aside comes again so long before its eta, and is on time however long the way is. */
const LEAD_MS = 500
/**
 * Those that are put aside, or come late, show that more are to come: each raises the prefetch count for a
 * second, or a burst would go by a few at a time. Few, for what comes then may be of another kind and run long.
 */
const MOST_AHEAD = 100
const AHEAD_MS = 1000
/** How many on their way to the broker, which may take its time to confirm them, raise it meanwhile. */
const MOST_MOVING = 250
/** How long a task is kept that could not be put aside, until that is tried again. */
const RETRY_MS = 5000

/** A task that waits here, ordered by its eta. */
interface Held<T> extends HeapEntry {
  readonly task: T
  readonly eta: number
  /** Rings at its eta. */
  readonly alarm: TimerEntry
  /** Rings when its delivery may be held no longer. */
  readonly lease: TimerEntry | undefined
}

/**
 * Celery holds every one of them until its eta: in memory, unsettled, and by that until RabbitMQ's
 * consumer timeout. Here there are bounds of number and of time. What is put aside comes back as an
 * ordinary delivery, to whichever worker, and this one asks for its eta again.
 *
 * @see celery 5.6, worker/strategy.py, `call_at`
 */
export class EtaTasks<T extends EtaTask> {
  readonly #context: EtaContext<T>
  readonly #onDue: (task: T) => void
  readonly #timer: Timer
  readonly #elapsed: Timer
  readonly #monotonic: Clock
  /** The one with the latest eta is its first. */
  readonly #held = new Heap<Held<T>>((a, b) => a.eta > b.eta)
  /** What was put aside before the last {@link drop} is not taken up again. */
  #era = 0
  #ahead = 0
  #moving = 0
  #warned = false

  /** @param onDue called once for each task whose eta has come */
  constructor(context: EtaContext<T>, onDue: (task: T) => void) {
    this.#context = context
    this.#onDue = onDue
    this.#monotonic = context.monotonic ?? MONOTONIC_CLOCK
    this.#timer = new Timer(context.clock)
    this.#elapsed = new Timer(this.#monotonic)
  }

  /** Whether its eta is farther away than it may be held, or than those that are held when there are enough. */
  isFar({ schedule: { eta } }: T): boolean {
    if (eta === undefined) return false
    const wait = eta - this.#context.clock.now()
    if (wait <= 0) return false
    return wait > this.#holdLimitMs || (this.#isFull && eta >= (this.#held.first?.eta ?? Infinity))
  }

  /** Its delivery comes again, to this worker or another, a little before its eta or some time earlier. */
  putAside(task: T): void {
    const { log, settlements } = this.#context
    if (isEnabled(log, 'debug')) log.debug(`Task ${task.label} is put aside until its eta`)
    this.#fetchAhead()
    settlements.track(this.#move(task, task.schedule.eta ?? 0))
  }

  /** Takes a task that is not due yet, and hands it on when it is; false when it may go on now. */
  hold(task: T): boolean {
    const { eta } = task.schedule
    if (eta === undefined) return false
    if (eta <= this.#context.clock.now()) {
      this.#fetchAhead()
      return false
    }
    // Those with the latest eta make room for it.
    for (let last = this.#held.first; this.#isFull && last; last = this.#held.first) {
      this.#remove(last)
      this.putAside(last.task)
    }
    this.#add(task, eta)
    return true
  }

  /** Gives back all of them: the worker stops, or the connection is gone. */
  drop(): void {
    this.#era += 1
    this.#timer.clear()
    this.#elapsed.clear()
    for (let held = this.#held.first; held !== undefined; held = this.#held.first) {
      this.#held.delete(held)
      this.#context.prefetch.decrement()
    }
    for (; this.#ahead > 0; this.#ahead -= 1) this.#context.prefetch.decrement()
    const { scheduled } = this.#context.state
    const dropped = [...scheduled]
    scheduled.clear()
    for (const task of dropped) task.onDropped()
  }

  get #holdLimitMs(): number {
    return this.#context.holdLimit() * 1000
  }

  get #isFull(): boolean {
    const { etaHoldLimit, prefetch } = this.#context
    return this.#held.size >= Math.max(1, Math.min(etaHoldLimit, prefetch.etaRoom))
  }

  #add(task: T, eta: number): void {
    const { prefetch, state } = this.#context
    const held: Held<T> = {
      task,
      eta,
      index: -1,
      alarm: this.#timer.callAt(eta, () => {
        this.#remove(held)
        this.#onDue(task)
      }),
      lease: this.#lease(() => {
        this.#remove(held)
        this.putAside(task)
      }),
    }
    this.#held.add(held)
    state.scheduled.add(task)
    // It uses up its delivery's place: one more may be fetched.
    prefetch.increment()
  }

  #fetchAhead(): void {
    if (this.#ahead >= MOST_AHEAD) return
    const { prefetch } = this.#context
    this.#ahead += 1
    prefetch.increment()
    this.#elapsed.callAt(this.#monotonic.now() + AHEAD_MS, () => {
      this.#ahead -= 1
      prefetch.decrement()
    })
  }

  /** The time of day may be set back: how long a delivery was held is told by another clock. */
  #lease(onEnd: () => void): TimerEntry | undefined {
    const limit = this.#holdLimitMs
    return limit === Infinity
      ? undefined
      : this.#elapsed.callAt(this.#monotonic.now() + limit, onEnd)
  }

  #remove(held: Held<T>): void {
    this.#held.delete(held)
    this.#timer.cancel(held.alarm)
    if (held.lease !== undefined) this.#elapsed.cancel(held.lease)
    this.#context.state.scheduled.delete(held.task)
    this.#context.prefetch.decrement()
  }

  async #move(task: T, eta: number): Promise<void> {
    if (this.#moving >= MOST_MOVING) return this.#postpone(task, eta)
    const { prefetch } = this.#context
    this.#moving += 1
    prefetch.increment()
    await this.#postpone(task, eta)
    this.#moving -= 1
    prefetch.decrement()
  }

  async #postpone(task: T, eta: number): Promise<void> {
    const era = this.#era
    const early = eta - LEAD_MS
    try {
      await task.delivery.postpone(early - this.#context.clock.now() > LEAD_MS ? early : eta)
      this.#warned = false
    } catch (error) {
      // The broker gives it to a worker again.
      if (error instanceof LeaseLostError) return
      this.#warn(error)
      if (era === this.#era) this.#keep(task, eta)
      else task.onDropped()
    }
  }

  /**
   * Until its eta, or until it may be tried again to put it aside. It raises no prefetch count, so
   * that there are no more of these than that says.
   */
  #keep(task: T, eta: number): void {
    const { clock, state } = this.#context
    state.scheduled.add(task)
    this.#timer.callAt(Math.min(eta, clock.now() + RETRY_MS), () => {
      state.scheduled.delete(task)
      if (this.isFar(task)) this.putAside(task)
      else if (!this.hold(task)) this.#onDue(task)
    })
  }

  /** Once until it works again: there may be thousands. */
  #warn(error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const reason = error instanceof Error ? error.message : String(error)
    this.#context.log.warning(
      `Cannot put tasks aside until their eta: ${oneLine(reason)}. They are kept here, and it is ` +
        `tried again every ${RETRY_MS / 1000} s.`,
    )
  }
}
