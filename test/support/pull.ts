/** Fetches the images of the servers that are not here yet; fails where Docker does not answer. */

import { pullImage } from './container.ts'
import { RABBITMQ_IMAGE } from './rabbitmq.ts'
import { REDIS_IMAGE } from './redis.ts'

try {
  for (const image of [REDIS_IMAGE, RABBITMQ_IMAGE]) await pullImage(image)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
