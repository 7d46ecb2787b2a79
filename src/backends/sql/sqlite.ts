/** SQLite by whichever of its drivers is installed, as Kysely wants it. */

import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { BackendError } from '../../errors.ts'
import { importDriver } from '../driver.ts'
import type { OpenSqlDriver } from './driver.ts'

/**
 * How long a statement waits for another process's lock. The three drivers are synchronous: the event
 * loop stands still so long, so the wait is short, and who is still locked out tries again later.
 */
const BUSY_TIMEOUT_MS = 20

/** What better-sqlite3, libsql and node:sqlite have in common. */
interface Statement {
  /** Missing in node:sqlite. */
  readonly reader?: boolean
  all(...parameters: unknown[]): unknown[]
  run(...parameters: unknown[]): ReturnType<SqliteStatement['run']>
}

interface SyncDatabase {
  prepare(sql: string): Statement
  exec(sql: string): unknown
  close(): void
}

type DatabaseClass = new (path: string) => SyncDatabase

export const openSqlite: OpenSqlDriver = async ({ database = '' }) => {
  const { SqliteDialect } = await import('kysely')
  const { module } = await importDriver('db+sqlite://', ['better-sqlite3', 'node:sqlite', 'libsql'])
  const { default: given, DatabaseSync } = module as {
    readonly default: DatabaseClass
    readonly DatabaseSync?: DatabaseClass
  }
  const open = (): SyncDatabase => {
    try {
      return new (DatabaseSync ?? given)(database)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new BackendError(`the SQLite file ${database} cannot be opened: ${reason}`, {
        cause,
        retryable: false,
      })
    }
  }
  const sqlite = open()
  sqlite.prepare(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`).all()
  // node:sqlite takes its parameters one by one; the others, a list: they take one object for names
  const spread = DatabaseSync !== undefined
  const kysely = kyselyDatabase(sqlite, spread)
  return { dialect: new SqliteDialect({ database: kysely }), destroy: () => {} }
}

/** What Kysely says of transactions, and what is said to SQLite. */
const TRANSACTION: ReadonlyMap<string, string> = new Map([
  ['begin', 'BEGIN IMMEDIATE'],
  ['commit', 'COMMIT'],
  ['rollback', 'ROLLBACK'],
])

const WRITES = /^\s*(?:insert|update|delete|replace|create|alter|drop)\b/i

/**
 * What writes is done in a transaction that has the lock before it begins. A prepared statement of
 * libsql that is refused the lock stays half done until it is collected as garbage: so long nothing
 * that the connection writes is committed, though it seems so, and all others are locked out.
 */
function kyselyDatabase(sqlite: SyncDatabase, spread: boolean): SqliteDatabase {
  let inTransaction = false
  const control = (sql: string): void => {
    inTransaction = false
    sqlite.exec(sql)
    inTransaction = sql.startsWith('BEGIN')
  }
  const locked = <T>(begin: string, work: () => T): T => {
    if (inTransaction) return work()
    control(begin)
    try {
      // who only reads has no lock yet
      if (begin === 'BEGIN') sqlite.exec('SELECT 1 FROM sqlite_master LIMIT 1')
      const result = work()
      control('COMMIT')
      return result
    } catch (error) {
      rollback()
      throw error
    }
  }
  const rollback = (): void => {
    try {
      control('ROLLBACK')
    } catch {
      // SQLite has done it already
    }
  }
  return {
    close: () => sqlite.close(),
    prepare: (sql) => {
      const transaction = TRANSACTION.get(sql)
      if (transaction !== undefined) return controlStatement(() => control(transaction))
      const begin = WRITES.test(sql) ? 'BEGIN IMMEDIATE' : 'BEGIN'
      const guarded = <T>(work: () => T): T => locked(begin, work)
      const statement = sqlite.prepare(sql)
      const reader = statement.reader ?? /^\s*(?:select|pragma|with)\b|\breturning\b/i.test(sql)
      const given = (parameters: readonly unknown[]): readonly unknown[] =>
        spread ? parameters : [parameters]
      const all = (parameters: readonly unknown[]): unknown[] =>
        guarded(() => statement.all(...given(parameters))).map(withBuffers)
      return {
        reader,
        all,
        run: (parameters) => guarded(() => statement.run(...given(parameters))),
        iterate: (parameters) => all(parameters)[Symbol.iterator](),
      }
    },
  }
}

function controlStatement(control: () => void): SqliteStatement {
  const none = (): never[] => []
  const run = (): { changes: number; lastInsertRowid: number } => {
    control()
    return { changes: 0, lastInsertRowid: 0 }
  }
  return { reader: false, all: none, run, iterate: () => none()[Symbol.iterator]() }
}

/** Bytes are an ArrayBuffer in libsql, a Uint8Array in node:sqlite, and a Buffer in better-sqlite3. */
function withBuffers(row: unknown): unknown {
  if (typeof row !== 'object' || row === null) return row
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, withBuffer(value)]))
}

function withBuffer(value: unknown): unknown {
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value
}
