/** Fetches the images of the servers that run in containers; fails where a server cannot be had. */

import { pullImage } from './container.ts'
import { MEMCACHED } from './memcached.ts'
import { MARIADB } from './mariadb.ts'
import { POSTGRES } from './postgres.ts'
import { RABBITMQ } from './rabbitmq.ts'
import { REDIS } from './redis.ts'
import { sourceOf } from './server.ts'

try {
  for (const program of [REDIS, RABBITMQ, MEMCACHED, POSTGRES, MARIADB]) {
    if ((await sourceOf(program)) === 'container') await pullImage(program.image)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
