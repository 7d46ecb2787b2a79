/** The Lua that makes taking, settling and giving back a message one step each, and how it is called. */

import { createHash } from 'node:crypto'
import { redisFault, type Redis } from '../../redis.ts'

export interface Script {
  readonly lua: string
  readonly sha: string
}

function script(lua: string): Script {
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
const NOW = String.raw`
local function now()
  local t = redis.call('TIME')
  return t[1] .. '.' .. string.format('%06d', t[2])
end
`

/**
 * Takes up to `limit` messages off the queues and leases them, or takes nothing at all.
 *
 *     KEYS  unacked, unacked_index, then for each queue: its list per priority step, its dead list
 *     ARGV  limit, bytes, queues, steps, rotate (1|0), then for each queue: lease (1|0)
 *     ->    {lease, {queue, tag, item, …}, {queue, reason, bytes, …}, more (1|0)}
 *
 * What is popped when follows kombu: for each priority step, for each queue in its turn; with
 * `rotate` the queue that was served goes to the end of the line. Lists are only read while the
 * choice is made; the first write is one that a full server refuses (`denyoom`), so a refused
 * script has popped nothing. What no kombu consumer could read goes to the dead list: it must never
 * reach `unacked`, where a Python worker that restores it would fail on it.
 *
 * A tag that is held already (copies of one message, or a sender that repeats tags) is leased under
 * a name of its own: kombu restores by the entry, not by its name.
 *
 * The item is kept as text; cjson only reads it. It refuses lone surrogates, which Python and
 * JavaScript read: they are covered up before a second try.
 *
 * @see kombu 5.6, transport/redis.py, `Channel._brpop_start`, `_brpop_read` and `QoS.append`
 */
export const FETCH: Script = script(
  NOW +
    String.raw`
local limit, room, queues = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local steps, rotate = tonumber(ARGV[4]), ARGV[5] == '1'
local width = steps + 1
local lists, order = {}, {}
for q = 1, queues do order[q] = q end
local count = 0

local function peek(k)
  local list = lists[k]
  if not list then
    list = { buffer = {}, at = 0, taken = 0, last = false, expected = room }
    lists[k] = list
  end
  if list.at == 0 and not list.last then
    local n = math.max(1, math.min(limit - count, 25, math.floor(room / list.expected)))
    local reply = redis.pcall('LRANGE', KEYS[k], -(list.taken + n), -(list.taken + 1))
    if reply.err then reply = {} end
    list.buffer, list.at, list.last = reply, #reply, #reply < n
  end
  return list.buffer[list.at], list
end

local function text(value)
  if value == cjson.null then return '' end
  if type(value) == 'string' then return value end
end

local function read(raw)
  local ok, envelope = pcall(cjson.decode, raw)
  if not ok then
    ok, envelope = pcall(cjson.decode, (raw:gsub('\\u[dD][89a-fA-F]%x%x', '\\u0041')))
  end
  if not ok then return nil, 'not JSON' end
  if type(envelope) ~= 'table' then return nil, 'not an object' end
  local properties = envelope.properties
  if type(properties) ~= 'table' then return nil, 'no properties' end
  local tag, info = properties.delivery_tag, properties.delivery_info
  if type(tag) == 'number' then tag = string.format('%.0f', tag) end
  if type(tag) ~= 'string' or tag == '' then return nil, 'no delivery_tag' end
  if type(info) ~= 'table' then return nil, 'no delivery_info' end
  local exchange, key = text(info.exchange), text(info.routing_key)
  if not exchange or not key then return nil, 'no exchange or routing_key in delivery_info' end
  return { tag = tag, exchange = exchange, key = key }
end

local taken, dead = {}, {}
local function take(q, s)
  local raw, list = peek(2 + (q - 1) * width + s)
  if not raw then return false end
  list.at, list.taken, list.expected = list.at - 1, list.taken + 1, #raw
  count, room = count + 1, room - #raw
  local message, reason = read(raw)
  if message then
    message.queue, message.raw = q, raw
    taken[#taken + 1] = message
  else
    dead[#dead + 1] = { queue = q, reason = reason, raw = raw }
  end
  return true
end

local function takeNext()
  for s = 1, steps do
    for i = 1, queues do
      if take(order[i], s) then
        if rotate then table.insert(order, table.remove(order, i)) end
        return true
      end
    end
  end
  return false
end

local more = '1'
while count < limit and room > 0 do
  if not takeNext() then
    more = '0'
    break
  end
end

local lease, leased, tags = now(), {}, {}
for _, message in ipairs(taken) do
  if ARGV[5 + message.queue] == '1' then
    leased[#leased + 1], tags[#tags + 1] = message, message.tag
  end
end
if #leased > 0 then
  local held, index, entries = redis.call('HMGET', KEYS[1], unpack(tags)), {}, {}
  local seen = {}
  for i, message in ipairs(leased) do
    if held[i] or seen[message.tag] then message.tag = message.tag .. ':' .. lease .. ':' .. i end
    seen[message.tag] = true
    index[2 * i - 1], index[2 * i] = lease, message.tag
    entries[2 * i - 1] = message.tag
    entries[2 * i] = '[' .. message.raw .. ', ' .. cjson.encode(message.exchange) .. ', '
      .. cjson.encode(message.key) .. ']'
  end
  redis.call('ZADD', KEYS[2], unpack(index))
  redis.call('HSET', KEYS[1], unpack(entries))
end
for _, item in ipairs(dead) do
  local key = KEYS[2 + item.queue * width]
  redis.call('LPUSH', key, item.raw)
  redis.call('LTRIM', key, 0, 999)
end
for k, list in pairs(lists) do
  if list.taken > 0 then redis.call('LTRIM', KEYS[k], 0, -(list.taken + 1)) end
end

local items, refused = {}, {}
for _, message in ipairs(taken) do
  items[#items + 1] = message.queue
  items[#items + 1] = message.tag
  items[#items + 1] = message.raw
end
for _, item in ipairs(dead) do
  refused[#refused + 1] = item.queue
  refused[#refused + 1] = item.reason
  refused[#refused + 1] = #item.raw
end
return { lease, items, refused, more }
`,
)

/**
 * Settles deliveries, each only while its lease is still the one that we were given.
 *
 *     KEYS  unacked, unacked_index
 *     ARGV  tag, lease, …
 *     ->    the tags whose lease is another's or gone
 *
 * @see kombu 5.6, transport/redis.py, `QoS.ack`: there a late ack removes the next holder's entry
 */
export const SETTLE: Script = script(String.raw`
local tags, lost, ours = {}, {}, {}
for i = 1, #ARGV, 2 do tags[#tags + 1] = ARGV[i] end
local leases = redis.call('ZMSCORE', KEYS[2], unpack(tags))
for i, tag in ipairs(tags) do
  if leases[i] and tonumber(leases[i]) == tonumber(ARGV[2 * i]) then
    ours[#ours + 1] = tag
  else
    lost[#lost + 1] = tag
  end
end
if #ours > 0 then
  redis.call('ZREM', KEYS[2], unpack(ours))
  redis.call('HDEL', KEYS[1], unpack(ours))
end
return lost
`)

/**
 * Renews leases: the same as {@link SETTLE}, but sets the time.
 *
 *     KEYS  unacked_index
 *     ARGV  tag, lease, …
 *     ->    {the new lease, the tags whose lease is another's or gone}
 */
export const RENEW: Script = script(
  NOW +
    String.raw`
local time, lost = now(), {}
for i = 1, #ARGV, 2 do
  local lease = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if lease and tonumber(lease) == tonumber(ARGV[i + 1]) then
    redis.call('ZADD', KEYS[1], 'XX', time, ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return { time, lost }
`,
)

/**
 * Gives messages back, each only while its lease is still the one that was seen: pushed first, then
 * taken out of `unacked`, so that a full server refuses before anything is removed.
 *
 *     KEYS  unacked, unacked_index, then for each message its lists
 *     ARGV  LPUSH|RPUSH, then for each message: tag, lease, text, number of lists
 *     ->    the tags whose lease is another's or gone
 *
 * @see kombu 5.6, transport/redis.py, `QoS.restore_by_tag`
 */
export const RESTORE: Script = script(String.raw`
local lost, key = {}, 3
for i = 2, #ARGV, 4 do
  local tag, lists = ARGV[i], tonumber(ARGV[i + 3])
  local lease = redis.call('ZSCORE', KEYS[2], tag)
  if lease and tonumber(lease) == tonumber(ARGV[i + 1]) then
    for k = key, key + lists - 1 do redis.call(ARGV[1], KEYS[k], ARGV[i + 2]) end
    redis.call('ZREM', KEYS[2], tag)
    redis.call('HDEL', KEYS[1], tag)
  else
    lost[#lost + 1] = tag
  end
  key = key + lists
end
return lost
`)

/**
 * The deliveries whose visibility timeout passed, under the lock that kombu takes for it.
 *
 *     KEYS  unacked, unacked_index, unacked_mutex
 *     ARGV  visibility timeout, limit, token, milliseconds that the lock lasts
 *     ->    {tag, lease, entry, …}, or false when there are none or another has the lock
 *
 * An index without its entry is removed, as kombu does.
 *
 * @see kombu 5.6, transport/redis.py, `QoS.restore_visible`
 */
export const TIMED_OUT: Script = script(
  NOW +
    String.raw`
local due = string.format('%.6f', tonumber(now()) - tonumber(ARGV[1]))
local late = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', due, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
if #late == 0 then return false end
if not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4]) then return false end
local found = {}
for i = 1, #late, 2 do
  local entry = redis.call('HGET', KEYS[1], late[i])
  if entry then
    found[#found + 1], found[#found + 2], found[#found + 3] = late[i], late[i + 1], entry
  else
    redis.call('ZREM', KEYS[2], late[i])
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
