/** A bare loop on amqplib: the I/O of a worker on RabbitMQ (consume, store and publish, ack) and nothing else. */

import { connect } from 'amqplib'
import { Redis } from 'ioredis'
import { EXPIRES, keyOf, valueOf } from './bare-result.mjs'

/** As celeriac's for 100 tasks at a time. */
const PREFETCH = 400

const results = new Redis(process.env['CELERY_RESULT_BACKEND'], { enableAutoPipelining: true })
const connection = await connect(process.env['CELERY_BROKER_URL'])
const channel = await connection.createChannel()
await channel.assertQueue('bench', { durable: true })
await channel.prefetch(PREFETCH)

let count = 0
await channel.consume('bench', (message) => {
  const id = `bare-${(count += 1)}`
  const [key, value] = [keyOf(id), valueOf(id)]
  const stored = Promise.all([results.setex(key, EXPIRES, value), results.publish(key, value)])
  void stored.then(() => channel.ack(message))
})
