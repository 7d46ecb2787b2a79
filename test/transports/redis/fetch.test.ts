/** Taking messages off lists: large ones, and no more than is wanted. */

import { expect } from 'chai'
import { directQueue } from '../../../src/messaging/entity.ts'
import { message } from '../../contracts/transport.ts'
import { until } from '../../support/until.ts'
import { Bench } from './support.ts'

const TO_Q = { exchange: '', routingKey: 'q' }
const MESSAGES = 10

describe('fetching from Redis', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  it('reads large messages about once each, however many lie there', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    const body = Buffer.alloc(1024 * 1024, 'x')
    for (let n = 0; n < MESSAGES; n += 1) await channel.publish(message(body), TO_Q)
    let read = 0
    const monitor = await bench.redis.monitor()
    monitor.on('monitor', (_time: string, [name, key, from, to]: readonly string[]) => {
      if (name === 'LRANGE' && key === 'q') read += Number(to) - Number(from) + 1
    })
    let seen = 0
    await channel.consume('q', () => (seen += 1))
    await until(() => seen === MESSAGES && read >= MESSAGES)
    monitor.disconnect()
    expect(read).to.be.lessThan(3 * MESSAGES)
  })
})
