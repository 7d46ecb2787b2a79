/** Deliveries that are postponed or counted on RabbitMQ, as its queues and other clients see them. */

import { connect as amqplib, type ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { directQueue, type Queue } from '../../../src/messaging/entity.ts'
import type { Channel, TransportConnection } from '../../../src/messaging/transport.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import { AmqpTransport } from '../../../src/transports/amqp/transport.ts'
import { waitQueue } from '../../../src/transports/amqp/wait-queue.ts'
import { Inbox, message, text } from '../../contracts/transport.ts'
import { amqpUrl } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const OPTIONS = {
  connectTimeout: 4,
  heartbeat: 120,
  transportOptions: {},
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}
const QUORUM = { 'x-queue-type': 'quorum' }

describe('a delivery that is postponed on RabbitMQ', function () {
  this.timeout(120_000)
  let connection: TransportConnection
  let channel: Channel
  let other: ChannelModel
  let queue: string
  let inbox: Inbox

  before(async () => {
    const url = await amqpUrl()
    connection = await new AmqpTransport(url, OPTIONS).connect()
    other = await amqplib(url)
  })
  beforeEach(async () => {
    channel = await connection.channel()
    queue = `q-${randomUUID()}`
    inbox = new Inbox()
  })
  afterEach(async () => {
    await channel.deleteQueue(queue)
    await channel.close()
  })
  after(async () => {
    await connection.close()
    await other.close()
  })

  async function consume(entity: Queue = directQueue(queue)): Promise<void> {
    await channel.declareQueue(entity)
    await channel.consume(queue, inbox.push)
  }

  async function send(...messages: readonly ReturnType<typeof message>[]): Promise<void> {
    const to = { exchange: '', routingKey: queue, mandatory: true }
    await Promise.all(messages.map((each) => channel.publish(each, to)))
  }

  /** How many messages wait for `seconds`. */
  async function waiting(seconds: number, quorum = false): Promise<number> {
    const { name } = waitQueue(queue, seconds * 1000, quorum)
    return (await channel.declareQueue({ name, bindings: [], passive: true })).messageCount
  }

  it('goes by ten thousands at a time', async () => {
    await consume()
    const all = Array.from({ length: 10_000 }, (_, n) => message(String(n)))
    await send(...all)
    await until(() => inbox.deliveries.length === all.length, { seconds: 30 })
    const due = Date.now() + 3_800_000
    await Promise.all(inbox.deliveries.map((delivery) => delivery.postpone(due)))
    expect(await waiting(3584)).to.equal(10_000)
    await channel.deleteQueue(waitQueue(queue, 3_584_000, false).name)
  })

  it('comes as if for the first time, however many steps its way has', async () => {
    await consume()
    const sent = message('x', { headers: { task: 'a' } })
    await send(sent)
    const due = Date.now() + 1900
    await (await inbox.next()).postpone(due)
    await waiting(1)
    const back = await inbox.next()
    expect(Date.now()).to.be.at.least(due)
    expect(back).to.include({ redelivered: false, exchange: '', routingKey: queue, queue })
    expect(back.message.headers).to.deep.equal(sent.headers)
    expect(back.message.properties).to.deep.equal(sent.properties)
    await back.ack()
  })

  it('survives deaths in other queues, which RabbitMQ would take for a cycle', async () => {
    await consume()
    const death = { queue, reason: 'expired', exchange: '', count: 1, 'routing-keys': [queue] }
    await send(message('x', { headers: { 'x-death': [death] } }))
    await (await inbox.next()).postpone(Date.now() + 100)
    const back = await inbox.next()
    expect(back.message.headers['x-death']).to.deep.equal([death])
    await back.ack()
  })

  it('goes to its own queue alone, whoever else had a copy', async () => {
    await consume()
    const second = `${queue}.copy`
    await channel.declareQueue(directQueue(second))
    await send(message('x', { headers: { CC: [second] } }))
    await (await inbox.next()).postpone(Date.now() + 50)
    const back = await inbox.next()
    expect(back.message.headers).to.deep.equal({ CC: [second] })
    await back.requeue({ counted: true })
    await (await inbox.next()).ack()
    const { messageCount } = await channel.declareQueue(directQueue(second))
    expect(messageCount).to.equal(1)
    await channel.deleteQueue(second)
  })

  it('waits, whenever it would have expired', async () => {
    await consume()
    const properties = { deliveryMode: 2, expiration: '1' } as const
    let sent = 0
    await until(async () => {
      await send(message(String((sent += 1)), { properties }))
      return inbox.deliveries.length > 0
    })
    const first = await inbox.next()
    const due = Date.now() + 1200
    await first.postpone(due)
    const back = await until(() =>
      inbox.deliveries.find((each) => each !== first && text(each) === text(first)),
    )
    expect(Date.now()).to.be.at.least(due)
    expect(back.message.properties).to.deep.equal(properties)
  })

  it('waits in a queue that is made again when somebody deletes it', async () => {
    await consume()
    await send(message('a'), message('b'))
    const [first, second] = await inbox.take(2)
    const due = Date.now() + 90_000
    await first?.postpone(due)
    await channel.deleteQueue(waitQueue(queue, 90_000, false).name)
    await second?.postpone(due)
    expect(await waiting(80)).to.equal(1)
  })

  it('of a quorum queue waits in one, and is counted like others', async () => {
    await consume(directQueue(queue, QUORUM))
    await send(message('x'))
    await (await inbox.next()).postpone(Date.now() + 20)
    expect(await waiting(1, true)).to.be.at.most(1)
    for (const count of [0, 1, 2]) {
      const delivery = await inbox.next()
      expect(delivery.deliveryCount).to.equal(count)
      expect(text(delivery)).to.equal('x')
      await delivery.requeue({ counted: true })
    }
    await (await inbox.next()).requeue({ anew: true })
    const last = await inbox.next()
    expect(last.deliveryCount).to.equal(0)
    await last.ack()
    await channel.deleteQueue(waitQueue(queue, 1000, true).name)
  })
})
