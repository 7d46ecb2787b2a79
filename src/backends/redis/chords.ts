/** Chords on Redis, under Celery's keys: their parts are counted where Python counts them. */

import {
  decodeChordPart,
  encodeChordPart,
  type ChordPart,
  type ResultTuple,
} from '../../../protocol/result.ts'
import type { ChordStore, GroupStore, OpenedChord, ReturnedPart } from '../../results/backend.ts'
import type { KeyValue } from '../key-value.ts'
import type { RedisLink } from './link.ts'
import { script } from './script.ts'

/**
 *     KEYS   the parts (`.j`), parts added (`.t`), size (`.s`), who ends the chord (`.c`, ours)
 *     ARGV   place in the header ('' makes the parts a list), part, task id, seconds to live (0 is for
 *            ever), the Lua pattern of the id in a part or 'msgpack' where it has a length, seconds that
 *            the end may take, the run ('' takes over from another of its task)
 *
 * Returns all parts when they are complete, and this task is to end the chord; else nothing.
 *
 * Celery adds a part to a set of values: a task that runs twice and gives another value counts twice,
 * and its body runs without a part that is missing. Here a part takes the place of the one of the same
 * task; the place alone does not tell it, as a chain that ends in a group, and parts that were added,
 * share one. Where more than a thousand do, they are told apart when all seem to be there: to compare each
 * with all others would keep Redis from its other work. Who completes the parts claims the end, and not the
 * other run of a message that came twice; should it die, its message, which comes again, may have the claim
 * at once, and another that comes again later.
 *
 * @see celery 5.6, backends/redis.py, `on_chord_part_return`
 */
const RETURN_PART = script(`
local parts, added, size, claim = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local place, part, task, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local pattern, ordered, run = ARGV[5], ARGV[1] ~= '', ARGV[7]
local function taskOf(value)
  if pattern ~= 'msgpack' then return pattern ~= '' and string.match(value, pattern) or value end
  local head = string.byte(value, 3) or 0
  if head == 0xd9 then return string.sub(value, 5, 4 + string.byte(value, 4)) end
  return string.sub(value, 4, 3 + head - 0xa0)
end
if ordered then
  local mine = taskOf(part)
  local shared = redis.call('ZCOUNT', parts, place, place) > 1000
  for _, other in ipairs(shared and {} or redis.call('ZRANGEBYSCORE', parts, place, place)) do
    if other ~= part and taskOf(other) == mine then redis.call('ZREM', parts, other) end
  end
  redis.call('ZADD', parts, place, part)
else
  redis.call('RPUSH', parts, part)
end
if ttl > 0 then
  redis.call('EXPIRE', parts, ttl)
  redis.call('EXPIRE', added, ttl)
  redis.call('EXPIRE', size, ttl)
end
local expected = redis.call('GET', size)
if not expected then return false end
expected = tonumber(expected) + tonumber(redis.call('GET', added) or 0)
local count = redis.call(ordered and 'ZCARD' or 'LLEN', parts)
if count < expected then return false end
local all = redis.call(ordered and 'ZRANGE' or 'LRANGE', parts, 0, -1)
local at, distinct = {}, {}
for _, value in ipairs(all) do
  local id = taskOf(value)
  if not at[id] then
    distinct[#distinct + 1] = value
    at[id] = #distinct
  elseif value == part or not ordered then
    distinct[at[id]] = value
  end
end
if #distinct < expected then return false end
local held = redis.call('GET', claim)
local mine = run .. ' ' .. task
if held and held ~= mine then
  if run ~= '' or string.sub(held, string.find(held, ' ', 1, true) + 1) ~= task then return false end
end
redis.call('SET', claim, mine, 'EX', ARGV[6])
return distinct
`)

/** Seconds until another may end a chord: to send its body may take half of them. */
const CLAIM_SECONDS = 60

/** How the task of a part is told without decoding it: `[1, "<id>", …]`, as Celery writes it. */
const TASK_PATTERNS: ReadonlyMap<string, string> = new Map([
  ['json', '^%[1, *("[^"]*")'],
  ['yaml', '^%- 1\n%- ([^\n]*)\n'],
  ['msgpack', 'msgpack'],
])

export interface RedisChordsOptions {
  readonly link: RedisLink
  readonly groups: GroupStore
  readonly keyValue: KeyValue
  readonly serializer: string
  /** Whether the parts are in the order of the header. @see celery 5.6, `result_chord_ordered` */
  readonly ordered: boolean
}

export class RedisChords implements ChordStore {
  readonly #options: RedisChordsOptions
  readonly #pattern: string

  constructor(options: RedisChordsOptions) {
    this.#options = options
    this.#pattern = TASK_PATTERNS.get(options.serializer) ?? ''
  }

  /** A header that holds groups is saved: the parts alone do not tell its order. */
  async open({ header, size }: OpenedChord): Promise<void> {
    const { link, keyValue, groups } = this.#options
    const [[id], members] = header
    const key = keyValue.keys.chordSize(id)
    await link.retry('cannot store the size of a chord', (redis) =>
      keyValue.expires > 0 ? redis.setex(key, keyValue.expires, size) : redis.set(key, size),
    )
    if (members?.some(([, inner]) => inner !== null)) await groups.save(header)
  }

  async addToChord(groupId: string, parts: number): Promise<void> {
    const { link, keyValue } = this.#options
    const key = keyValue.keys.chordAdded(groupId)
    await link.retry('cannot add to a chord', (redis) => redis.incrby(key, parts))
  }

  async onChordPartReturn(part: ReturnedPart): Promise<readonly ChordPart[] | undefined> {
    const parts = await this.#count(part)
    if (parts === undefined) return undefined
    const isShort = await this.#correctSize(part.groupId, parts.length)
    return isShort ? await this.#count(part) : parts
  }

  /**
   * A Python worker that sends the group at the end of a chain in a header writes the size of that group
   * over the size of the header; such a header is saved, and tells how many parts it has.
   *
   * @returns whether it has more than these
   *
   * @see celery 5.6, canvas.py, `group._apply_tasks`
   */
  async #correctSize(groupId: string, counted: number): Promise<boolean> {
    const { link, groups, keyValue } = this.#options
    const header = await groups.restore(groupId)
    const size = header === undefined ? 0 : sizeOf(header)
    if (size <= counted) return false
    const { keys } = keyValue
    await link.retry('cannot store the size of a chord', (redis) =>
      redis
        .multi()
        .set(keys.chordSize(groupId), size, 'KEEPTTL')
        .del(keys.chordClaim(groupId))
        .exec(),
    )
    return true
  }

  async #count(part: ReturnedPart): Promise<readonly ChordPart[] | undefined> {
    const { link, keyValue, ordered } = this.#options
    const { groupId, groupIndex, taskId, run = '' } = part
    const place = ordered ? (groupIndex ?? '+inf') : ''
    const value = keyValue.dumps(encodeChordPart(part))
    const args = [place, value, taskId, keyValue.expires, this.#pattern, CLAIM_SECONDS, run]
    const reply = await link.retry('cannot count a part of a chord', (redis) =>
      RETURN_PART(redis, this.#keys(groupId), args),
    )
    if (!Array.isArray(reply)) return undefined
    return (reply as readonly Buffer[]).map((raw) => decodeChordPart(keyValue.loads(raw)))
  }

  /** As in Celery the parts of a chord that failed stay as long as results do, for who looks what they were. */
  async endChord(groupId: string, failed = false): Promise<void> {
    const { link, keyValue } = this.#options
    const [parts, ...others] = this.#keys(groupId)
    const keys = failed && keyValue.expires > 0 ? others : [parts, ...others]
    await link.retry('cannot end a chord', (redis) => redis.del(...keys))
  }

  #keys(groupId: string): [parts: string, ...others: string[]] {
    const { keys } = this.#options.keyValue
    return [
      keys.chordJoin(groupId),
      keys.chordAdded(groupId),
      keys.chordSize(groupId),
      keys.chordClaim(groupId),
    ]
  }
}

/** How many tasks stand in a group, and in the groups in it. */
function sizeOf([, members]: ResultTuple): number {
  return members === null ? 1 : members.reduce((sum, member) => sum + sizeOf(member), 0)
}
