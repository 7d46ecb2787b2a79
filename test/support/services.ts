/** The real servers that tests run against: taken from the environment, else private ones, started lazily. */

import { createMysqlDatabase, startMariadb } from './mariadb.ts'
import { startMemcached } from './memcached.ts'
import { createPostgresDatabase, startPostgres } from './postgres.ts'
import { killAll } from './process.ts'
import { startRabbitmq, type RabbitmqServer } from './rabbitmq.ts'
import { startRedis, type RedisServer } from './redis.ts'
import { stopServers, type Server } from './server.ts'

export { startMariadb } from './mariadb.ts'
export { startMemcached } from './memcached.ts'
export { startPostgres } from './postgres.ts'
export { startRabbitmq, type RabbitmqServer } from './rabbitmq.ts'
export { startRedis, type RedisServer } from './redis.ts'
export type { Server } from './server.ts'

let redis: Promise<RedisServer> | undefined
let rabbitmq: Promise<RabbitmqServer> | undefined
let postgres: Promise<Server> | undefined
let mariadb: Promise<Server> | undefined
let memcached: Promise<Server> | undefined
let databases = 0
let vhosts = 0
let schemas = 0

/**
 * The URL of an empty Redis database that nobody else uses. `CELERIAC_TEST_REDIS_URL` names a server
 * instead; the database in it is then used by all.
 */
export async function redisUrl(): Promise<string> {
  const given = process.env['CELERIAC_TEST_REDIS_URL']
  if (given) return given
  redis ??= startRedis()
  const { url } = await redis
  return new URL(`/${(databases += 1)}`, url).href
}

/** The URL of an empty vhost that nobody else uses, or `CELERIAC_TEST_AMQP_URL`. */
export async function amqpUrl(): Promise<string> {
  const given = process.env['CELERIAC_TEST_AMQP_URL']
  if (given) return given
  rabbitmq ??= startRabbitmq({ vhosts: 32 })
  const server = await rabbitmq
  return server.vhostUrl((vhosts += 1))
}

/**
 * The URL of an empty PostgreSQL database that nobody else uses, on a server of the tests or on the
 * one that `CELERIAC_TEST_POSTGRES_URL` names.
 */
export async function postgresUrl(): Promise<string> {
  const given = process.env['CELERIAC_TEST_POSTGRES_URL']
  if (!given) postgres ??= startPostgres()
  return createPostgresDatabase(given || ((await postgres)?.url ?? ''), schemaName())
}

/** The same on MariaDB, or on what `CELERIAC_TEST_MYSQL_URL` names. */
export async function mysqlUrl(): Promise<string> {
  const given = process.env['CELERIAC_TEST_MYSQL_URL']
  if (!given) mariadb ??= startMariadb()
  return createMysqlDatabase(given || ((await mariadb)?.url ?? ''), schemaName())
}

/** The URL of a Memcached as a result backend; all tests share one, or what `CELERIAC_TEST_MEMCACHED_URL` names. */
export async function memcachedUrl(): Promise<string> {
  const given = process.env['CELERIAC_TEST_MEMCACHED_URL']
  if (given) return given
  memcached ??= startMemcached()
  return (await memcached).url
}

/** A given server is not new: what was on it before keeps its name. */
function schemaName(): string {
  return `celeriac_${process.pid}_${Date.now().toString(36)}_${(schemas += 1)}`
}

/** Stops the servers, shared and private, and whatever else tests have started. */
export async function stopServices(): Promise<void> {
  const starting = [redis, rabbitmq, postgres, mariadb, memcached]
  await Promise.all(starting.map((server) => server?.catch(() => undefined)))
  redis = rabbitmq = postgres = mariadb = memcached = undefined
  await stopServers()
  await killAll()
}
