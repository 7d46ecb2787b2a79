/** What another process raised, as an error of ours: built from a fixed table, never from what the data names. */

import { decodeException } from '../../protocol/python/exception.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { EXCEPTION_STATES } from '../../protocol/states.ts'
import {
  ChordError,
  MaxRetriesExceededError,
  NotRegistered,
  SoftTimeLimitExceeded,
  TaskError,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  type CeleryError,
} from '../errors.ts'

type Maker = (text: string, args: readonly unknown[]) => CeleryError

/**
 * The exceptions that Celery itself raises come back as the class of the same name, with the
 * {@link TaskError} (type, module, arguments, traceback) as their `cause`; all others are a TaskError.
 *
 * `Retry`, `Ignore` and `Reject` are left out on purpose: thrown again by a task that waits for
 * another, they would steer its own run. `TimeoutError` is left out because `get()` has one itself.
 */
const KNOWN: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['celery.exceptions.TaskRevokedError', (text) => new TaskRevokedError(text)],
  ['celery.exceptions.NotRegistered', (text) => new NotRegistered(text)],
  ['celery.exceptions.ChordError', (text) => new ChordError(text)],
  ['celery.exceptions.MaxRetriesExceededError', (text) => new MaxRetriesExceededError(text)],
  ['billiard.exceptions.SoftTimeLimitExceeded', () => new SoftTimeLimitExceeded()],
  ['billiard.exceptions.TimeLimitExceeded', (_, args) => new TimeLimitExceeded(first(args))],
  ['billiard.exceptions.WorkerLostError', (text) => new WorkerLostError(text)],
])

/** The error of a task in one of the exception states. */
export function remoteError(meta: ResultMeta): CeleryError {
  const { taskId, traceback } = meta
  const exception = decodeException(meta.result)
  const error = new TaskError(taskId, { ...exception, traceback })
  const make = KNOWN.get(`${exception.module}.${exception.type}`)
  if (make === undefined) return error
  // what stands behind `Type: ` in its message
  const known = make(error.message.slice(exception.type.length + 2), exception.args)
  known.cause = error
  return known
}

/** The meta with an error in the place of the exception's data. */
export function decoded(meta: ResultMeta): ResultMeta {
  return EXCEPTION_STATES.has(meta.status) ? { ...meta, result: remoteError(meta) } : meta
}

/** What is thrown for a failure: of a task that ran here it may be anything. */
export function raised(result: unknown): Error {
  return result instanceof Error ? result : new Error(String(result))
}

function first(args: readonly unknown[]): number {
  return typeof args[0] === 'number' ? args[0] : Number.NaN
}
