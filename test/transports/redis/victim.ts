/** A consumer that says what it has and acks it, to be killed by a test. */

import { directQueue } from '../../../src/messaging/entity.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { text } from '../../contracts/transport.ts'
import { OPTIONS } from './support.ts'

const connection = await new RedisTransport(process.argv[2] ?? '', OPTIONS).connect()
const channel = await connection.channel()
await channel.declareQueue(directQueue('q'))
await channel.qos(20)
await channel.consume('q', (delivery) => {
  // A pipe is written at once: what was acked has been said.
  process.stdout.write(`${text(delivery)}\n`)
  void delivery.ack()
})
