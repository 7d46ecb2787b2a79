/** How a piece of Lua is called: by its digest, so that its text crosses once. */

import { createHash } from 'node:crypto'
import { redisFault, type Redis } from '../../redis.ts'

export interface Script {
  readonly lua: string
  readonly sha: string
}

export function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Runs a script by its digest; a server that lost it (restart, SCRIPT FLUSH) is sent the text. */
export async function run(
  client: Redis,
  { lua, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (redisFault(error) !== 'noscript') throw error
    return await client.eval(lua, keys.length, ...keys, ...args)
  }
}

/** Seconds since 1970 by the server's clock, with six digits: what stands in `unacked_index`. */
export const NOW: string = String.raw`
local function now()
  local t = redis.call('TIME')
  return t[1] .. '.' .. string.format('%06d', t[2])
end
`
