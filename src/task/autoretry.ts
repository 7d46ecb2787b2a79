/** Retries that a task makes by itself: for which errors, and after how long. */

import {
  Ignore,
  Reject,
  Retry,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerShutdown,
} from '../errors.ts'
import type { RetryOptions } from './context.ts'
import { matches, type ResolvedTaskOptions } from './options.ts'

/** What the task says, or what ends it from outside: no failure that another try could help. */
const FINAL = [Ignore, Reject, Retry, TaskRevokedError, TimeLimitExceeded, WorkerShutdown] as const

/** Whether the error asks for a retry. @see celery 5.6, app/autoretry.py, `add_autoretry_behaviour` */
export function wantsRetry(error: unknown, options: ResolvedTaskOptions): boolean {
  const { autoretryFor, dontAutoretryFor } = options
  if (autoretryFor.length === 0 || FINAL.some((final) => error instanceof final)) return false
  return !matches(error, dontAutoretryFor) && matches(error, autoretryFor)
}

/** The options of the retry; `maxRetries` of an earlier `retry()` in the same run is kept. */
export function autoretryOptions(
  error: unknown,
  retries: number,
  options: ResolvedTaskOptions,
  maxRetries: number | undefined,
  random: () => number,
): RetryOptions {
  const { retryKwargs, retryBackoff } = options
  return {
    ...retryKwargs,
    ...(retryBackoff > 0 ? { countdown: backoff(retries, options, random) } : {}),
    ...(maxRetries === undefined ? {} : { maxRetries }),
    exc: error,
  }
}

/**
 * Seconds until retry number `retries`, 0 first.
 *
 * @see celery 5.6, utils/time.py, `get_exponential_backoff_interval`
 */
function backoff(
  retries: number,
  options: Pick<ResolvedTaskOptions, 'retryBackoff' | 'retryBackoffMax' | 'retryJitter'>,
  random: () => number,
): number {
  const factor = Math.trunc(Math.max(1, options.retryBackoff))
  const countdown = Math.min(Math.trunc(options.retryBackoffMax), factor * 2 ** retries)
  return Math.max(0, options.retryJitter ? Math.floor(random() * (countdown + 1)) : countdown)
}
