/** The body of a run: its arguments are bound and checked, then the user's function is called. */

import { CeleryError, LeaseLostError, SoftTimeLimitExceeded } from '../errors.ts'
import { reasonOf } from '../runtime/retry.ts'
import { wantsRetry } from './autoretry.ts'
import { bindArguments, validateArguments } from './binding.ts'
import type { ResolvedTaskOptions } from './options.ts'
import type { Run } from './run.ts'

type Body = (...args: readonly unknown[]) => unknown

/**
 * Calls the function. What it gives is a promise only where it must be one: a task that has nothing to
 * wait for costs none.
 */
export function runBody(run: Run): unknown {
  const { options } = run.task
  return options.beforeStart === undefined ? callFunction(run) : afterHook(run, options)
}

async function afterHook(run: Run, options: ResolvedTaskOptions): Promise<unknown> {
  await options.beforeStart?.(run)
  return callFunction(run)
}

/** The same without the hook: a task that is called as a function. */
export function callFunction(run: Run): unknown {
  const { task, request } = run
  if (task.takesRequest === true) return (task.run as Body)(run)
  const args = bindArguments(task, request.args, request.kwargs)
  if (task.options.input === undefined) return invoke(run, args)
  return validateArguments(task, args).then((valid) => invoke(run, valid))
}

/** Arguments that do not fit are never retried, as they will not fit next time: only this is. */
function invoke(run: Run, args: readonly unknown[]): unknown {
  const { run: body, options } = run.task
  if (options.autoretryFor.length > 0) return invokeWithRetry(run, args)
  return options.bind ? (body as Body)(run, ...args) : (body as Body)(...args)
}

async function invokeWithRetry(run: Run, args: readonly unknown[]): Promise<unknown> {
  const { run: body, options } = run.task
  try {
    return await (options.bind ? (body as Body)(run, ...args) : (body as Body)(...args))
  } catch (error) {
    throw wantsRetry(error, options) ? run.autoretry(error) : error
  }
}

/** These only tell the body to end, and wait for it; all others end the run at once. */
const SOFT = [SoftTimeLimitExceeded, LeaseLostError] as const

function isSoft(signal: AbortSignal): boolean {
  return SOFT.some((soft) => signal.reason instanceof soft)
}

/** @throws the reason when the run is ended before it has begun */
export function checkAborted(run: Run): void {
  if (run.aborted && !isSoft(run.signal)) throw reasonOf(run.signal)
}

/**
 * Settles as the body does, or rejects when the run is ended from outside. JavaScript cannot stop a
 * function: one that does not heed its signal goes on, but nobody waits for it any more.
 */
export function untilAborted(body: PromiseLike<unknown>, run: Run): Promise<unknown> {
  const { signal } = run
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (isSoft(signal)) return
      run.over = true
      reject(reasonOf(signal))
    }
    signal.addEventListener('abort', onAbort)
    const done = (): void => signal.removeEventListener('abort', onAbort)
    body.then(
      (value) => (done(), resolve(value)),
      (error: unknown) => (done(), reject(raised(error, signal) as Error)),
    )
  })
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

/** Libraries throw an AbortError of their own when their signal aborts: then the reason is the error. */
function raised(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || !(error instanceof Error) || error.name !== 'AbortError') return error
  return signal.reason instanceof CeleryError ? signal.reason : error
}
