/** The Lua that finds what came due and what the dead have left, so that it can be given back. */

import { NOW, script, type Script } from './script.ts'

/**
 * The deliveries whose visibility timeout passed, those among them that were postponed to now, under
 * the lock that kombu takes for it.
 *
 *     KEYS  unacked, unacked_index, unacked_mutex
 *     ARGV  visibility timeout, limit, bytes, token, milliseconds that a lock of ours lasts, that one of
 *           kombu's lasts, and after which that is taken over: its holder has died
 *     ->    {more (1|0), tag, lease, entry, …}; or false when another has the lock, or there is nothing at
 *           all; or the milliseconds until the next one is due
 *
 * An index without its entry is removed, as kombu does.
 *
 * @see kombu 5.6, transport/redis.py, `QoS.restore_visible`
 */
export const TIMED_OUT: Script = script(
  NOW +
    String.raw`
local limit, room, token = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local due = string.format('%.6f', tonumber(now()) - tonumber(ARGV[1]))
local late = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', due, 'WITHSCORES', 'LIMIT', 0, limit)
if #late == 0 then
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return first[2] and math.ceil((tonumber(first[2]) - tonumber(due)) * 1000)
end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= token then
  local left = redis.call('PTTL', KEYS[3])
  -- one of ours is over soon, whether its holder lives or not
  if left >= 0 and left <= tonumber(ARGV[5]) then return false end
  if tonumber(ARGV[6]) - left < tonumber(ARGV[7]) then return false end
end
redis.call('SET', KEYS[3], token, 'PX', ARGV[5])
local found = { #late == 2 * limit and '1' or '0' }
for i = 1, #late, 2 do
  local entry = redis.call('HGET', KEYS[1], late[i])
  if entry then
    found[#found + 1], found[#found + 2], found[#found + 3] = late[i], late[i + 1], entry
    room = room - #entry
  else
    redis.call('ZREM', KEYS[2], late[i])
  end
  if room <= 0 then
    found[1] = '1'
    break
  end
end
return found
`,
)

/** Releases the lock while it is ours. KEYS: unacked_mutex. ARGV: token. */
export const UNLOCK: Script = script(String.raw`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`)

/**
 * The owners that hold anything, when there are others than ourselves and nobody has looked of late.
 *
 *     KEYS  owners, the mark of the last look
 *     ARGV  owner (our own), milliseconds between two looks
 *     ->    the owners, or false
 *
 * An owner that finds itself taken for dead knows that this server's list of clients is not to be
 * trusted (a proxy keeps it), and is from now on left to the visibility timeout.
 */
export const LOOK: Script = script(String.raw`
local mark = redis.call('HGET', KEYS[1], ARGV[1])
if mark and mark ~= '' then redis.call('HSET', KEYS[1], ARGV[1], 'alive') end
local others = redis.call('HLEN', KEYS[1]) - (mark and 1 or 0)
if others == 0 then return false end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
return redis.call('HKEYS', KEYS[1])
`)

/**
 * Marks owners as missing, with the time when they were first missed.
 *
 *     KEYS  owners
 *     ARGV  seconds of grace, owner, …
 *     ->    those that are missing for longer
 */
export const MISS: Script = script(
  NOW +
    String.raw`
local time, gone = now(), {}
for i = 2, #ARGV do
  local since = redis.call('HGET', KEYS[1], ARGV[i])
  if since == '' then
    redis.call('HSET', KEYS[1], ARGV[i], time)
  elseif tonumber(since) and tonumber(time) - tonumber(since) >= tonumber(ARGV[1]) then
    gone[#gone + 1] = ARGV[i]
  end
end
return gone
`,
)

/**
 * What an owner holds. What it holds no longer is forgotten, and the owner with it when it is all.
 *
 *     KEYS  unacked, unacked_index, owners, held
 *     ARGV  owner, limit, bytes
 *     ->    {tag, lease, entry, …}; nothing when that was all
 */
export const HELD: Script = script(String.raw`
local limit, room = 3 * tonumber(ARGV[2]), tonumber(ARGV[3])
local found, stale, cursor = {}, {}, '0'
local function look(tag, lease)
  local score = redis.call('ZSCORE', KEYS[2], tag)
  local entry = score and tonumber(score) == tonumber(lease) and redis.call('HGET', KEYS[1], tag)
  if entry then
    found[#found + 1], found[#found + 2], found[#found + 3] = tag, lease, entry
    room = room - #entry
  else
    stale[#stale + 1] = tag
  end
end
repeat
  local page = redis.call('HSCAN', KEYS[4], cursor, 'COUNT', ARGV[2])
  cursor = page[1]
  for i = 1, #page[2], 2 do
    if #found < limit and room > 0 then look(page[2][i], page[2][i + 1]) end
  end
until cursor == '0' or #found >= limit or room <= 0
for _, tag in ipairs(stale) do redis.call('HDEL', KEYS[4], tag) end
if redis.call('EXISTS', KEYS[4]) == 0 then redis.call('HDEL', KEYS[3], ARGV[1]) end
return found
`)
