/** Django's database, and what its tables look like: they come from the release that Django has. */

import type { Kysely } from 'kysely'
import { BackendError } from '../../errors.ts'
import type { RetryPolicy } from '../../runtime/retry.ts'
import { Database, type DatabaseOptions } from '../sql/database.ts'
import { sqlFault } from '../sql/fault.ts'
import type { SqlDialect } from '../sql/url.ts'
import { TASKS, type DjangoTables } from './tables.ts'

/** Columns of the task results that are missing from older releases. */
const LATER_COLUMNS = ['periodic_task_name', 'date_started'] as const
type LaterColumn = (typeof LATER_COLUMNS)[number]
/** Those that are there. */
export type LaterColumns = ReadonlySet<LaterColumn>

export class DjangoDatabase {
  readonly #database: Database<DjangoTables>
  #columns: Promise<LaterColumns> | undefined

  /** Nothing is opened before it is used. @throws ImproperlyConfigured */
  constructor(options: DatabaseOptions) {
    this.#database = new Database(options)
  }

  get dialect(): SqlDialect {
    return this.#database.dialect
  }

  get address(): string {
    return `django-db+${this.#database.address}`
  }

  /** @throws BackendError, which says so when Django has not made the tables */
  async retry<T>(
    doing: string,
    work: (db: Kysely<DjangoTables>) => Promise<T>,
    policy?: RetryPolicy,
  ): Promise<T> {
    try {
      return await this.#database.retry(doing, work, policy)
    } catch (error) {
      throw isMissing(error) ? notMigrated(doing, error) : error
    }
  }

  /** The same in one transaction, in which a row that was read for an update is nobody else's. */
  transaction<T>(doing: string, work: (db: Kysely<DjangoTables>) => Promise<T>): Promise<T> {
    return this.retry(doing, (db) => {
      const transaction = db.transaction()
      // what Django has on MySQL, too: gaps that nobody needs stay unlocked
      return this.dialect === 'mysql'
        ? transaction.setIsolationLevel('read committed').execute(work)
        : transaction.execute(work)
    })
  }

  /** Which of the later columns there are; looked up once. */
  columns(): Promise<LaterColumns> {
    this.#columns ??= this.#lookUpColumns().catch((error: unknown) => {
      this.#columns = undefined
      throw error
    })
    return this.#columns
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  async #lookUpColumns(): Promise<LaterColumns> {
    const found = new Set<LaterColumn>()
    for (const column of LATER_COLUMNS) if (await this.#has(column)) found.add(column)
    return found
  }

  async #has(column: LaterColumn): Promise<boolean> {
    try {
      await this.retry('cannot look at the tables of django-celery-results', (db) =>
        // with its table before it: SQLite takes a bare name in quotes that it does not know for a text
        db.selectFrom(TASKS).select(`${TASKS}.${column}`).limit(0).execute(),
      )
      return true
    } catch (error) {
      if (isUnknownColumn(error)) return false
      throw error
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof BackendError && sqlFault(error.cause) === 'missing'
}

function notMigrated(doing: string, cause: unknown): BackendError {
  const advice = "run 'manage.py migrate django_celery_results' in the Django project"
  const message = `${doing}: the tables of django-celery-results are not there: ${advice}`
  return new BackendError(message, { cause, retryable: false })
}

function isUnknownColumn(error: unknown): boolean {
  const cause = error instanceof BackendError ? error.cause : undefined
  if (!(cause instanceof Error)) return false
  const code = 'code' in cause ? cause.code : undefined
  return (
    code === '42703' || code === 'ER_BAD_FIELD_ERROR' || cause.message.includes('no such column')
  )
}
