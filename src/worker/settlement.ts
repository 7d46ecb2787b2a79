/** Acks, rejects and requeues on their way to the broker: waited for at the end, counted when too late. */

import { LeaseLostError } from '../errors.ts'
import type { Delivery, RequeueOptions } from '../messaging/transport.ts'
import { SYSTEM_CLOCK, type Cancel, type Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import { Copies } from './redelivery.ts'

type Requeue = 'requeueCounted' | 'requeueAnew'

/**
 * `requeue`: it did not run; `requeueCounted`: its run has died; `requeueAnew`: its run was fine, and
 * shall be repeated.
 */
export type Settle = 'ack' | 'reject' | 'bury' | 'requeue' | Requeue

const REQUEUES: Readonly<Record<Requeue, RequeueOptions>> = {
  requeueCounted: { counted: true },
  requeueAnew: { anew: true },
}

/** Late ones are counted for this long, then told in one line: there may be thousands of them. */
const LATE_WINDOW_MS = 1000

/**
 * Nothing waits for an ack before it runs a task. What is too late is no error of ours: the connection
 * that the message came by is gone, and with it our right to it; the broker gives it to a worker again.
 */
export class Settlements {
  readonly #log: Logger
  readonly #clock: Clock
  #pending = 0
  #late = 0
  #cancelReport: Cancel | undefined
  #onIdle: (() => void)[] = []
  readonly copies: Copies = new Copies()
  /** Hears of each delivery that was answered, in time or not, unless it was given back before it ran. */
  onSettled: () => void = () => {}

  constructor(log: Logger, clock: Clock = SYSTEM_CLOCK) {
    this.#log = log
    this.#clock = clock
  }

  /** Settles a delivery, and answers for the promise. */
  settle(delivery: Delivery, how: Settle): void {
    this.#pending += 1
    if (how === 'requeue') void this.#requeue(delivery, {}).then(this.#done)
    else if (isRequeue(how)) void this.#requeue(delivery, REQUEUES[how]).then(this.#settled)
    else delivery[how]().then(this.#settled, this.#failed)
  }

  /** Gives a message back to be counted before it runs; the copy that comes waits for this. */
  count(id: string, delivery: Delivery): void {
    this.#pending += 1
    this.copies.expect(id, this.#requeue(delivery, REQUEUES.requeueCounted).then(this.#done))
  }

  /** Counts some work that must be over before the connection may close; it must not reject. */
  track(work: Promise<void>): void {
    this.#pending += 1
    void work.then(this.#done)
  }

  /** Resolves when the broker was told of all of them, or cannot be. */
  async idle(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    this.#report()
  }

  readonly #settled = (): void => {
    this.onSettled()
    this.#done()
  }

  readonly #done = (): void => {
    this.#pending -= 1
    if (this.#pending > 0 || this.#onIdle.length === 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** To give back what is gone changes nothing. Never rejects. */
  async #requeue(delivery: Delivery, options: RequeueOptions): Promise<void> {
    try {
      await delivery.requeue(options)
    } catch (error) {
      if (!(error instanceof LeaseLostError)) this.#log.error(`Couldn't requeue: ${text(error)}`)
    }
  }

  readonly #failed = (error: unknown): void => {
    if (error instanceof LeaseLostError) this.#countLate()
    else this.#log.critical(`Couldn't ack: ${text(error)}`)
    this.#settled()
  }

  #countLate(): void {
    this.#late += 1
    this.#cancelReport ??= this.#clock.after(LATE_WINDOW_MS, () => this.#report())
  }

  #report(): void {
    this.#cancelReport?.()
    this.#cancelReport = undefined
    if (this.#late === 0) return
    this.#log.warning(
      `${this.#late} acknowledgement(s) came too late: the connection that the messages came by is ` +
        'gone, and the broker gives them to a worker again.',
    )
    this.#late = 0
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isRequeue(how: Settle): how is Requeue {
  return Object.hasOwn(REQUEUES, how)
}
