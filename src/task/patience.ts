/** Stores what became of a run, and what it owes to others, for good, however long the backend is away. */

import type { TaskState } from '../../protocol/states.ts'
import { CeleryError, WorkerShutdown } from '../errors.ts'
import { oneLine } from '../runtime/log.ts'
import { delay, interval, type RetryPolicy } from '../runtime/retry.ts'
import type { TaskHost } from './host.ts'
import type { Run } from './run.ts'

/** Runs that were killed wait without a slot: when there are more, their results are given up. */
const MOST_WAITING = 10_000

/** How many results wait, by the app that they are of. */
const waitingOf = new WeakMap<TaskHost, number>()

/** Between two attempts, each of which has the backend's own retries inside. */
const POLICY: RetryPolicy = {
  maxRetries: null,
  intervalStart: 0.5,
  intervalStep: 0.5,
  intervalMax: 5,
}

/** One step at the backend, told by what it is about. */
export type Keep = <T>(what: string, attempt: () => Promise<T>) => Promise<T>

export const AT_ONCE: Keep = (_what, attempt) => attempt()

export function storeForGood(
  run: Run,
  state: TaskState,
  result: unknown,
  traceback: string | null,
): Promise<void> {
  return keepTrying(run, state, () => run.store(state, result, traceback))
}

/** The same for what a run owes to others: its part of a chord, the ends of those that cannot follow it. */
export function patienceOf(run: Run): Keep {
  return (what, attempt) => keepTrying(run, what, attempt)
}

/**
 * What ran must not be told to have no end because the backend was away for a minute: the run keeps its
 * slot, and its delivery when it is acked late, until its result is stored. So no more results wait than
 * tasks run at a time. A cold shutdown ends the wait; what the backend refuses is not tried again.
 */
async function keepTrying<T>(run: Run, what: string, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    const waiting = waitingOf.get(run.host) ?? 0
    if (run.request.isEager || !isAway(error) || waiting >= MOST_WAITING) throw error
    warn(run, what, error)
    waitingOf.set(run.host, waiting + 1)
    return await persist(run, error, attempt).finally(() =>
      waitingOf.set(run.host, (waitingOf.get(run.host) ?? 1) - 1),
    )
  }
}

async function persist<T>(run: Run, first: CeleryError, attempt: () => Promise<T>): Promise<T> {
  let error = first
  for (let retries = 0; ; retries += 1) {
    await pause(run, interval(POLICY, retries), error)
    try {
      return await attempt()
    } catch (next) {
      if (!isAway(next)) throw next
      error = next
    }
  }
}

function isAway(error: unknown): error is CeleryError {
  return error instanceof CeleryError && error.retryable
}

function warn(run: Run, what: string, error: CeleryError): void {
  const label = oneLine(`${run.name}[${run.request.id}]`)
  run.log.warning(`${what} of task ${label} waits for the backend: ${oneLine(error.message)}`)
}

/** @throws the error of the backend when the worker ends */
async function pause({ signal }: Run, seconds: number, error: CeleryError): Promise<void> {
  const wakeUp = new AbortController()
  const onAbort = (): void => {
    if (signal.reason instanceof WorkerShutdown) wakeUp.abort(error)
  }
  signal.addEventListener('abort', onAbort)
  onAbort()
  try {
    await delay(seconds, wakeUp.signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
