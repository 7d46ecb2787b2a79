/** The Lua that renews, settles, postpones and gives back what is in hand, each while the lease is still ours. */

import { NOW, script, type Script } from './script.ts'

/**
 * What all of these begin with:
 *
 *     KEYS  unacked, unacked_index, owners, held (by the owner)
 *     ARGV  owner, or '' when it is none
 *
 * A tag is the owner's no more: the last one takes the owner with it. When the lease was another's,
 * what stands under the owner stays, unless it is that lease: it may be a newer one, of a renewal
 * whose reply was lost.
 */
const LEASES = String.raw`
local owner = ARGV[1]
local function ours(tag, lease)
  local score = redis.call('ZSCORE', KEYS[2], tag)
  return score and tonumber(score) == tonumber(lease)
end
local function disown(tags)
  if owner == '' then return end
  if #tags > 0 then redis.call('HDEL', KEYS[4], unpack(tags)) end
  if redis.call('EXISTS', KEYS[4]) == 0 then redis.call('HDEL', KEYS[3], owner) end
end
local function outdated(tag, lease)
  if owner == '' then return false end
  local held = redis.call('HGET', KEYS[4], tag)
  return held and tonumber(held) == tonumber(lease)
end
`

/**
 * Settles deliveries, each only while its lease is still the one that we were given.
 *
 *     ARGV  …, then for each: tag, lease
 *     ->    the tags whose lease is another's or gone
 *
 * @see kombu 5.6, transport/redis.py, `QoS.ack`: there a late ack removes the next holder's entry
 */
export const SETTLE: Script = script(
  LEASES +
    String.raw`
local tags, lost, settled, over = {}, {}, {}, {}
for i = 2, #ARGV, 2 do tags[#tags + 1] = ARGV[i] end
local leases = redis.call('ZMSCORE', KEYS[2], unpack(tags))
for i, tag in ipairs(tags) do
  local lease = ARGV[2 * i + 1]
  if leases[i] and tonumber(leases[i]) == tonumber(lease) then
    settled[#settled + 1], over[#over + 1] = tag, tag
  else
    lost[#lost + 1] = tag
    if outdated(tag, lease) then over[#over + 1] = tag end
  end
end
if #settled > 0 then
  redis.call('ZREM', KEYS[2], unpack(settled))
  redis.call('HDEL', KEYS[1], unpack(settled))
end
disown(over)
return lost
`,
)

/**
 * Renews leases. The first write is one that a full server allows: then it allows the others, too.
 *
 *     ARGV  …, seconds that the owner is remembered, then for each: tag, lease
 *     ->    {the new lease, the tags whose lease is another's or gone}
 */
export const RENEW: Script = script(
  NOW +
    LEASES +
    String.raw`
local time, lost = now(), {}
redis.call('EXPIRE', KEYS[4], ARGV[2])
for i = 3, #ARGV, 2 do
  local tag = ARGV[i]
  if ours(tag, ARGV[i + 1]) then
    redis.call('ZADD', KEYS[2], 'XX', time, tag)
    if owner ~= '' then redis.call('HSET', KEYS[4], tag, time) end
  else
    lost[#lost + 1] = tag
  end
end
disown(lost)
if owner ~= '' and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HSETNX', KEYS[3], owner, '')
  redis.call('EXPIRE', KEYS[3], ARGV[2])
  redis.call('EXPIRE', KEYS[4], ARGV[2])
end
return { time, lost }
`,
)

/**
 * Puts deliveries aside until a time: the entry gets the score that the visibility timeout makes of it,
 * and nobody holds it. The time is given as milliseconds from now, so that clocks need not agree.
 *
 *     ARGV  …, visibility timeout, then for each: tag, lease or '' when it is new, milliseconds, entry
 *     ->    the tags whose lease is another's or gone
 */
export const POSTPONE: Script = script(
  NOW +
    LEASES +
    String.raw`
local time, lost, tags = tonumber(now()), {}, {}
for i = 3, #ARGV, 4 do
  if ARGV[i + 1] == '' or ours(ARGV[i], ARGV[i + 1]) then
    tags[#tags + 1] = i
  else
    lost[#lost + 1] = ARGV[i]
  end
end
local parked = {}
for n, i in ipairs(tags) do parked[n] = ARGV[i] end
-- the first write, since a full server allows it, and then the others that add nothing
disown(parked)
for _, i in ipairs(tags) do
  -- never early, whatever was rounded
  local due = time + (tonumber(ARGV[i + 2]) + 1) / 1000
  redis.call('ZADD', KEYS[2], string.format('%.6f', due - tonumber(ARGV[2])), ARGV[i])
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 3])
end
return lost
`,
)

/**
 * Gives messages back, each only while its lease is still the one that was seen: pushed first, then
 * taken out of `unacked`, so that what cannot be pushed stays there. A full server takes no more by it:
 * the first write is one that it allows, then it allows the others, too.
 *
 *     KEYS  …, then for each message its lists
 *     ARGV  …, LPUSH|RPUSH, then for each message: tag, lease, text, number of lists
 *     ->    the tags whose lease is another's or gone
 *
 * @see kombu 5.6, transport/redis.py, `QoS.restore_by_tag`
 */
export const RESTORE: Script = script(
  LEASES +
    String.raw`
local lost, over, key = {}, {}, 5
redis.call('HDEL', KEYS[3], '')
for i = 3, #ARGV, 4 do
  local tag, lists = ARGV[i], tonumber(ARGV[i + 3])
  if ours(tag, ARGV[i + 1]) then
    for k = key, key + lists - 1 do redis.call(ARGV[2], KEYS[k], ARGV[i + 2]) end
    redis.call('ZREM', KEYS[2], tag)
    redis.call('HDEL', KEYS[1], tag)
    over[#over + 1] = tag
  else
    lost[#lost + 1] = tag
    if outdated(tag, ARGV[i + 1]) then over[#over + 1] = tag end
  end
  key = key + lists
end
disown(over)
return lost
`,
)
