/** What each of the three databases is opened with. */

import type { Dialect } from 'kysely'
import type { SqlAddress } from './url.ts'

/** What a driver is told next to the address. Seconds throughout. */
export interface SqlDriverOptions {
  /** Connections at the same time, at most. */
  readonly poolSize: number
  /** Until there is a connection. */
  readonly connectTimeout: number
  /** Until a query has its answer. */
  readonly queryTimeout: number
  /** After so many a connection is replaced; 0 is never. */
  readonly poolRecycle: number
}

export interface SqlDriver {
  readonly dialect: Dialect
  /** Ends the connections that are under way, without waiting for their queries. */
  destroy(): void
}

export type OpenSqlDriver = (address: SqlAddress, options: SqlDriverOptions) => Promise<SqlDriver>
