/** Does a thing again and again, one at a time, and keeps no process alive for it. */

/** The shortest pause between two beginnings. */
const LEAST_MS = 50

/** Every so many seconds, until the timer is cleared; an error is reported and the next time tried again. */
export function every(
  seconds: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): NodeJS.Timeout {
  let running: Promise<void> | undefined
  const tick = (): void => {
    running ??= work()
      .catch(onError)
      .finally(() => (running = undefined))
  }
  return setInterval(tick, Math.max(seconds * 1000, LEAST_MS)).unref()
}
