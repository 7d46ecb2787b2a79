/** Finds out that a Redis connection is dead though its socket is open: asks, and counts the silence. */

import type { Redis } from '../../redis.ts'

/** How often the silence is counted. */
const TICK_MS = 500

export interface HeartbeatOptions {
  /** Seconds between two questions. */
  readonly interval: number
  /** Seconds of silence after a question that mean that the other side is gone. */
  readonly timeout: number
  readonly onLost: (error: Error) => void
}

/**
 * Silence is counted in ticks of the event loop, not in time that passed: a task that blocks the loop
 * makes no tick, and the answer that waits in the socket meanwhile is read before the next one.
 * Replies come in order, so an answered PING says that nothing before it is stuck.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #clients: readonly Redis[]
  readonly #timer: NodeJS.Timeout
  #quiet = 0
  #waiting = 0
  #asking = false

  constructor(clients: readonly Redis[], options: HeartbeatOptions) {
    this.#clients = clients
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    if (this.#asking) this.#count()
    else if ((this.#quiet += TICK_MS) >= this.#options.interval * 1000) this.#ask()
  }

  #count(): void {
    this.#waiting += TICK_MS
    if (this.#waiting <= this.#options.timeout * 1000) return
    this.stop()
    this.#options.onLost(new Error(`no answer for ${this.#options.timeout} s`))
  }

  #ask(): void {
    this.#asking = true
    this.#quiet = 0
    this.#waiting = 0
    const answered = (): boolean => (this.#asking = false)
    // An error is an answer, too (a full disk: MISCONF); the socket's end is reported by its own event.
    Promise.all(this.#clients.map((client) => client.ping())).then(answered, answered)
  }
}
