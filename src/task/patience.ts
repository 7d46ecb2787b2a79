/** Stores what became of a run for good, however long the backend is away. */

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

/**
 * What ran must not be told to have no end because the backend was away for a minute: the run keeps its
 * slot, and its delivery when it is acked late, until its result is stored. So no more results wait than
 * tasks run at a time. A cold shutdown ends the wait; what the backend refuses is not tried again.
 */
export async function storeForGood(
  run: Run,
  state: TaskState,
  result: unknown,
  traceback: string | null,
): Promise<void> {
  try {
    return await run.store(state, result, traceback)
  } catch (error) {
    const waiting = waitingOf.get(run.host) ?? 0
    if (run.request.isEager || !isAway(error) || waiting >= MOST_WAITING) throw error
    warn(run, state, error)
    waitingOf.set(run.host, waiting + 1)
    await persist(run, error, () => run.store(state, result, traceback)).finally(() =>
      waitingOf.set(run.host, (waitingOf.get(run.host) ?? 1) - 1),
    )
  }
}

async function persist(run: Run, first: CeleryError, store: () => Promise<void>): Promise<void> {
  let error = first
  for (let retries = 0; ; retries += 1) {
    await pause(run, interval(POLICY, retries), error)
    try {
      return await store()
    } catch (next) {
      if (!isAway(next)) throw next
      error = next
    }
  }
}

function isAway(error: unknown): error is CeleryError {
  return error instanceof CeleryError && error.retryable
}

function warn(run: Run, state: TaskState, error: CeleryError): void {
  const label = oneLine(`${run.name}[${run.request.id}]`)
  run.log.warning(`${state} of task ${label} waits for the backend: ${oneLine(error.message)}`)
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
