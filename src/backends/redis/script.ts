/** A Lua script, sent by its digest, and whole only to a server that does not know it. */

import { createHash } from 'node:crypto'
import { redisFault, type Redis } from '../../redis.ts'

type Argument = string | number | Buffer

/** Replies keep their bytes. */
export type RunScript = (
  redis: Redis,
  keys: readonly string[],
  args: readonly Argument[],
) => Promise<unknown>

export function script(text: string): RunScript {
  const digest = createHash('sha1').update(text).digest('hex')
  return async (redis, keys, args) => {
    const rest = [keys.length, ...keys, ...args]
    try {
      return await redis.callBuffer('EVALSHA', digest, ...rest)
    } catch (error) {
      if (redisFault(error) !== 'noscript') throw error
      return await redis.callBuffer('EVAL', text, ...rest)
    }
  }
}
