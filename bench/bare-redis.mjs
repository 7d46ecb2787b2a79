/** A bare loop on ioredis: the I/O of a worker on Redis (fetch with a lease, store and publish, ack) and nothing else. */

import { Redis } from 'ioredis'
import { EXPIRES, keyOf, valueOf } from './bare-result.mjs'

/** As many as celeriac takes at a time. */
const BATCH = 100
const FETCH = `
local items, now = {}, redis.call('TIME')[1]
for i = 1, ARGV[1] do
  local item = redis.call('RPOP', KEYS[1])
  if not item then break end
  redis.call('ZADD', 'unacked_index', now, ARGV[2] .. i)
  redis.call('HSET', 'unacked', ARGV[2] .. i, item)
  items[i] = item
end
return items`

const broker = new Redis(process.env['CELERY_BROKER_URL'])
const waiter = new Redis(process.env['CELERY_BROKER_URL'])
const results = new Redis(process.env['CELERY_RESULT_BACKEND'])
broker.defineCommand('fetch', { numberOfKeys: 1, lua: FETCH })

async function settle(prefix, count) {
  const tags = Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)
  const stores = results.pipeline()
  for (const tag of tags) {
    const [key, value] = [keyOf(tag), valueOf(tag)]
    stores.setex(key, EXPIRES, value).publish(key, value)
  }
  const acks = broker.pipeline().zrem('unacked_index', tags).hdel('unacked', tags)
  await Promise.all([stores.exec(), acks.exec()])
}

for (let n = 0; ; n += 1) {
  const prefix = `bare-${n}-`
  const items = await broker.fetch('bench', BATCH, prefix)
  if (items.length > 0) await settle(prefix, items.length)
  else await waiter.blmove('bench', 'bench', 'RIGHT', 'RIGHT', 1)
}
