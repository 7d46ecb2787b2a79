/** The consumer: consumes for as long as it runs, over losses, cancellations and refusals. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { Connection } from '../../src/messaging/connection.ts'
import { Consumer, type ConsumerOptions } from '../../src/messaging/consumer.ts'
import { directQueue, type Queue } from '../../src/messaging/entity.ts'
import type { Channel } from '../../src/messaging/transport.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { MemoryTransport } from '../../src/transports/memory/transport.ts'
import { Inbox, message, rejection, text } from '../contracts/transport.ts'
import { until, within } from '../support/until.ts'

const RETRY = { maxRetries: null, intervalStart: 0.005, intervalStep: 0, intervalMax: 0.005 }
const CLASH: Queue = {
  name: 'clash',
  bindings: [{ exchange: { name: 'kind', type: 'topic' }, routingKey: '#' }],
}

describe('a consumer', () => {
  let count = 0
  let transport: MemoryTransport
  let connection: Connection
  let consumer: Consumer | undefined
  let sender: Channel
  let inbox: Inbox

  beforeEach(async () => {
    transport = new MemoryTransport(`memory://consumer-${(count += 1)}`)
    connection = new Connection({ transports: [transport], retry: RETRY, logger: SILENT })
    inbox = new Inbox()
    sender = await (await transport.connect()).channel()
  })
  afterEach(async () => {
    await consumer?.stop()
    await connection.close()
  })

  function make(names: readonly string[], options: Partial<ConsumerOptions> = {}): Consumer {
    consumer = new Consumer(connection, {
      queues: names.map((name) => directQueue(name)),
      prefetchCount: 10,
      onDelivery: inbox.push,
      logger: SILENT,
      ...options,
    })
    return consumer
  }

  async function send(queue: string, body: string): Promise<void> {
    await sender.publish(message(body), { exchange: '', routingKey: queue, mandatory: true })
  }

  it('declares its queues and hands over their messages', async () => {
    await make(['a', 'b']).start()
    await send('a', '1')
    await send('b', '2')
    expect((await inbox.take(2)).map(text).toSorted()).to.deep.equal(['1', '2'])
  })

  it('keeps to its prefetch count, which may change', async () => {
    await make(['a'], { prefetchCount: 1 }).start()
    for (const body of ['1', '2', '3']) await send('a', body)
    const first = await inbox.next()
    await first.ack()
    await inbox.next()
    expect(inbox.deliveries).to.have.length(2)
    await consumer?.qos(2)
    expect(text(await inbox.next())).to.equal('3')
  })

  it('goes on by itself after a loss, and gets again what was in hand', async () => {
    const events: string[] = []
    await make(['a'], {
      onConnected: () => events.push('connected'),
      onLost: () => events.push('lost'),
      prefetchCount: 1,
    }).start()
    await send('a', '1')
    const stale = await inbox.next()
    await transport.breakConnections()
    const again = await inbox.next()
    expect(text(again)).to.equal('1')
    expect(again.redelivered).to.equal(true)
    expect(await rejection(stale.ack())).to.have.property('code', 'ERR_LEASE_LOST')
    expect(events).to.deep.equal(['connected', 'lost', 'connected'])
  })

  it('declares and consumes again a queue that was deleted', async () => {
    await make(['a']).start()
    await sender.deleteQueue('a')
    await until(() => consumer?.consuming)
    await send('a', '1')
    expect(text(await inbox.next())).to.equal('1')
  })

  it('does without a queue that is refused, and says so', async () => {
    const errors: string[] = []
    await sender.declareExchange({ name: 'kind', type: 'direct' })
    const logger = { ...SILENT, error: (line: string) => void errors.push(line) }
    await make([], { queues: [CLASH, directQueue('a')], logger }).start()
    await send('a', '1')
    expect(text(await inbox.next())).to.equal('1')
    expect(errors).to.have.length(1)
    expect(errors[0]).to.contain("exchange 'kind'")
  })

  it('does not start when every queue is refused', async () => {
    await sender.declareExchange({ name: 'kind', type: 'direct' })
    const error = await rejection(make([], { queues: [CLASH] }).start())
    expect(error).to.be.instanceOf(ImproperlyConfigured)
    await consumer?.stop()
  })

  it('does not start when there is no broker', async () => {
    const none = new Connection({
      transports: [
        {
          capabilities: transport.capabilities,
          address: 'none',
          connect: () => Promise.reject(new Error('down')),
        },
      ],
      retry: { ...RETRY, maxRetries: 1 },
      logger: SILENT,
    })
    const queues = [directQueue('a')]
    const options = { queues, prefetchCount: 1, onDelivery: inbox.push, logger: SILENT }
    const error = await within(2, rejection(new Consumer(none, options).start()))
    expect(error).to.have.property('code', 'ERR_OPERATIONAL')
  })

  it('takes on another queue, and leaves one, while it runs', async () => {
    await make(['a']).start()
    await consumer?.addQueue(directQueue('b'))
    await send('b', '1')
    expect(text(await inbox.next())).to.equal('1')
    await consumer?.cancelQueue('b')
    await send('b', '2')
    await send('a', '3')
    expect(text(await inbox.next())).to.equal('3')
    await transport.breakConnections()
    await until(() => consumer?.consuming)
    expect(consumer?.queues.map(({ name }) => name)).to.deep.equal(['a'])
  })

  it('consumes a queue once, however many ask for it at a time', async () => {
    const running = make(['a', 'b'])
    const starting = running.start()
    await until(() => connection.connected)
    const c = directQueue('c')
    await Promise.all([starting, running.addQueue(c), running.addQueue(c), running.resume()])
    await Promise.all([running.pause(), running.resume(), running.resume()])
    for (const name of ['a', 'b', 'c']) {
      const { consumerCount } = await sender.declareQueue({ ...directQueue(name), passive: true })
      expect(consumerCount, name).to.equal(1)
    }
  })

  it('refuses to take on a queue that the broker refuses', async () => {
    await sender.declareExchange({ name: 'kind', type: 'direct' })
    await make(['a']).start()
    const adding = consumer?.addQueue(CLASH) ?? Promise.resolve()
    expect(await rejection(adding)).to.be.instanceOf(ImproperlyConfigured)
    expect(consumer?.queues).to.have.length(1)
  })

  it('takes nothing while it is paused, but settles what is in hand', async () => {
    await make(['a']).start()
    await send('a', '1')
    const held = await inbox.next()
    await consumer?.pause()
    await send('a', '2')
    await held.ack()
    expect((await sender.declareQueue(directQueue('a'))).messageCount).to.equal(1)
    await consumer?.resume()
    expect(text(await inbox.next())).to.equal('2')
  })

  it('gives back what is in hand when it stops, and may stop twice', async () => {
    await make(['a']).start()
    await send('a', '1')
    await inbox.next()
    await consumer?.stop()
    await consumer?.stop()
    const delivery = await sender.get('a')
    expect(delivery && text(delivery)).to.equal('1')
    expect(delivery?.redelivered).to.equal(true)
  })

  it('says so when the connection gives up', async () => {
    let up = true
    const fragile = new Connection({
      transports: [
        {
          capabilities: transport.capabilities,
          address: transport.address,
          connect: (signal) => (up ? transport.connect(signal) : Promise.reject(new Error('down'))),
        },
      ],
      retry: { ...RETRY, maxRetries: 1 },
      logger: SILENT,
    })
    const failed = new Promise<Error>((onFailed) => {
      consumer = new Consumer(fragile, {
        queues: [directQueue('a')],
        prefetchCount: 1,
        onDelivery: inbox.push,
        onFailed,
        logger: SILENT,
      })
    })
    await consumer?.start()
    up = false
    await transport.breakConnections()
    expect((await within(2, failed)).message).to.contain('down')
  })
})
