/** The time of day and one-shot alarms: the system's, or a test's own. */

/** Undoes an alarm; twice, or after it rang, is fine. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since 1970, or since some other moment. */
  now(): number
  /** Calls once, no earlier than that many milliseconds from now; keeps the process alive until then. */
  after(delayMs: number, ring: () => void): Cancel
}

const after: Clock['after'] = (delayMs, ring) => {
  const timeout = setTimeout(ring, delayMs)
  return () => clearTimeout(timeout)
}

/** The time of day: for points in time. */
export const SYSTEM_CLOCK: Clock = { now: () => Date.now(), after }

/** Since this process began, whoever sets the clock meanwhile: for lengths of time. */
export const MONOTONIC_CLOCK: Clock = { now: () => performance.now(), after }

/** The time of day, for what may go on only while there is something else to do: keeps no process alive. */
export const BACKGROUND_CLOCK: Clock = {
  now: () => Date.now(),
  after: (delayMs, ring) => {
    const timeout = setTimeout(ring, delayMs).unref()
    return () => clearTimeout(timeout)
  },
}
