/** Publishing to Redis: what is refused, and where messages go when bindings were removed. */

import { expect } from 'chai'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { LimitExceeded } from '../../../src/errors.ts'
import { Connection } from '../../../src/messaging/connection.ts'
import type { Queue } from '../../../src/messaging/entity.ts'
import { Producer } from '../../../src/messaging/producer.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import { message, rejection } from '../../contracts/transport.ts'
import { Bench } from './support.ts'

const BOUND: Queue = {
  name: 'bound',
  bindings: [{ exchange: { name: 'topics', type: 'topic' }, routingKey: 'a.#' }],
}

describe('publishing to Redis', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  it('refuses what no consumer would read, and sends nothing', async () => {
    const limits = { ...DEFAULT_LIMITS, maxBodyBytes: 10 }
    const channel = await bench.channel({}, { limits })
    const to = { exchange: '', routingKey: 'q' }
    const error = await rejection(channel.publish(message('more than ten'), to))
    expect(error).to.be.instanceOf(LimitExceeded)
    await channel.publish(message('just ten..'), to)
    expect(await bench.redis.llen('q')).to.equal(1)
  })

  it('makes the bindings of a queue again when somebody has removed them', async () => {
    const connection = new Connection({
      transports: [bench.transport()],
      retry: { maxRetries: 0, intervalStart: 0, intervalStep: 0, intervalMax: 0 },
      logger: SILENT,
    })
    const producer = new Producer(connection)
    const send = (): Promise<void> =>
      producer.publish(message(), {
        exchange: 'topics',
        exchangeType: 'topic',
        routingKey: 'a.b',
        mandatory: true,
        declare: [BOUND],
        timeout: 5,
      })
    await send()
    await bench.redis.flushdb()
    await send()
    expect(await bench.redis.llen('bound')).to.equal(1)
    await producer.close()
    await connection.close()
  })
})
