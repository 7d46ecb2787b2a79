/** Results in the database of a Django project, in the tables of django-celery-results. */

import type { ResultMeta } from '../../../protocol/result.ts'
import type { CeleryError } from '../../errors.ts'
import type { ChordStore, GroupStore, ResultBackend, StoreOptions } from '../../results/backend.ts'
import { deadline, type RetryPolicy } from '../../runtime/retry.ts'
import { retryPolicy, type BackendDeps } from '../deps.ts'
import { pendingMeta } from '../key-value.ts'
import { PolledBackend } from '../polled-backend.ts'
import type { FailedLook } from '../poller.ts'
import { DjangoChords } from './chords.ts'
import { djangoClock, type Clock } from './clock.ts'
import { contentsOf } from './content.ts'
import { DjangoDatabase } from './database.ts'
import { DjangoGroups } from './groups.ts'
import { GROUPS, TASKS } from './tables.ts'
import { storableId, TaskResults } from './task-results.ts'

/** Seconds that `close` waits for what is being stored. */
const CLOSE_TIMEOUT = 5

/** @see django-celery-results 2.6, backends/database.py, `DatabaseBackend` */
export class DjangoBackend extends PolledBackend implements ResultBackend {
  readonly groups: GroupStore
  readonly chords: ChordStore
  readonly #database: DjangoDatabase
  readonly #tasks: TaskResults
  readonly #clock: Clock
  readonly #deps: BackendDeps

  /** @param url of the database itself @throws ImproperlyConfigured */
  constructor(url: string, deps: BackendDeps) {
    super(deps.log)
    const { log, transportOptions } = deps
    const { engineOptions } = deps.database
    const database = new DjangoDatabase({ url, log, engineOptions, policy: retryPolicy(deps) })
    const contents = contentsOf(deps)
    const clock = djangoClock(database.dialect, transportOptions['timeZone'])
    const tasks = new TaskResults({ database, contents, clock })
    this.#deps = deps
    this.#database = database
    this.#tasks = tasks
    this.#clock = clock
    this.groups = new DjangoGroups({ database, contents, clock })
    this.chords = new DjangoChords({ database, tasks, groups: this.groups, log })
  }

  get address(): string {
    return this.#database.address
  }

  /** @throws BackendError when Django has not made the tables */
  async start(): Promise<void> {
    await this.#database.columns()
  }

  async close(): Promise<void> {
    this.poller.close()
    await deadline(this.#tasks.flush(), CLOSE_TIMEOUT, () => new Error('late')).catch(() => {})
    await this.#database.close()
  }

  store(meta: ResultMeta, options?: StoreOptions): Promise<void> {
    return this.#tasks.store(meta, options)
  }

  forget(taskId: string): Promise<void> {
    return this.#tasks.forget(taskId)
  }

  /** @see django-celery-results 2.6, backends/database.py, `cleanup` */
  async cleanup(): Promise<void> {
    const { resultExpires } = this.#deps
    if (!resultExpires) return
    const before = this.#clock.now(resultExpires)
    await this.#database.retry('cannot delete expired results', async (db) => {
      await db.deleteFrom(TASKS).where('date_done', '<', before).execute()
      await db.deleteFrom(GROUPS).where('date_done', '<', before).execute()
    })
  }

  /** One look at many; what is wrong with one does not hide the others. */
  protected async look(
    taskIds: readonly string[],
    policy: RetryPolicy,
  ): Promise<readonly (ResultMeta | FailedLook)[]> {
    const rows = new Map((await this.#tasks.read(taskIds, policy)).map((row) => [row.task_id, row]))
    return taskIds.map((taskId) => {
      const row = rows.get(storableId(taskId))
      if (row === undefined) return pendingMeta(taskId)
      try {
        return this.#tasks.decode({ ...row, task_id: taskId })
      } catch (error) {
        return { taskId, error: error as CeleryError }
      }
    })
  }
}
