/** A database that is opened when it is needed, and asked again when it was away or busy. */

import { setMaxListeners } from 'node:events'
import type * as kysely from 'kysely'
import type { Kysely } from 'kysely'
import { BackendError, CeleryError, ImproperlyConfigured } from '../../errors.ts'
import type { Logger } from '../../runtime/log.ts'
import { deadline, delay, interval, type RetryPolicy } from '../../runtime/retry.ts'
import { isPlainObject } from '../../../protocol/plain.ts'
import { importDriver } from '../driver.ts'
import type { OpenSqlDriver, SqlDriver, SqlDriverOptions } from './driver.ts'
import { QueryTimeout, sqlFault, sqlMessage } from './fault.ts'
import { openMysql } from './mysql.ts'
import { openPostgresql } from './postgresql.ts'
import { openSqlite } from './sqlite.ts'
import { parseSqlUrl, type SqlAddress, type SqlDialect } from './url.ts'

export interface DatabaseOptions {
  readonly url: string
  readonly policy: RetryPolicy
  readonly log: Logger
  /** SQLAlchemy's `create_engine` arguments, of which the bounds of the pool and the timeouts count. */
  readonly engineOptions?: Readonly<Record<string, unknown>>
}

const DRIVERS: Record<SqlDialect, OpenSqlDriver> = {
  postgresql: openPostgresql,
  mysql: openMysql,
  sqlite: openSqlite,
}

/** Seconds that `close` waits for the queries that are under way. */
const CLOSE_TIMEOUT = 5

interface Opened<Tables> {
  readonly db: Kysely<Tables>
  readonly driver: SqlDriver
}

export class Database<Tables> {
  readonly dialect: SqlDialect
  /** For logs and errors: without user and password. */
  readonly address: string
  readonly #address: SqlAddress
  readonly #options: DatabaseOptions
  readonly #driverOptions: SqlDriverOptions
  readonly #closing = new AbortController()
  #opened: Promise<Opened<Tables>> | undefined
  #closed: Promise<void> | undefined

  /** Nothing is opened, and no driver loaded, before it is used. @throws ImproperlyConfigured */
  constructor(options: DatabaseOptions) {
    // each query that is tried again listens to it
    setMaxListeners(0, this.#closing.signal)
    this.#address = parseSqlUrl(options.url)
    this.#options = options
    this.#driverOptions = driverOptions(this.#address, options.engineOptions ?? {})
    this.dialect = this.#address.dialect
    this.address = this.#address.display
  }

  /**
   * Does a piece of work, again and again by the policy while the database is away or busy. The work
   * must bear being done twice.
   *
   * @throws BackendError with the last failure as its cause; ImproperlyConfigured without a driver
   */
  async retry<T>(
    doing: string,
    work: (db: Kysely<Tables>) => Promise<T>,
    policy: RetryPolicy = this.#options.policy,
  ): Promise<T> {
    const started = performance.now()
    for (let retries = 0; ; retries += 1) {
      try {
        return await this.#attempt(work)
      } catch (error) {
        if (error instanceof CeleryError) throw error
        if (this.#closing.signal.aborted) throw closedError(error)
        const fault = sqlFault(error)
        if (fault !== 'lost' && fault !== 'busy') throw failure(doing, error, false)
        const seconds = (performance.now() - started) / 1000
        const enough = fault === 'lost' ? retries >= most(policy) : seconds >= patience(policy)
        if (enough) throw failure(doing, error)
        if (fault === 'lost') await this.#pause(policy, retries, error)
        else await delay(busyPause(retries), this.#closing.signal)
      }
    }
  }

  /** Ends the attempts that are under way, then the connections; twice is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #attempt<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw closedError()
    const { db } = await this.#open()
    const { queryTimeout, connectTimeout } = this.#driverOptions
    // the driver's own deadlines come first: this one is for what they leave open
    const seconds = 2 * (queryTimeout + connectTimeout)
    const onTimeout = (): Error => new QueryTimeout(seconds)
    return deadline(work(db), seconds, onTimeout)
  }

  #open(): Promise<Opened<Tables>> {
    this.#opened ??= this.#connect().catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #connect(): Promise<Opened<Tables>> {
    const scheme = `db+${this.dialect}://`
    const { module } = await importDriver(scheme, ['kysely'])
    const { Kysely: KyselyClass } = module as Pick<typeof kysely, 'Kysely'>
    const driver = await DRIVERS[this.dialect](this.#address, this.#driverOptions)
    return { db: new KyselyClass<Tables>({ dialect: driver.dialect }), driver }
  }

  async #pause(policy: RetryPolicy, retries: number, error: unknown): Promise<void> {
    const seconds = interval(policy, retries)
    const count = `${retries}/${policy.maxRetries ?? 'Inf'}`
    const when = seconds === 0 ? 'now' : `in ${seconds.toFixed(2)} seconds`
    const reason = sqlMessage(error)
    this.#options.log.error(
      `Connection to ${this.address} lost: Retry (${count}) ${when}. (${reason})`,
    )
    await delay(seconds, this.#closing.signal)
  }

  async #close(): Promise<void> {
    this.#closing.abort(closedError())
    const opened = await this.#opened?.catch(() => undefined)
    if (opened === undefined) return
    const late = (): Error => new Error('queries were under way for too long')
    await deadline(opened.db.destroy(), CLOSE_TIMEOUT, late).catch(() => opened.driver.destroy())
  }
}

/** Seconds that what is locked is waited for at least: as long as Python's driver of SQLite does. */
const BUSY_SECONDS = 5
/** Seconds before the first retry of what is locked, and before a later one, at most. */
const FIRST_BUSY_PAUSE = 0.1
const MAX_BUSY_PAUSE = 0.5

function most({ maxRetries }: RetryPolicy): number {
  return maxRetries ?? Infinity
}

/** One that another holds for a moment is no loss: what counts is the time, not how often it was tried. */
function patience(policy: RetryPolicy): number {
  return policy.maxRetries === 0 ? 0 : Math.max(BUSY_SECONDS, most(policy) * policy.intervalMax)
}

function busyPause(retries: number): number {
  return Math.random() * Math.min(MAX_BUSY_PAUSE, FIRST_BUSY_PAUSE * 2 ** retries)
}

function closedError(cause?: unknown): CeleryError {
  return new CeleryError('ERR_ABORTED', 'the result backend was closed', { cause })
}

function failure(doing: string, error: unknown, retryable = true): Error {
  return new BackendError(`${doing}: ${sqlMessage(error)}`, { cause: error, retryable })
}

/**
 * SQLAlchemy keeps 5 connections and opens 10 more when they are in use. Ours are bounded by the
 * sum: what is stored goes in batches, so that few are needed.
 *
 * @see SQLAlchemy 2.0, create_engine, `pool_size`, `max_overflow`, `pool_recycle`, `connect_args`
 */
function driverOptions(
  address: SqlAddress,
  engine: Readonly<Record<string, unknown>>,
): SqlDriverOptions {
  const given = engine['connect_args'] ?? engine['connectArgs']
  const args = isPlainObject(given) ? given : {}
  const read = (name: string, fallback: number): number => {
    const value = engine[name] ?? engine[camelCase(name)] ?? args[name]
    if (value === undefined || value === null) return fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new ImproperlyConfigured(`database_engine_options: ${name} must be a number`)
  }
  const size = read('pool_size', 5) + Math.max(0, read('max_overflow', 0))
  return {
    poolSize: Math.max(1, size),
    connectTimeout: address.connectTimeout ?? read('connect_timeout', 10),
    queryTimeout: read('query_timeout', 60),
    poolRecycle: Math.max(0, read('pool_recycle', 3600)),
  }
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
