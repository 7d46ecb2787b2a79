/** PostgreSQL by the package `pg`, as Kysely wants it: what is broken does not go back to the pool. */

import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type * as pgModule from 'pg'
import type { Pool, PoolClient, PoolConfig } from 'pg'
import { importDriver } from '../driver.ts'
import type { OpenSqlDriver, SqlDriverOptions } from './driver.ts'
import { sqlFault } from './fault.ts'
import type { SqlAddress } from './url.ts'

type Pg = Pick<typeof pgModule, 'Pool' | 'types'>

/** `timestamp` and `timestamptz`: pg would read the first in the local time zone. */
const TIMES: ReadonlySet<number> = new Set([1114, 1184])

export const openPostgresql: OpenSqlDriver = async (address, options) => {
  const { PostgresDialect } = await import('kysely')
  const { module } = await importDriver('db+postgresql://', ['pg'])
  const pg = (module as { readonly default: Pg }).default
  const pool = new pg.Pool({
    ...poolConfig(address, options),
    types: { getTypeParser: (oid, format) => typeParser(pg, oid, format) },
  })
  // a connection that breaks while nobody uses it has left the pool already
  pool.on('error', () => {})
  const clients = new Set<PoolClient>()
  return {
    dialect: new PostgresDialect({ pool: kyselyPool(pool, clients) }),
    destroy: () => {
      for (const client of clients) client.release(true)
      clients.clear()
    },
  }
}

function poolConfig(address: SqlAddress, options: SqlDriverOptions): PoolConfig {
  const { host, port, username, password, database, socketPath, tls, applicationName } = address
  return {
    host: socketPath ?? host,
    port,
    ...(username === undefined ? {} : { user: username }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(tls === undefined ? {} : { ssl: tls }),
    application_name: applicationName ?? 'celeriac',
    max: options.poolSize,
    connectionTimeoutMillis: options.connectTimeout * 1000,
    query_timeout: options.queryTimeout * 1000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    maxLifetimeSeconds: options.poolRecycle,
  }
}

function typeParser(pg: Pg, oid: number, format?: 'text' | 'binary'): unknown {
  if (TIMES.has(oid) && format !== 'binary') return String
  return pg.types.getTypeParser(oid, format)
}

function kyselyPool(pool: Pool, clients: Set<PoolClient>): PostgresPool {
  return {
    connect: async () => {
      const client = await pool.connect()
      clients.add(client)
      return kyselyClient(client, () => clients.delete(client))
    },
    end: () => pool.end(),
  }
}

/** Hands a connection back once, and closes it when a query has shown that it is lost. */
function kyselyClient(client: PoolClient, onRelease: () => boolean): PostgresPoolClient {
  let lost = false
  const onError = (): void => void (lost = true)
  client.on('error', onError)
  const query = async (sql: string, parameters: readonly unknown[]): Promise<unknown> => {
    try {
      return await client.query(sql, [...parameters])
    } catch (error) {
      lost ||= sqlFault(error) === 'lost'
      throw error
    }
  }
  const release = (): void => {
    client.off('error', onError)
    if (onRelease()) client.release(lost)
  }
  return { query, release } as unknown as PostgresPoolClient
}
