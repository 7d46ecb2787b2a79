/** Finds out that a connection is dead though its socket is open: asks after a silence, and counts it. */

import type { Link } from './link.ts'

/** Seconds between two looks: half of the interval, within these bounds. */
const TICK = { min: 1, max: 5 } as const
/** Looks without a sign of life; with the longest ticks that is 20 seconds. */
const MAX_SILENT = 3
/** The same while something is on its way there: a broker in need does not read for a while. */
const MAX_SILENT_SENDING = 5

/**
 * AMQP's own heartbeats say so after up to three of their intervals, which are a minute by default, because
 * they must be patient with a peer whose tasks block it. To be asked and to answer costs nothing.
 *
 * Silence is counted in ticks of the event loop, not in time that passed: a task that blocks the loop
 * makes no tick, and what waits in the socket meanwhile is read before the next one.
 */
export class Heartbeat {
  readonly #link: Link
  readonly #timer: NodeJS.Timeout | undefined
  #received = 0
  #unsent = 0
  #silent = 0

  /** @param interval seconds, as AMQP's; 0 is none */
  constructor(link: Link, interval: number) {
    this.#link = link
    if (interval === 0) return
    const seconds = Math.min(Math.max(interval / 2, TICK.min), TICK.max)
    this.#timer = setInterval(() => this.#tick(), seconds * 1000)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const { frames, blocked, address } = this.#link
    const { received, unsent } = frames.traffic
    // A broker with an alarm does not read; a large body may be on its way for long.
    const moves = received !== this.#received || unsent < this.#unsent
    this.#silent = moves || blocked ? 0 : this.#silent + 1
    this.#received = received
    this.#unsent = unsent
    if (this.#silent === 1) this.#link.ask()
    if (this.#silent < (unsent > 0 ? MAX_SILENT_SENDING : MAX_SILENT)) return
    this.stop()
    frames.destroy(new Error(`${address} gave no sign of life`))
  }
}
