/** A consumer that says what it has and acks it, at once or when it is told to, to be killed by a test. */

import { directQueue } from '../../../src/messaging/entity.ts'
import type { Delivery } from '../../../src/messaging/transport.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { text } from '../../contracts/transport.ts'
import { OPTIONS } from './support.ts'

const [, , url = '', given] = process.argv
const transportOptions = JSON.parse(given ?? '{}') as Record<string, unknown>
const connection = await new RedisTransport(url, { ...OPTIONS, transportOptions }).connect()
const channel = await connection.channel()
await channel.declareQueue(directQueue('q'))
await channel.qos(20)
const held: Delivery[] = []
await channel.consume('q', (delivery) => {
  // A pipe is written at once: what was acked has been said.
  process.stdout.write(`${text(delivery)}\n`)
  if (given === undefined) void delivery.ack()
  else held.push(delivery)
})
process.on('SIGUSR2', () => {
  for (const delivery of held.splice(0)) {
    delivery.ack().catch((error: { code: string }) => process.stdout.write(`${error.code}\n`))
  }
})
