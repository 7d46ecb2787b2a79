/** Client and consumer on a RabbitMQ that dies and comes back: they go on by themselves. */

import { expect } from 'chai'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { TimeoutError } from '../../src/errors.ts'
import { Connection } from '../../src/messaging/connection.ts'
import { Consumer } from '../../src/messaging/consumer.ts'
import { directQueue } from '../../src/messaging/entity.ts'
import { Producer } from '../../src/messaging/producer.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { AmqpTransport } from '../../src/transports/amqp/transport.ts'
import { Inbox, message, rejection, text } from '../contracts/transport.ts'
import { type RabbitmqServer, startRabbitmq } from '../support/services.ts'
import { until, within } from '../support/until.ts'

const RETRY = { maxRetries: null, intervalStart: 0.1, intervalStep: 0.2, intervalMax: 1 }
const QUEUE = directQueue('recovery')
const REQUEST = {
  exchange: '',
  routingKey: QUEUE.name,
  declare: [QUEUE],
  mandatory: true,
  retry: RETRY,
  timeout: 60,
} as const

describe('producer and consumer on a RabbitMQ that restarts', function () {
  this.timeout(120_000)
  let server: RabbitmqServer
  const open: Connection[] = []

  before(async () => void (server = await startRabbitmq()))
  afterEach(() => Promise.all(open.splice(0).map((each) => each.close())))
  after(() => server.stop())

  function connection(): Connection {
    const transport = new AmqpTransport(server.url, {
      connectTimeout: 4,
      heartbeat: 10,
      transportOptions: {},
      limits: DEFAULT_LIMITS,
      logger: SILENT,
    })
    const made = new Connection({ transports: [transport], retry: RETRY, logger: SILENT })
    open.push(made)
    return made
  }

  it('lose nothing that was confirmed, and consume again within seconds', async () => {
    const producer = new Producer(connection(), { retry: RETRY })
    const done = new Set<string>()
    const consumer = new Consumer(connection(), {
      queues: [QUEUE],
      prefetchCount: 20,
      logger: SILENT,
      onDelivery: (delivery) => {
        delivery.ack().then(
          () => done.add(text(delivery)),
          () => {}, // it came by the lost connection, and comes again
        )
      },
    })
    await consumer.start()
    const confirmed: string[] = []
    const stopping = new AbortController()
    const stop = stopping.signal
    const load = (async () => {
      for (let n = 0; !stop.aborted; n += 10) {
        const bodies = Array.from({ length: 10 }, (_, k) => String(n + k))
        await Promise.all(bodies.map((body) => producer.publish(message(body), REQUEST)))
        confirmed.push(...bodies)
      }
    })()
    await until(() => done.size > 100)
    await server.restart()
    const back = Date.now()
    const before = confirmed.length
    await until(() => confirmed.length > before + 100, { seconds: 20 })
    stopping.abort()
    await within(30, load)
    await until(() => confirmed.every((body) => done.has(body)), { seconds: 20 })
    expect(Date.now() - back).to.be.lessThan(10_000)
    await Promise.all([consumer.stop(), producer.close()])
  })

  it('fail at the deadline while it is down, and work when it is back', async () => {
    const producer = new Producer(connection(), { retry: RETRY })
    await producer.publish(message('before'), REQUEST)
    await server.kill()
    const error = await within(
      3,
      rejection(producer.publish(message('lost'), { ...REQUEST, timeout: 0.5 })),
    )
    expect(error).to.be.instanceOf(TimeoutError)
    const waiting = producer.publish(message('after'), REQUEST)
    await server.restart()
    await within(30, waiting)
    const inbox = new Inbox()
    const consumer = new Consumer(connection(), {
      queues: [QUEUE],
      prefetchCount: 0,
      noAck: true,
      onDelivery: inbox.push,
      logger: SILENT,
    })
    await consumer.start()
    await until(() => inbox.bodies.includes('after'))
    await consumer.stop()
  })
})
