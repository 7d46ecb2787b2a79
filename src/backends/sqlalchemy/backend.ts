/** Results in a database, in the tables of Celery's SQLAlchemy backend. */

import type { Kysely } from 'kysely'
import { resultLimits } from '../../../protocol/limits.ts'
import type { ResultMeta } from '../../../protocol/result.ts'
import { BackendError, type CeleryError } from '../../errors.ts'
import type { GroupStore, ResultBackend } from '../../results/backend.ts'
import { deadline, type RetryPolicy } from '../../runtime/retry.ts'
import { retryPolicy, type BackendDeps } from '../deps.ts'
import { pendingMeta } from '../key-value.ts'
import { PolledBackend } from '../polled-backend.ts'
import type { FailedLook } from '../poller.ts'
import { Database } from '../sql/database.ts'
import { sqlFault } from '../sql/fault.ts'
import { Groups } from './groups.ts'
import { now, Rows, storable, type TaskRow } from './rows.ts'
import { Schema, type Tables } from './schema.ts'
import { RowWriter } from './writer.ts'

/** Seconds that `close` waits for what is still to be stored. */
const CLOSE_TIMEOUT = 5
/** How many tasks one query asks for. */
const MAX_BATCH = 500

const COLUMNS = [
  'task_id',
  'status',
  'result',
  'date_done',
  'traceback',
  'name',
  'args',
  'kwargs',
  'worker',
  'retries',
  'queue',
] as const

/**
 * Chords are joined by `celery.chord_unlock`: here nobody counts.
 *
 * @see celery 5.6, backends/database/__init__.py, `DatabaseBackend`
 */
export class SqlAlchemyBackend extends PolledBackend implements ResultBackend {
  readonly groups: GroupStore
  readonly #deps: BackendDeps
  readonly #database: Database<Tables>
  readonly #schema: Schema
  readonly #rows: Rows
  readonly #writer: RowWriter
  #created: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @throws ImproperlyConfigured */
  constructor(url: string, deps: BackendDeps) {
    super(deps.log)
    const { log, database } = deps
    const { engineOptions } = database
    this.#deps = deps
    this.#database = new Database({ url, log, engineOptions, policy: retryPolicy(deps) })
    this.#schema = new Schema(this.#database.dialect, database)
    this.#rows = new Rows(deps)
    const retry = this.#retry
    this.#writer = new RowWriter({ schema: this.#schema, retry })
    const limits = resultLimits(deps.codec.limits)
    this.groups = new Groups({ schema: this.#schema, limits, retry })
  }

  get address(): string {
    return `db+${this.#database.address}`
  }

  async start(): Promise<void> {
    if (!this.#deps.database.createTablesAtSetup) return
    await this.#retry('cannot make the tables of results', async () => {})
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async store(meta: ResultMeta): Promise<void> {
    await this.#writer.store(this.#rows.encode(meta))
  }

  async forget(taskId: string): Promise<void> {
    await this.#retry('cannot forget a result', (db) =>
      db.deleteFrom(this.#schema.task).where('task_id', '=', storable(taskId)).execute(),
    )
  }

  /** @see celery 5.6, backends/database/__init__.py, `cleanup` */
  async cleanup(): Promise<void> {
    const { resultExpires } = this.#deps
    if (!resultExpires) return
    const before = now(resultExpires)
    await this.#retry('cannot delete expired results', async (db) => {
      await db.deleteFrom(this.#schema.task).where('date_done', '<', before).execute()
      await db.deleteFrom(this.#schema.group).where('date_done', '<', before).execute()
    })
  }

  async #close(): Promise<void> {
    this.poller.close()
    const onTimeout = (): Error => new Error('not all results were stored in time')
    await deadline(this.#writer.flushed(), CLOSE_TIMEOUT, onTimeout).catch(() => {})
    await this.#database.close()
  }

  /** Work on tables that are there. */
  readonly #retry = async <T>(
    doing: string,
    work: (db: Kysely<Tables>) => Promise<T>,
    policy?: RetryPolicy,
  ): Promise<T> => {
    try {
      return await this.#database.retry(doing, async (db) => work(await this.#create(db)), policy)
    } catch (error) {
      // somebody has dropped them: who comes next makes them again
      if (error instanceof BackendError && sqlFault(error.cause) === 'missing') {
        this.#created = undefined
      }
      throw error
    }
  }

  /** Once for all who come, each of whom tries again by a policy of its own when it fails. */
  async #create(db: Kysely<Tables>): Promise<Kysely<Tables>> {
    this.#created ??= this.#schema.create(db).catch((error: unknown) => {
      this.#created = undefined
      throw error
    })
    await this.#created
    return db
  }

  /** One look at many; what is wrong with one does not hide the others. */
  protected async look(
    taskIds: readonly string[],
    policy: RetryPolicy,
  ): Promise<readonly (ResultMeta | FailedLook)[]> {
    const rows = new Map((await this.#read(taskIds, policy)).map((row) => [row.task_id, row]))
    return taskIds.map((taskId) => {
      const row = rows.get(storable(taskId))
      if (row === undefined) return pendingMeta(taskId)
      try {
        return this.#rows.decode({ ...row, task_id: taskId })
      } catch (error) {
        return { taskId, error: error as CeleryError }
      }
    })
  }

  async #read(taskIds: readonly string[], policy: RetryPolicy): Promise<readonly TaskRow[]> {
    const found: TaskRow[] = []
    for (let from = 0; from < taskIds.length; from += MAX_BATCH) {
      const ids = taskIds.slice(from, from + MAX_BATCH).map(storable)
      const select = (db: Kysely<Tables>): Promise<TaskRow[]> =>
        db.selectFrom(this.#schema.task).select(COLUMNS).where('task_id', 'in', ids).execute()
      found.push(...(await this.#retry('cannot read results', select, policy)))
    }
    return found
  }
}
