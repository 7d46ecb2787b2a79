/** The real servers that tests run against: taken from the environment, else private ones, started lazily. */

import { killAll } from './process.ts'
import { startRabbitmq, type RabbitmqServer } from './rabbitmq.ts'
import { startRedis, type RedisServer } from './redis.ts'
import { stopServers } from './server.ts'

export { startRabbitmq, type RabbitmqServer } from './rabbitmq.ts'
export { startRedis, type RedisServer } from './redis.ts'
export type { Server } from './server.ts'

let redis: Promise<RedisServer> | undefined
let rabbitmq: Promise<RabbitmqServer> | undefined
let databases = 0
let vhosts = 0

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

/** Stops the servers, shared and private, and whatever else tests have started. */
export async function stopServices(): Promise<void> {
  await Promise.all([redis, rabbitmq].map((starting) => starting?.catch(() => undefined)))
  redis = rabbitmq = undefined
  await stopServers()
  await killAll()
}
