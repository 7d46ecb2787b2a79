/** The result meta of a run, and where it goes. */

import { PythonDateTime, isoformat } from '../../protocol/python/datetime.ts'
import type { ExtendedMeta, ResultMeta, ResultTuple } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { READY_STATES, type TaskState } from '../../protocol/states.ts'
import { AsyncResult } from '../results/async-result.ts'
import type { StoreOptions } from '../results/backend.ts'
import { GroupResult } from '../results/group-result.ts'
import type { TaskRequest } from './request.ts'

/** What a meta tells besides the request. */
export interface MetaFacts {
  readonly status: TaskState
  readonly result: unknown
  readonly traceback: string | null
  readonly children: readonly ResultTuple[]
  readonly now: () => Date
  readonly extended: boolean
}

/** @see celery 5.6, backends/base.py, `_get_result_meta` */
export function metaOf(
  request: TaskRequest,
  { status, result, traceback, children, now, extended }: MetaFacts,
): ResultMeta {
  return {
    taskId: request.id,
    status,
    result,
    traceback,
    children,
    dateDone: READY_STATES.has(status) ? isoformat(now()) : null,
    ...(request.group === null ? {} : { groupId: request.group }),
    ...(request.parentId === null ? {} : { parentId: request.parentId }),
    ...(extended ? { extended: extendedOf(request), stamps: request.stamps } : {}),
  }
}

function extendedOf(request: TaskRequest): ExtendedMeta {
  return {
    name: request.task,
    args: request.args,
    kwargs: request.kwargs,
    worker: request.hostname,
    retries: request.retries,
    queue: request.deliveryInfo.routingKey || null,
  }
}

/**
 * The meta of a task of a chain that will never run, because one before it failed.
 *
 * @see celery 5.6, backends/base.py, `mark_as_failure`
 */
export function metaOfSuccessor(
  { task, args, kwargs, options }: SignatureDict,
  taskId: string,
  { status, result, traceback, now, extended }: Omit<MetaFacts, 'children'>,
): ResultMeta {
  const unknown = { worker: null, retries: 0, queue: null }
  return {
    taskId,
    status,
    result,
    traceback,
    children: [],
    dateDone: isoformat(now()),
    ...(typeof options['group_id'] === 'string' ? { groupId: options['group_id'] } : {}),
    ...(typeof options['parent_id'] === 'string' ? { parentId: options['parent_id'] } : {}),
    ...(extended ? { extended: { name: task, args, kwargs, ...unknown } } : {}),
  }
}

/**
 * @see celery 5.6, backends/rpc.py, `destination_for`
 * @see django-celery-results 2.6, backends/database.py, `_get_extended_properties`
 */
export function storeOptionsOf(request: TaskRequest): StoreOptions {
  const { replyTo, correlationId, id, argsrepr, kwargsrepr, headers } = request
  const periodic = headers['periodic_task_name']
  // one object: this is made for each result that is stored
  const options: { -readonly [K in keyof StoreOptions]: StoreOptions[K] } = {}
  if (replyTo !== null) {
    options.replyTo = replyTo
    options.correlationId = correlationId ?? id
  }
  if (argsrepr !== '') options.argsrepr = argsrepr
  if (kwargsrepr !== '') options.kwargsrepr = kwargsrepr
  if (typeof periodic === 'string') options.periodicTaskName = periodic
  return options
}

export function storeOptionsOfSuccessor(
  options: SignatureDict['options'],
  id: string,
): StoreOptions {
  const replyTo = options['reply_to']
  return typeof replyTo === 'string' ? { replyTo, correlationId: id } : {}
}

/** A return value as it is stored: nothing is None, a result is its tuple. */
export function storable(value: unknown): unknown {
  if (value === undefined) return null
  return value instanceof AsyncResult || value instanceof GroupResult ? value.asTuple() : value
}

/**
 * Now, to the microsecond: Python's `date_done` has six digits. The milliseconds are the wall clock's,
 * which follows when the machine slept or its clock was set; the monotonic one only tells them apart.
 */
export function preciseNow(): PythonDateTime {
  const microseconds = Math.floor((performance.now() % 1) * 1000)
  return new PythonDateTime(Date.now(), { microseconds, offset: 0 })
}
