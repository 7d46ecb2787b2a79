/** The time of day and one-shot alarms: the system's, or a test's own. */

/** Undoes an alarm; twice, or after it rang, is fine. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls once, no earlier than that many milliseconds from now; keeps the process alive until then. */
  after(delayMs: number, ring: () => void): Cancel
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after: (delayMs, ring) => {
    const timeout = setTimeout(ring, delayMs)
    return () => clearTimeout(timeout)
  },
}
