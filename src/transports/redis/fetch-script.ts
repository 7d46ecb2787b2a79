/** The Lua that takes messages off queues and leases them, in one step. */

import { NOW, script, type Script } from './script.ts'

/**
 * Takes up to `limit` messages off the queues and leases them, or takes nothing at all.
 *
 *     KEYS  unacked, unacked_index, owners, held, then for each queue: its list per priority step, its
 *           dead list
 *     ARGV  owner, seconds that it is remembered, limit, bytes, queues, steps, rotate (1|0), then for
 *           each queue: lease (1|0)
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
 * What is leased is written down under its owner in the same step: when the reply is lost, because
 * server or worker dies in this moment, it is known whose it was. That is forgotten in the end unless it
 * is renewed with the leases.
 *
 * The item is kept as text; cjson only reads it. It refuses lone surrogates, which Python and
 * JavaScript read: they are covered up before a second try.
 *
 * @see kombu 5.6, transport/redis.py, `Channel._brpop_start`, `_brpop_read` and `QoS.append`
 */
export const FETCH: Script = script(
  NOW +
    String.raw`
local limit, room, queues = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local steps, rotate = tonumber(ARGV[6]), ARGV[7] == '1'
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
  local raw, list = peek(4 + (q - 1) * width + s)
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
  if ARGV[7 + message.queue] == '1' then
    leased[#leased + 1], tags[#tags + 1] = message, message.tag
  end
end
if #leased > 0 then
  local held, index, entries = redis.call('HMGET', KEYS[1], unpack(tags)), {}, {}
  local seen, owned = {}, {}
  for i, message in ipairs(leased) do
    if held[i] or seen[message.tag] then message.tag = message.tag .. ':' .. lease .. ':' .. i end
    seen[message.tag] = true
    index[2 * i - 1], index[2 * i] = lease, message.tag
    owned[2 * i - 1], owned[2 * i] = message.tag, lease
    entries[2 * i - 1] = message.tag
    entries[2 * i] = '[' .. message.raw .. ', ' .. cjson.encode(message.exchange) .. ', '
      .. cjson.encode(message.key) .. ']'
  end
  redis.call('ZADD', KEYS[2], unpack(index))
  redis.call('HSET', KEYS[1], unpack(entries))
  if ARGV[1] ~= '' then
    redis.call('HSET', KEYS[4], unpack(owned))
    if redis.call('HSETNX', KEYS[3], ARGV[1], '') == 1 then
      redis.call('EXPIRE', KEYS[3], ARGV[2])
      redis.call('EXPIRE', KEYS[4], ARGV[2])
    end
  end
end
for _, item in ipairs(dead) do
  local key = KEYS[4 + item.queue * width]
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
