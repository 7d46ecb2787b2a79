/** Time limits of runs: the soft one tells a task to end, the hard one ends the wait for it. */

import { SoftTimeLimitExceeded, TimeLimitExceeded } from '../errors.ts'
import { MONOTONIC_CLOCK, type Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import { Timer, type TimerEntry } from '../runtime/timer.ts'

/** Seconds; null is none. */
export interface TimeLimit {
  readonly soft: number | null
  readonly hard: number | null
}

/** A run under a limit. */
export interface Limited {
  readonly label: string
  /** Tells it to end. */
  abort(reason: Error): void
  /** Ends it. */
  kill(reason: Error): void
}

/** Forgets the limits of a run that has ended. */
export type Release = () => void

export class TimeLimits {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #timer: Timer

  constructor(log: Logger, clock: Clock = MONOTONIC_CLOCK) {
    this.#log = log
    this.#clock = clock
    this.#timer = new Timer(clock)
  }

  /** Counts from now. @see celery 5.6, worker/request.py, `on_timeout` */
  start(run: Limited, { soft, hard }: TimeLimit): Release {
    const entries: TimerEntry[] = []
    if (soft !== null) {
      entries.push(
        this.#after(soft, () => {
          this.#log.warning(`Soft time limit (${soft}s) exceeded for ${run.label}`)
          run.abort(new SoftTimeLimitExceeded(soft))
        }),
      )
    }
    if (hard !== null) {
      entries.push(
        this.#after(hard, () => {
          run.kill(new TimeLimitExceeded(hard))
          this.#log.error(`Hard time limit (${hard}s) exceeded for ${run.label}`)
        }),
      )
    }
    return () => entries.forEach((entry) => this.#timer.cancel(entry))
  }

  #after(seconds: number, run: () => void): TimerEntry {
    return this.#timer.callAt(this.#clock.now() + seconds * 1000, run)
  }
}
