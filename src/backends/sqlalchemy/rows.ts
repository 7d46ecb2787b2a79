/** From a result meta to a row of `celery_taskmeta`, and back. */

import type { Insertable, Selectable } from 'kysely'
import { resultLimits } from '../../../protocol/limits.ts'
import { isPlainObject } from '../../../protocol/plain.ts'
import { isoformat, parseIsoformat, PythonDateTime } from '../../../protocol/python/datetime.ts'
import type { ExtendedMeta, ResultMeta } from '../../../protocol/result.ts'
import { pickleDumps, pickleLoads } from '../../../protocol/serialization/pickle.ts'
import { PENDING, READY_STATES } from '../../../protocol/states.ts'
import type { BackendDeps } from '../deps.ts'
import { unreadable } from '../key-value.ts'
import type { TaskTable } from './schema.ts'

export type TaskRow = Omit<Selectable<TaskTable>, 'id'>
export type NewTaskRow = Omit<Insertable<TaskTable>, 'id'>

const MAX_NAME = 155

export class Rows {
  readonly #deps: BackendDeps
  readonly #contentType: string

  constructor(deps: BackendDeps) {
    this.#deps = deps
    this.#contentType = deps.codec.serializers.get(deps.resultSerializer).contentType
  }

  /**
   * The result is a pickle whatever `result_serializer` says; children are not kept.
   *
   * @throws EncodeError when it cannot be pickled
   * @see celery 5.6, backends/database/__init__.py, `_update_result`
   */
  encode(meta: ResultMeta): NewTaskRow {
    return {
      task_id: storable(meta.taskId),
      status: meta.status,
      result: pickleDumps(meta.result ?? null),
      date_done: meta.dateDone === null ? null : timestamp(parseIsoformat(meta.dateDone)),
      traceback: meta.traceback === null ? null : storable(meta.traceback),
      ...this.#encodeExtended(meta.extended),
    }
  }

  /** @throws DecodeError for a row that cannot be read */
  decode(row: TaskRow): ResultMeta {
    const status = row.status ?? PENDING
    const limits = resultLimits(this.#deps.codec.limits)
    try {
      return {
        taskId: row.task_id,
        status,
        result: row.result === null ? null : (pickleLoads(row.result, limits) ?? null),
        traceback: row.traceback,
        children: null,
        dateDone: READY_STATES.has(status) ? wireTime(row.date_done) : null,
        ...this.#decodeExtended(row),
      }
    } catch (error) {
      throw unreadable(row.task_id, error)
    }
  }

  #encodeExtended(extended: ExtendedMeta | undefined): Omit<TaskRow, keyof Basic> {
    if (extended === undefined) return NOT_EXTENDED
    const { codec, resultSerializer } = this.#deps
    const bytes = (value: unknown): Buffer => codec.serializers.dumps(value, resultSerializer).body
    const { name, args, kwargs, worker, retries, queue } = extended
    return {
      name: cut(name),
      args: bytes(args),
      kwargs: bytes(kwargs),
      worker: cut(worker),
      retries,
      queue: cut(queue),
    }
  }

  #decodeExtended(row: TaskRow): Pick<ResultMeta, 'extended'> {
    const { name, worker, retries, queue } = row
    if (name === null && worker === null) return {}
    const args = this.#loads(row.args)
    const kwargs = this.#loads(row.kwargs)
    const extended: ExtendedMeta = {
      name,
      args: Array.isArray(args) ? args : null,
      kwargs: isPlainObject(kwargs) ? kwargs : null,
      worker,
      retries,
      queue,
    }
    return { extended }
  }

  /** Arguments that cannot be read hide no result. */
  #loads(body: Buffer | null): unknown {
    if (body === null) return null
    const { codec, accept } = this.#deps
    const content = { body, contentType: this.#contentType, contentEncoding: 'utf-8' }
    try {
      return codec.serializers.loads(content, accept, resultLimits(codec.limits))
    } catch {
      return null
    }
  }
}

type Basic = Pick<TaskRow, 'task_id' | 'status' | 'result' | 'date_done' | 'traceback'>

const NOT_EXTENDED: Omit<TaskRow, keyof Basic> = {
  name: null,
  args: null,
  kwargs: null,
  worker: null,
  retries: null,
  queue: null,
}

/** Now, or so many seconds ago. */
export function now(secondsAgo = 0): string {
  return timestamp(new PythonDateTime(Date.now() - secondsAgo * 1000, { offset: 0 }))
}

/** `2026-11-22 08:18:25.313000`, UTC, with all digits, as SQLAlchemy writes it to SQLite. */
function timestamp(time: PythonDateTime): string {
  const naive = new PythonDateTime(time.getTime(), { microseconds: time.microsecond % 1000 })
  const text = isoformat(naive).replace('T', ' ')
  return text.includes('.') ? text : `${text}.000000`
}

/** A time of the database, for the wire; null when it cannot be read. */
function wireTime(text: string | null): string | null {
  if (text === null) return null
  try {
    const time = parseIsoformat(text.replace(' ', 'T'))
    const microseconds = time.microsecond % 1000
    return isoformat(new PythonDateTime(time.getTime(), { microseconds, offset: 0 }))
  } catch {
    return null
  }
}

/** PostgreSQL keeps no NUL in a text. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\u2400')
}

function cut(text: string | null): string | null {
  return text === null ? null : storable(text).slice(0, MAX_NAME)
}
