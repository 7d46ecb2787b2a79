/** What becomes of a run that did not succeed: ignored, rejected, sent again, or failed. */

import { encodeException, exceptionRepr, formatTraceback } from '../../protocol/python/exception.ts'
import { FAILURE, RETRY, REVOKED, type TaskState } from '../../protocol/states.ts'
import {
  BackendError,
  Ignore,
  LeaseLostError,
  Reject,
  Retry,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  WorkerShutdown,
} from '../errors.ts'
import { oneLine } from '../runtime/log.ts'
import { callErrbacks, endUnrun, returnChordPart } from './callbacks.ts'
import { returnUnsent } from './chord.ts'
import { send } from './dispatch.ts'
import { metaOfSuccessor, storeOptionsOfSuccessor } from './meta.ts'
import { matches } from './options.ts'
import { patienceOf, storeForGood } from './patience.ts'
import type { Outcome } from './request.ts'
import { storeProgress } from './progress.ts'
import { intentOf, type RetryIntent } from './retry.ts'
import type { Run } from './run.ts'
import { eventOf, taskFailure, taskInternalError, taskRetry } from './signals.ts'

/** What becomes of a run whose body threw. */
export async function settle(run: Run, error: unknown, runtime: () => number): Promise<Outcome> {
  if (error instanceof Reject) {
    if (!error.requeue || !run.task.options.acksLate) await endUnheard(run, FAILURE, error)
    return { state: 'REJECTED', reason: error.reason, requeue: error.requeue, runtime: runtime() }
  }
  if (error instanceof Ignore) {
    if (!run.continued) await endUnheard(run, REVOKED, error)
    return { state: 'IGNORED', runtime: runtime() }
  }
  if (isTakenAway(run, error)) return takenAway(error, runtime())
  if (error instanceof Retry) return retry(run, error, runtime)
  return fail(run, error, runtime())
}

/**
 * It ends without a result, and does not come again: what waits for it is told. Celery has a chord wait for
 * ever. A task that stored its own end has that end.
 */
async function endUnheard(run: Run, state: TaskState, error: Error): Promise<void> {
  const { chord, chain } = run.request.embed
  if (chord === null && chain === null) return
  try {
    await endUnrun(run, run.told ?? { state, result: encodeException(error) })
  } catch (cause) {
    const label = oneLine(`${run.name}[${run.request.id}]`)
    run.log.error(`Couldn't end the chord of task ${label}: ${oneLine(exceptionRepr(cause))}`)
  }
}

/**
 * Whether the run ended because it is no longer ours to end: it was terminated (who did it stores
 * REVOKED), the worker goes down, or the broker gives the message to another.
 */
function isTakenAway(run: Run, error: unknown): boolean {
  if (!run.aborted || error !== run.signal.reason) return false
  return [TaskRevokedError, WorkerShutdown, LeaseLostError].some((kind) => error instanceof kind)
}

function takenAway(error: unknown, runtime: number): Outcome {
  if (error instanceof TaskRevokedError) return { state: 'IGNORED', runtime }
  const reason = error instanceof Error ? error.message : String(error)
  return { state: 'REJECTED', reason, requeue: true, runtime }
}

/** @see celery 5.6, app/trace.py, `TraceInfo.handle_retry` */
async function retry(run: Run, error: Retry, runtime: () => number): Promise<Outcome> {
  const { task, host } = run
  const intent = intentOf(error)
  const traceback = formatTraceback(error)
  // Before it is sent again, other than in Celery: the next try may be over sooner than this one, and
  // RETRY must not stand over its end.
  if (run.storesErrors) {
    const exception = encodeException(error.exc ?? error)
    await storeProgress(run, RETRY, exception, traceback, withItself(run, intent))
  }
  if (intent !== undefined && !run.request.isEager) {
    try {
      await send(host, run.request.task, intent.args, intent.options)
    } catch (cause) {
      return unsent(run, cause, runtime())
    }
    run.decided = true
  }
  if (task.options.onRetry !== undefined) await task.options.onRetry(run, error.exc, traceback)
  if (taskRetry.active) {
    await taskRetry.send(task.name, { ...eventOf(run), reason: error, traceback }, host.log)
  }
  const shown = exceptionRepr(error.exc ?? error)
  return {
    state: RETRY,
    message: error.message,
    exceptionRepr: shown,
    traceback,
    runtime: runtime(),
  }
}

/** Celery counts the next try among the children, where it is sent. */
function withItself(
  { request, task, children }: Run,
  intent: RetryIntent | undefined,
): Run['children'] {
  if (intent === undefined || request.isEager || !task.options.trail) return children
  return [...children.filter(([[id]]) => id !== request.id), [[request.id, null], null]]
}

/**
 * The next try is not on its way. Celery rejects the message, and the task is nowhere; here it comes
 * again where it still can, and has failed where it was acked before.
 */
async function unsent(run: Run, cause: unknown, runtime: number): Promise<Outcome> {
  if (!run.task.options.acksLate) return await fail(run, cause, runtime)
  return { state: 'REJECTED', reason: exceptionRepr(cause), requeue: true, runtime }
}

/** @see celery 5.6, app/trace.py, `TraceInfo.handle_failure` */
export async function fail(run: Run, error: unknown, runtime: number): Promise<Outcome> {
  const { task, host } = run
  const { options } = task
  const traceback = formatTraceback(error)
  await markAsFailure(run, error, traceback)
  if (options.onFailure !== undefined) await options.onFailure(run, error, traceback)
  if (taskFailure.active) {
    const event = { ...eventOf(run), exception: error, traceback }
    await taskFailure.send(task.name, event, host.log)
  }
  if (options.afterReturn !== undefined) await options.afterReturn(run, FAILURE, error)
  return {
    state: FAILURE,
    exceptionRepr: exceptionRepr(error),
    traceback,
    expected: matches(error, options.throws),
    timedOut: error instanceof SoftTimeLimitExceeded || error instanceof TimeLimitExceeded,
    runtime,
  }
}

/** Celery stores no traceback of what was killed. @see celery 5.6, worker/request.py, `on_failure` */
function isKilled(error: unknown): boolean {
  return error instanceof TimeLimitExceeded || error instanceof WorkerLostError
}

/**
 * Stores the failure, for the task and for those of its chain that will not run; then its errbacks.
 *
 * @see celery 5.6, backends/base.py, `mark_as_failure`
 */
export async function markAsFailure(run: Run, error: unknown, text: string): Promise<void> {
  const result = encodeException(error)
  const traceback = isKilled(error) ? null : text
  const stores = run.storesErrors
  if (stores) await storeForGood(run, FAILURE, result, traceback)
  run.decided = true
  if (run.request.embed.chord !== null) await returnChordPart(run, FAILURE, result)
  if (run.request.embed.chain !== null) await failSuccessors(run, result, stores, traceback)
  if (run.request.embed.errbacks !== null) await callErrbacks(run, error, text)
}

/** Those that are parts of a chord are counted in any case: it would wait for them without end. */
export async function failSuccessors(
  run: Run,
  result: unknown,
  stores: boolean,
  traceback: string | null,
): Promise<void> {
  const { host, environment } = run
  const facts = { status: FAILURE, result, traceback, now: environment.now }
  const extended = host.conf.resultExtended
  const keep = patienceOf(run)
  for (const successor of run.request.embed.chain ?? []) {
    const id = successor.options['task_id']
    if (stores && typeof id === 'string') {
      const meta = metaOfSuccessor(successor, id, { ...facts, extended })
      const to = storeOptionsOfSuccessor(successor.options, id)
      await keep(FAILURE, () => host.backend.store(meta, to))
    }
    await returnUnsent(host, successor, { state: FAILURE, result }, keep)
  }
}

/** Whether the worker had to end before its result could be stored, and its message can still go back. */
function isUnstored({ task, decided, aborted, signal }: Run, error: unknown): boolean {
  if (decided || !task.options.acksLate || !(error instanceof BackendError)) return false
  return aborted && signal.reason instanceof WorkerShutdown
}

/**
 * The run cannot be completed. Unless it is the backend that failed, or the result is stored already,
 * the failure is stored, so that nobody waits for ever.
 */
export async function failInternally(run: Run, error: unknown, runtime: number): Promise<Outcome> {
  const { task, host } = run
  if (isUnstored(run, error)) {
    return { state: 'REJECTED', reason: exceptionRepr(error), requeue: true, runtime }
  }
  const traceback = formatTraceback(error)
  const outcome = { exceptionRepr: exceptionRepr(error), traceback, runtime }
  if (taskInternalError.active) {
    const event = { ...eventOf(run), exception: error, traceback }
    await taskInternalError.send(task.name, event, host.log)
  }
  try {
    if (!run.decided && !(error instanceof BackendError)) await markAsFailure(run, error, traceback)
  } catch (second) {
    const label = oneLine(`${task.name}[${run.request.id}]`)
    const reason = oneLine(exceptionRepr(second))
    host.log.error(`Task ${label}: its failure could not be stored either: ${reason}`)
  }
  return { state: 'INTERNAL_ERROR', ...outcome }
}
