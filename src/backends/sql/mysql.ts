/** MySQL and MariaDB by the package `mysql2`, as Kysely wants it: what is broken does not go back to the pool. */

import type { MysqlPool, MysqlPoolConnection, MysqlQueryResult } from 'kysely'
import type { Pool, PoolConnection, PoolOptions, QueryError } from 'mysql2'
import type * as mysql2 from 'mysql2'
import { importDriver } from '../driver.ts'
import type { OpenSqlDriver, SqlDriverOptions } from './driver.ts'
import { QueryTimeout, sqlFault } from './fault.ts'
import type { SqlAddress } from './url.ts'

type Mysql = Pick<typeof mysql2, 'createPool'>

export const openMysql: OpenSqlDriver = async (address, options) => {
  const { MysqlDialect } = await import('kysely')
  const { module } = await importDriver('db+mysql://', ['mysql2'])
  const pool = (module as { readonly default: Mysql }).default.createPool(
    poolOptions(address, options),
  )
  const connections = new Set<PoolConnection>()
  return {
    dialect: new MysqlDialect({ pool: kyselyPool(pool, connections, options.queryTimeout) }),
    destroy: () => {
      for (const connection of connections) connection.destroy()
      connections.clear()
    },
  }
}

/** Times as the text that is stored, and integers with all their digits. */
function poolOptions(address: SqlAddress, options: SqlDriverOptions): PoolOptions {
  const { host, port, username, password, database, socketPath, tls } = address
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    ...(username === undefined ? {} : { user: username }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(tls === undefined ? {} : { ssl: tls as Exclude<PoolOptions['ssl'], string | undefined> }),
    connectionLimit: options.poolSize,
    connectTimeout: options.connectTimeout * 1000,
    idleTimeout: 30_000,
    enableKeepAlive: true,
    dateStrings: true,
    supportBigNumbers: true,
    charset: 'utf8mb4',
  }
}

function kyselyPool(pool: Pool, connections: Set<PoolConnection>, timeout: number): MysqlPool {
  return {
    getConnection: (callback) =>
      pool.getConnection((error, connection) => {
        if (error) return callback(error, undefined as never)
        connections.add(connection)
        callback(
          null,
          kyselyConnection(connection, timeout, () => connections.delete(connection)),
        )
      }),
    end: (callback) => pool.end((error) => callback(error)),
  }
}

type Callback = (error: unknown, result: MysqlQueryResult) => void

/** Hands a connection back once, and closes it when a query has shown that it is lost. */
function kyselyConnection(
  connection: PoolConnection,
  timeout: number,
  onRelease: () => boolean,
): MysqlPoolConnection {
  let lost = false
  const query = (sql: string, values: unknown[], callback: Callback): void => {
    const done = (error: QueryError | null, result: unknown): void => {
      lost ||= sqlFault(error) === 'lost'
      const late = error?.code === 'PROTOCOL_SEQUENCE_TIMEOUT'
      callback(late ? new QueryTimeout(timeout) : error, result as MysqlQueryResult)
    }
    connection.query({ sql, values, timeout: timeout * 1000 }, done)
  }
  const release = (): void => {
    if (!onRelease()) return
    if (lost) connection.destroy()
    else connection.release()
  }
  return { query, release } as unknown as MysqlPoolConnection
}
