/** The body of a run: its arguments are bound and checked, then the user's function is called. */

import { CeleryError, LeaseLostError, SoftTimeLimitExceeded } from '../errors.ts'
import { reasonOf } from '../runtime/retry.ts'
import { wantsRetry } from './autoretry.ts'
import { bindArguments, validateArguments } from './binding.ts'
import type { Run } from './run.ts'

type Body = (...args: readonly unknown[]) => unknown

/**
 * Calls the function; what it gives may be a promise. Arguments that do not fit are never retried:
 * they will not fit next time.
 */
export async function runBody(run: Run): Promise<unknown> {
  const { beforeStart } = run.task.options
  if (beforeStart !== undefined) await beforeStart(run)
  return callFunction(run)
}

/** The same without the hook: a task that is called as a function. */
export async function callFunction(run: Run): Promise<unknown> {
  const { task, request } = run
  const { options } = task
  if (task.takesRequest === true) return (task.run as Body)(run)
  const bound = bindArguments(task, request.args, request.kwargs)
  const args = options.input === undefined ? bound : await validateArguments(task, bound)
  try {
    return await (options.bind ? (task.run as Body)(run, ...args) : (task.run as Body)(...args))
  } catch (error) {
    if (wantsRetry(error, options)) throw run.autoretry(error)
    throw error
  }
}

/** These only tell the body to end, and wait for it; all others end the run at once. */
const SOFT = [SoftTimeLimitExceeded, LeaseLostError] as const

function isSoft(signal: AbortSignal): boolean {
  return SOFT.some((soft) => signal.reason instanceof soft)
}

/**
 * Settles as the body does, or rejects when the run is ended from outside. JavaScript cannot stop a
 * function: one that does not heed its signal goes on, but nobody waits for it any more.
 */
export function untilAborted(body: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  if (signal.aborted && !isSoft(signal)) return Promise.reject(reasonOf(signal))
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (!isSoft(signal)) reject(reasonOf(signal))
    }
    signal.addEventListener('abort', onAbort)
    const done = (): void => signal.removeEventListener('abort', onAbort)
    body().then(
      (value) => (done(), resolve(value)),
      (error: unknown) => (done(), reject(raised(error, signal) as Error)),
    )
  })
}

/** Libraries throw an AbortError of their own when their signal aborts: then the reason is the error. */
function raised(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || !(error instanceof Error) || error.name !== 'AbortError') return error
  return signal.reason instanceof CeleryError ? signal.reason : error
}
