/** How often to try again, and how long to wait between: Celery's retry policies, with jitter. */

import { CeleryError } from '../../protocol/errors.ts'

/** Seconds throughout. @see celery 5.6, `task_publish_retry_policy` */
export interface RetryPolicy {
  /** How many times after the first; null is without end. @default 3 */
  readonly maxRetries: number | null
  /** Before the first retry. @default 0 */
  readonly intervalStart: number
  /** Added for each further retry. @default 0.2 */
  readonly intervalStep: number
  /** The longest wait. @default 0.2 */
  readonly intervalMax: number
}

/** A policy whose waits are no straight line. */
export interface Backoff extends RetryPolicy {
  /** Seconds before retry number `retries` (0 first). @default as the policy says */
  readonly intervalOf?: (retries: number) => number
}

/** Seconds to wait before retry number `retries` (0 first), shortened by up to a quarter at random. */
export function interval(
  policy: Backoff,
  retries: number,
  random: () => number = Math.random,
): number {
  const { intervalStart, intervalStep, intervalMax, intervalOf } = policy
  const seconds =
    intervalOf?.(retries) ?? Math.min(intervalStart + intervalStep * retries, intervalMax)
  return seconds * (1 - random() / 4)
}

/** A timer of Node rings at once when it is given more milliseconds than this. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Seconds as the milliseconds of a timer, which is at most 24 days. */
export function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, MAX_TIMER_MS)
}

/** Rejects with the signal's reason as soon as it aborts; resolves after the time otherwise. */
export function delay(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal))
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(reasonOf(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, timerMs(seconds))
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Settles as `work` does, or rejects: with `onTimeout()` when the seconds passed, with the signal's
 * reason when it aborts. The work itself goes on; its late rejection is swallowed here.
 */
export function deadline<T>(
  work: Promise<T>,
  seconds: number,
  onTimeout: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      work.catch(() => {})
      return reject(reasonOf(signal))
    }
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => {
      done()
      reject(reasonOf(signal))
    }
    const timer = setTimeout(() => {
      done()
      reject(onTimeout())
    }, timerMs(seconds))
    signal?.addEventListener('abort', onAbort, { once: true })
    work.then(
      (value) => (done(), resolve(value)),
      (error: unknown) => (done(), reject(error as Error)),
    )
  })
}

/** The error that an aborted signal stands for: its reason, when that is an error. */
export function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  if (reason instanceof CeleryError) return reason
  return new CeleryError('ERR_ABORTED', 'the call was aborted', { cause: reason })
}
