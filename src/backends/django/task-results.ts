/** The rows of tasks, written as a Python worker of the Django project writes them. */

import { sql, type Insertable, type Kysely, type RawBuilder } from 'kysely'
import { isPlainObject, own } from '../../../protocol/plain.ts'
import { decodeMeta, type ResultMeta } from '../../../protocol/result.ts'
import { READY_STATES, STARTED, SUCCESS } from '../../../protocol/states.ts'
import type { StoreOptions } from '../../results/backend.ts'
import type { RetryPolicy } from '../../runtime/retry.ts'
import { unreadable } from '../key-value.ts'
import { READING } from '../polled-backend.ts'
import type { SqlDialect } from '../sql/url.ts'
import type { Clock } from './clock.ts'
import type { Contents } from './content.ts'
import type { DjangoDatabase, LaterColumns } from './database.ts'
import { batches, TASKS, type DjangoTables, type TaskResultTable } from './tables.ts'

/** What is read of a row. */
const COLUMNS = [
  'task_id',
  'status',
  'content_type',
  'content_encoding',
  'result',
  'date_done',
  'traceback',
  'meta',
  'task_name',
  'task_args',
  'task_kwargs',
  'worker',
] as const

type TaskRow = Pick<TaskResultTable, (typeof COLUMNS)[number]>

export interface TaskResultsOptions {
  readonly database: DjangoDatabase
  readonly contents: Contents
  readonly clock: Clock
}

export class TaskResults {
  readonly #options: TaskResultsOptions
  /** What is being stored of a task, so that its states are stored in their order. */
  readonly #storing = new Map<string, Promise<void>>()

  constructor(options: TaskResultsOptions) {
    this.#options = options
  }

  async store(meta: ResultMeta, options: StoreOptions = {}): Promise<void> {
    const { database } = this.#options
    const row = this.row(meta, options, await database.columns())
    const { taskId } = meta
    const before = this.#storing.get(taskId) ?? Promise.resolve()
    const stored = before
      .catch(() => {})
      .then(() =>
        database.retry('cannot store a result', (db) => upsert(db, database.dialect, row)),
      )
    this.#storing.set(taskId, stored)
    await stored.finally(() => {
      if (this.#storing.get(taskId) === stored) this.#storing.delete(taskId)
    })
  }

  /** Waits for what is being stored. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#storing.values())
  }

  /** In the order that they are read in; tasks that nobody stored are missing. */
  async read(
    taskIds: readonly string[],
    policy: RetryPolicy = READING,
  ): Promise<readonly TaskRow[]> {
    const { database } = this.#options
    const found: TaskRow[] = []
    for (const batch of batches(taskIds.map(storableId))) {
      const select = (db: Kysely<DjangoTables>): Promise<TaskRow[]> =>
        db.selectFrom(TASKS).select(COLUMNS).where('task_id', 'in', batch).execute()
      found.push(...(await database.retry('cannot read results', select, policy)))
    }
    return found
  }

  async forget(taskId: string): Promise<void> {
    await this.#options.database.retry('cannot forget a result', (db) =>
      db.deleteFrom(TASKS).where('task_id', '=', storableId(taskId)).execute(),
    )
  }

  /** @throws CeleryError for a row that cannot be read */
  decode(row: TaskRow): ResultMeta {
    const { contents, clock } = this.#options
    try {
      const meta = contents.decode(row, row.meta)
      return decodeMeta({
        task_id: row.task_id,
        status: row.status,
        result: contents.decode(row, row.result),
        traceback: row.traceback,
        children: isPlainObject(meta) ? own(meta, 'children') : null,
        date_done: READY_STATES.has(row.status) ? clock.read(row.date_done) : null,
        ...this.#readExtended(row),
      })
    } catch (error) {
      throw unreadable(row.task_id, error)
    }
  }

  /**
   * Django's users see the traceback of a failure in any case; a Python worker leaves it out where
   * `result_extended` is off, together with what that setting speaks of.
   *
   * @see django-celery-results 2.6, backends/database.py, `_store_result`, `_get_extended_properties`
   */
  row(meta: ResultMeta, options: StoreOptions, columns: LaterColumns): Insertable<TaskResultTable> {
    const { contents, clock } = this.#options
    const { status } = meta
    const now = clock.now()
    const periodic = meta.extended === undefined ? undefined : options.periodicTaskName
    return {
      task_id: storableId(meta.taskId),
      ...contents.columns,
      result: contents.encode(meta.result ?? null),
      meta: contents.encode({ children: meta.children ?? [] }),
      traceback: storable(meta.traceback),
      ...this.#extended(meta, options),
      ...(columns.has('periodic_task_name') && { periodic_task_name: cut(periodic, 255) }),
      ...(columns.has('date_started') && status === STARTED && { date_started: now }),
      date_created: now,
      date_done: meta.dateDone === null ? now : clock.write(meta.dateDone),
      status,
    }
  }

  /** Arguments are the text of their repr, written once more by the serializer. */
  #extended({ extended }: ResultMeta, { argsrepr, kwargsrepr }: StoreOptions): ExtendedColumns {
    if (extended === undefined) {
      return { task_name: null, task_args: null, task_kwargs: null, worker: null }
    }
    const encode = (value: unknown): string | null =>
      value === null ? null : this.#options.contents.encode(value)
    return {
      task_name: cut(extended.name, 255),
      task_args: encode(argsrepr ?? extended.args),
      task_kwargs: encode(kwargsrepr ?? extended.kwargs),
      worker: cut(extended.worker, 100),
    }
  }

  #readExtended(row: TaskRow): Record<string, unknown> {
    if (row.task_name === null && row.worker === null) return {}
    const read = (text: string | null): unknown => {
      try {
        return this.#options.contents.decode(row, text)
      } catch {
        return null
      }
    }
    const args = read(row.task_args)
    const kwargs = read(row.task_kwargs)
    return { name: row.task_name, worker: row.worker, args, kwargs }
  }
}

type ExtendedColumns = Pick<TaskRow, 'task_name' | 'task_args' | 'task_kwargs' | 'worker'>

/** PostgreSQL keeps no NUL in a text, and takes none in a query: one id would hide all others. */
export function storableId(taskId: string): string {
  return taskId.replaceAll('\0', '\u2400')
}

function storable(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : storableId(text)
}

function cut(text: string | null | undefined, length: number): string | null {
  return storable(text)?.slice(0, length) ?? null
}

/**
 * What is appended to the meta of a part that its chord has counted: whitespace that no serializer
 * minds, and that stays when the result is stored again. So nobody who reads the row sees it.
 */
const COUNTED = '\n\n'
const ENDS_COUNTED = `%${COUNTED}`

export function isCounted(meta: string | null): boolean {
  return meta?.endsWith(COUNTED) ?? false
}

export function counted(row: Insertable<TaskResultTable>): Insertable<TaskResultTable> {
  return { ...row, meta: `${row.meta ?? ''}${COUNTED}` }
}

/** Marks a part that is ready as counted; false when it was counted before, or is not ready. */
export async function markCounted(
  db: Kysely<DjangoTables>,
  dialect: SqlDialect,
  taskId: string,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable(TASKS)
    .set({ meta: joined(dialect, sql.ref('meta'), sql`${COUNTED}`) })
    .where('task_id', '=', storableId(taskId))
    .where('status', 'in', [...READY_STATES])
    .where('meta', 'not like', ENDS_COUNTED)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** What a stored row gets from the new one, by column. */
type Changes = Record<string, RawBuilder<never>>

/** Makes the row, or changes the one that is there unless that is a SUCCESS. */
export async function upsert(
  db: Kysely<DjangoTables>,
  dialect: SqlDialect,
  row: Insertable<TaskResultTable>,
): Promise<void> {
  const insert = db.insertInto(TASKS).values(row)
  const names = Object.keys(row).filter((name) => name !== 'task_id' && name !== 'date_created')
  const old = (name: string): RawBuilder<never> => sql.ref(`${TASKS}.${name}`)
  const given = (name: string): RawBuilder<never> => {
    const value =
      dialect === 'mysql'
        ? sql<never>`values(${sql.ref(name)})`
        : sql.ref<never>(`excluded.${name}`)
    if (name !== 'meta') return value
    const mark = sql`case when ${old('meta')} like ${ENDS_COUNTED} then ${COUNTED} else '' end`
    return joined(dialect, value, mark)
  }
  if (dialect !== 'mysql') {
    const changes: Changes = Object.fromEntries(names.map((name) => [name, given(name)]))
    const update = insert.onConflict((conflict) =>
      conflict.column('task_id').doUpdateSet(changes).where(`${TASKS}.status`, '!=', SUCCESS),
    )
    await update.execute()
    return
  }
  // MySQL assigns one column after another: the status, which the others ask for, comes last
  const guarded = (name: string): RawBuilder<never> =>
    sql`if(${old('status')} = ${SUCCESS}, ${old(name)}, ${given(name)})`
  const changes: Changes = Object.fromEntries(names.map((name) => [name, guarded(name)]))
  await insert.onDuplicateKeyUpdate(changes).execute()
}

function joined(
  dialect: SqlDialect,
  left: RawBuilder<unknown>,
  right: RawBuilder<unknown>,
): RawBuilder<never> {
  return dialect === 'mysql' ? sql`concat(${left}, ${right})` : sql`${left} || ${right}`
}
