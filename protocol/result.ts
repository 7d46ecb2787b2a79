/** The result meta: what a backend stores of a task, and how it stands on the wire. */

import { DecodeError } from './errors.ts'
import { isPlainObject, own, type PlainObject } from './plain.ts'
import { isoformat } from './python/datetime.ts'
import type { TaskState } from './states.ts'

/** An exception as three strings and arguments. Member order is the order on the wire. */
export interface ExceptionDict {
  readonly exc_type: string
  readonly exc_message: readonly unknown[] | string
  readonly exc_module: string | null
}

/** `[[id, parent], null]` for a task, `[[id, parent], children]` for a group. @see celery.result, `as_tuple` */
export type ResultTuple = readonly [
  readonly [id: string, parent: ResultTuple | null],
  readonly ResultTuple[] | null,
]

/** The members that only `result_extended` stores. */
export interface ExtendedMeta {
  readonly name: string | null
  readonly args: readonly unknown[] | null
  readonly kwargs: Readonly<Record<string, unknown>> | null
  readonly worker: string | null
  readonly retries: number | null
  readonly queue: string | null
}

export interface ResultMeta {
  readonly taskId: string
  readonly status: TaskState
  /** The return value; an {@link ExceptionDict} in the exception states; the user's meta in a custom state. */
  readonly result: unknown
  readonly traceback: string | null
  /** The tasks that this one sent; null when it is not known. */
  readonly children: readonly ResultTuple[] | null
  /** When it became ready, ISO 8601 as on the wire (Celery 5.2: naive UTC); null before. */
  readonly dateDone: string | null
  readonly groupId?: string
  readonly parentId?: string
  readonly extended?: ExtendedMeta
  /** Stored only with `extended`, as Celery does. */
  readonly stamps?: Readonly<Record<string, unknown>>
}

/** Members that a stamp of the same name must not replace, though Celery lets it. */
const OWN_MEMBERS: ReadonlySet<string> = new Set([
  'status',
  'result',
  'traceback',
  'children',
  'date_done',
  'group_id',
  'parent_id',
  'task_id',
  'name',
  'args',
  'kwargs',
  'worker',
  'retries',
  'queue',
  'stamped_headers',
  '__proto__',
])

/**
 * The meta as a key/value backend stores it.
 *
 *     {status, result, traceback, children, date_done, [group_id], [parent_id],
 *      [name, args, kwargs, worker, retries, queue, [stamped_headers, each stamp…]], task_id}
 *
 * @see celery 5.6, backends/base.py, `_get_result_meta` and `KeyValueStoreBackend._store_result`
 */
export function encodeMeta(meta: ResultMeta): Record<string, unknown> {
  const wire: Record<string, unknown> = {
    status: meta.status,
    // A function that returns nothing returns None.
    result: meta.result ?? null,
    traceback: meta.traceback,
    children: meta.children,
    date_done: meta.dateDone,
  }
  if (meta.groupId) wire['group_id'] = meta.groupId
  if (meta.parentId) wire['parent_id'] = meta.parentId
  if (meta.extended !== undefined) encodeExtended(wire, meta.extended, meta.stamps ?? {})
  wire['task_id'] = meta.taskId
  return wire
}

function encodeExtended(
  wire: Record<string, unknown>,
  { name, args, kwargs, worker, retries, queue }: ExtendedMeta,
  stamps: PlainObject,
): void {
  Object.assign(wire, { name, args, kwargs, worker, retries, queue })
  const names = Object.keys(stamps)
  if (names.length === 0) return
  wire['stamped_headers'] = names
  for (const stamp of names) if (!OWN_MEMBERS.has(stamp)) wire[stamp] = stamps[stamp]
}

/**
 * The meta as `rpc://` sends it, in 5.2 as in 5.6.
 *
 *     {task_id, status, result, traceback, children}
 *
 * @see celery 5.6, backends/rpc.py, `_to_result`
 */
export function encodeRpcMeta(meta: ResultMeta): Record<string, unknown> {
  return {
    task_id: meta.taskId,
    status: meta.status,
    result: meta.result ?? null,
    traceback: meta.traceback,
    children: meta.children,
  }
}

/**
 * Reads the meta of either form and of any release; members that nobody knows are left out.
 *
 * @param taskId whose meta it is, where the value does not tell
 * @throws DecodeError when it is no meta, or its children are no results
 */
export function decodeMeta(value: unknown, taskId?: string): ResultMeta {
  if (!isPlainObject(value)) throw new DecodeError('a stored result is not an object')
  const status = text(value, 'status')
  const id = text(value, 'task_id') ?? taskId
  if (status === null) throw new DecodeError('a stored result has no status')
  if (id === undefined) throw new DecodeError('a stored result has no task_id')
  const groupId = text(value, 'group_id')
  const parentId = text(value, 'parent_id')
  return {
    taskId: id,
    status,
    result: own(value, 'result') ?? null,
    traceback: text(value, 'traceback'),
    children: readChildren(own(value, 'children')),
    dateDone: readDate(own(value, 'date_done')),
    ...(groupId === null ? {} : { groupId }),
    ...(parentId === null ? {} : { parentId }),
    ...readExtended(value),
  }
}

function readExtended(value: PlainObject): Pick<ResultMeta, 'extended' | 'stamps'> {
  if (!Object.hasOwn(value, 'name') && !Object.hasOwn(value, 'worker')) return {}
  const args = own(value, 'args')
  const kwargs = own(value, 'kwargs')
  const retries = own(value, 'retries')
  const extended: ExtendedMeta = {
    name: text(value, 'name'),
    args: Array.isArray(args) ? args : null,
    kwargs: isPlainObject(kwargs) ? kwargs : null,
    worker: text(value, 'worker'),
    retries: typeof retries === 'number' ? retries : null,
    queue: text(value, 'queue'),
  }
  const names = own(value, 'stamped_headers')
  return Array.isArray(names) ? { extended, stamps: readStamps(value, names) } : { extended }
}

function readStamps(value: PlainObject, names: readonly unknown[]): PlainObject {
  const stamped = names.filter(
    (name): name is string => typeof name === 'string' && Object.hasOwn(value, name),
  )
  return Object.fromEntries(stamped.map((name) => [name, value[name]]))
}

/** Typed JSON and YAML have dates of their own. */
function readDate(value: unknown): string | null {
  if (value instanceof Date) return isoformat(value)
  return typeof value === 'string' ? value : null
}

function readChildren(value: unknown): readonly ResultTuple[] | null {
  return Array.isArray(value) ? value.map((child) => readResultTuple(child)) : null
}

function text(object: PlainObject, name: string): string | null {
  const value = own(object, name)
  return typeof value === 'string' ? value : null
}

/** A task's or, with `children`, a group's result as a tuple. */
export function resultTuple(
  id: string,
  parent: ResultTuple | null = null,
  children: readonly ResultTuple[] | null = null,
): ResultTuple {
  return [[id, parent], children]
}

/** How many parents one after another, and groups in one another, a tuple may have. */
const MAX_TUPLE_DEPTH = 1000

/**
 * Reads a tuple; in place of `[id, parent]` there may be the bare id.
 *
 * @see celery 5.6, result.py, `result_from_tuple`
 */
export function readResultTuple(value: unknown, depth = 0): ResultTuple {
  if (depth > MAX_TUPLE_DEPTH) {
    throw new DecodeError(`a result has more than ${MAX_TUPLE_DEPTH} parents`)
  }
  if (!Array.isArray(value) || value.length !== 2) throw new DecodeError('a result is not a pair')
  const [result, children] = value as readonly unknown[] as readonly [unknown, unknown]
  const [id, parent] = Array.isArray(result) ? (result as readonly unknown[]) : [result, null]
  if (typeof id !== 'string') throw new DecodeError('a result has no id')
  if (children !== null && !Array.isArray(children)) {
    throw new DecodeError('the children of a result are not a list')
  }
  return [
    [id, isNothing(parent) ? null : readResultTuple(parent, depth + 1)],
    children === null ? null : children.map((child) => readResultTuple(child, depth + 1)),
  ]
}

/** What Python takes for no parent. */
function isNothing(parent: unknown): boolean {
  return parent === null || parent === undefined || (Array.isArray(parent) && parent.length === 0)
}

/** What `GroupResult.save()` stores: the group's tuple. @see celery 5.6, backends/base.py, `_save_group` */
export function encodeGroupMeta(group: ResultTuple): { readonly result: ResultTuple } {
  return { result: group }
}

/** @throws DecodeError when it is no group */
export function decodeGroupMeta(value: unknown): ResultTuple {
  return readResultTuple(isPlainObject(value) ? own(value, 'result') : undefined)
}

/** One part of a chord that is done. */
export interface ChordPart {
  readonly taskId: string
  readonly state: TaskState
  /** The return value, or an {@link ExceptionDict}. */
  readonly result: unknown
}

/** `[1, id, state, result]`. @see celery 5.6, backends/redis.py, `on_chord_part_return` */
export function encodeChordPart({ taskId, state, result }: ChordPart): readonly unknown[] {
  return [1, taskId, state, result]
}

/** @throws DecodeError */
export function decodeChordPart(value: unknown): ChordPart {
  const [, taskId, state, result] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (typeof taskId !== 'string' || typeof state !== 'string') {
    throw new DecodeError('a part of a chord is not a list of four')
  }
  return { taskId, state, result: result ?? null }
}
