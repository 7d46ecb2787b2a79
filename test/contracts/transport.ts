/** What every transport must do: one suite, run over memory, RabbitMQ and Redis. */

import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import type { Message } from '../../protocol/message.ts'
import { LeaseLostError, OperationalError, UnroutableError } from '../../src/errors.ts'
import { directQueue, type Queue } from '../../src/messaging/entity.ts'
import type {
  Channel,
  ConsumeOptions,
  Consumption,
  Delivery,
  Transport,
  TransportConnection,
} from '../../src/messaging/transport.ts'
import { until, within } from '../support/until.ts'

export interface TransportUnderTest {
  readonly transport: Transport
  /** Cuts every connection of the transport, as a dying broker does. */
  readonly breakConnections?: () => Promise<void>
  cleanup(): Promise<void>
}

export interface TransportContractOptions {
  /** Titles of cases that this transport cannot pass, each with the reason. */
  readonly unable?: Readonly<Record<string, string>>
}

/** Deliveries as they come in, for a test to await. */
export class Inbox {
  readonly deliveries: Delivery[] = []
  #taken = 0

  readonly push = (delivery: Delivery): void => void this.deliveries.push(delivery)

  /** The next delivery that was not taken yet. */
  async next(seconds = 10): Promise<Delivery> {
    const delivery = await until(() => this.deliveries[this.#taken], {
      seconds,
      what: `delivery number ${this.#taken + 1}`,
    })
    this.#taken += 1
    return delivery
  }

  async take(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = []
    while (taken.length < count) taken.push(await this.next())
    return taken
  }

  get bodies(): string[] {
    return this.deliveries.map(text)
  }
}

export function message(body: string | Buffer = 'body', more: Partial<Message> = {}): Message {
  return {
    body: Buffer.from(body),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: {},
    properties: { deliveryMode: 2, priority: 0 },
    ...more,
  }
}

export function text(delivery: Delivery): string {
  return delivery.message.body.toString()
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error,
  )
}

class Bench {
  readonly under: TransportUnderTest
  readonly #connections: TransportConnection[] = []

  constructor(under: TransportUnderTest) {
    this.under = under
  }

  get transport(): Transport {
    return this.under.transport
  }

  async connect(): Promise<TransportConnection> {
    const connection = await this.transport.connect()
    this.#connections.push(connection)
    return connection
  }

  async channel(): Promise<Channel> {
    return await (await this.connect()).channel()
  }

  /** A channel that has declared a queue of a name of its own. */
  async withQueue(make: (name: string) => Queue = directQueue): Promise<[Channel, string]> {
    const channel = await this.channel()
    const name = `q-${randomUUID()}`
    await channel.declareQueue(make(name))
    return [channel, name]
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((connection) => connection.close()))
  }
}

async function send(channel: Channel, queue: string, ...bodies: string[]): Promise<void> {
  const options = { exchange: '', routingKey: queue }
  await Promise.all(bodies.map((body) => channel.publish(message(body), options)))
}

async function receive(
  channel: Channel,
  queue: string,
  options?: ConsumeOptions,
): Promise<[Inbox, Consumption]> {
  const inbox = new Inbox()
  return [inbox, await channel.consume(queue, inbox.push, options)]
}

/** What is in the queue, taken away from it. */
async function drain(channel: Channel, queue: string): Promise<string[]> {
  const bodies: string[] = []
  for (;;) {
    const delivery = await channel.get(queue)
    if (delivery === undefined) return bodies
    bodies.push(text(delivery))
    await delivery.ack()
  }
}

/** Nothing more comes, judged by a later message that does come by another way. */
async function settle(bench: Bench): Promise<void> {
  const [channel, queue] = await bench.withQueue()
  const [inbox] = await receive(channel, queue)
  await send(channel, queue, 'marker')
  await (await inbox.next()).ack()
}

type Case = (bench: Bench) => Promise<void>

const CARRIES: Record<string, Case> = {
  'carries body, content type, encoding, headers and properties unchanged': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const sent = message(Buffer.from(Array.from({ length: 256 }, (_, n) => n)), {
      contentType: 'application/x-test',
      contentEncoding: 'binary',
      headers: {
        task: 'tasks.add',
        'naïve ☃': '🎉',
        small: 1,
        minus: -1,
        three: 300,
        big: 1_700_000_000_000,
        ratio: 0.5,
        yes: true,
        nothing: null,
        timelimit: [300, null],
        nested: { list: [1, [2, { deep: 'x' }]], empty: {} },
      },
      properties: {
        correlationId: 'c-1',
        replyTo: 'r-1',
        deliveryMode: 2,
        priority: 3,
        expiration: '60000',
      },
    })
    await channel.publish(sent, { exchange: '', routingKey: queue })
    const [inbox] = await receive(channel, queue)
    const { message: got, ...delivery } = await inbox.next()
    expect(got.body.equals(sent.body)).to.equal(true)
    expect(got.contentType).to.equal('application/x-test')
    expect(got.contentEncoding).to.equal('binary')
    expect(got.headers).to.deep.equal(sent.headers)
    expect(got.properties).to.deep.include(sent.properties)
    expect(delivery.queue).to.equal(queue)
    expect(delivery.redelivered).to.equal(false)
  },

  'carries an empty body and one larger than a frame': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const large = Buffer.alloc(1_000_000, 'celery')
    const options = { exchange: '', routingKey: queue }
    await channel.publish(message(''), options)
    await channel.publish(message(large), options)
    const [inbox] = await receive(channel, queue)
    const [first, second] = await inbox.take(2)
    expect(first?.message.body.length).to.equal(0)
    expect(second?.message.body.equals(large)).to.equal(true)
  },

  'keeps hostile header names as plain own keys': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const headers = JSON.parse('{"__proto__": {"task": "spoofed"}, "constructor": "x"}') as Record<
      string,
      unknown
    >
    await channel.publish(message('x', { headers }), { exchange: '', routingKey: queue })
    const [inbox] = await receive(channel, queue)
    const got = (await inbox.next()).message.headers
    expect(got['task']).to.equal(undefined)
    expect(Object.hasOwn(got, 'constructor')).to.equal(true)
    expect(({} as Record<string, unknown>)['task']).to.equal(undefined)
  },

  'keeps the order of many messages that are sent at once': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const bodies = Array.from({ length: 500 }, (_, n) => String(n))
    await send(channel, queue, ...bodies)
    const [inbox] = await receive(channel, queue)
    const deliveries = await inbox.take(500)
    expect(deliveries.map(text)).to.deep.equal(bodies)
    await Promise.all(deliveries.map((delivery) => delivery.ack()))
    expect(await drain(channel, queue)).to.deep.equal([])
  },
}

const ROUTES: Record<string, Case> = {
  'routes by the key of a direct exchange': async (bench) => {
    const exchange = { name: `x-${randomUUID()}`, type: 'direct' } as const
    const bound = (key: string) => (name: string) => ({
      name,
      bindings: [{ exchange, routingKey: key }],
    })
    const [channel, one] = await bench.withQueue(bound('one'))
    const [, two] = await bench.withQueue(bound('two'))
    await channel.publish(message('1'), { exchange: exchange.name, routingKey: 'one' })
    await channel.publish(message('2'), { exchange: exchange.name, routingKey: 'two' })
    expect(await drain(channel, one)).to.deep.equal(['1'])
    expect(await drain(channel, two)).to.deep.equal(['2'])
  },

  'routes by the pattern of a topic exchange': async (bench) => {
    const exchange = { name: `x-${randomUUID()}`, type: 'topic' } as const
    const [channel, queue] = await bench.withQueue((name) => ({
      name,
      bindings: [{ exchange, routingKey: 'task.#' }],
    }))
    for (const key of ['task.sent', 'worker.online', 'task.failed']) {
      await channel.publish(message(key), { exchange: exchange.name, routingKey: key })
    }
    expect(await drain(channel, queue)).to.deep.equal(['task.sent', 'task.failed'])
  },

  'copies a message of a fanout exchange to every queue that is consumed': async (bench) => {
    const exchange = { name: `x-${randomUUID()}`, type: 'fanout', durable: false } as const
    const listening = (name: string): Queue => ({
      name,
      bindings: [{ exchange, routingKey: '' }],
      durable: false,
      autoDelete: true,
    })
    const [one, first] = await bench.withQueue(listening)
    const [two, second] = await bench.withQueue(listening)
    const [inboxOne] = await receive(one, first, { noAck: true })
    const [inboxTwo] = await receive(two, second, { noAck: true })
    const sender = await bench.channel()
    const options = { exchange: exchange.name, routingKey: '', exchangeType: 'fanout' } as const
    await sender.publish(message('to all'), options)
    expect(text(await inboxOne.next())).to.equal('to all')
    expect(text(await inboxTwo.next())).to.equal('to all')
  },

  'puts a message into a queue once, although two bindings match': async (bench) => {
    const exchange = { name: `x-${randomUUID()}`, type: 'topic' } as const
    const [channel, queue] = await bench.withQueue((name) => ({
      name,
      bindings: [
        { exchange, routingKey: 'a.*' },
        { exchange, routingKey: '*.b' },
      ],
    }))
    await channel.publish(message('one'), { exchange: exchange.name, routingKey: 'a.b' })
    expect(await drain(channel, queue)).to.deep.equal(['one'])
  },

  'serves priorities in the order of its kind': async (bench) => {
    const [channel, queue] = await bench.withQueue((name) =>
      directQueue(name, { 'x-max-priority': 10 }),
    )
    for (const priority of [3, 9, 0, 6]) {
      const properties = { deliveryMode: 2, priority } as const
      const options = { exchange: '', routingKey: queue }
      await channel.publish(message(String(priority), { properties }), options)
    }
    const order = ['0', '3', '6', '9']
    if (!bench.transport.capabilities.lowPriorityFirst) order.reverse()
    expect(await drain(channel, queue)).to.deep.equal(order)
  },

  'tells a mandatory sender that no queue takes the message, where it can': async (bench) => {
    const channel = await bench.channel()
    const options = { exchange: '', routingKey: `absent-${randomUUID()}`, mandatory: true }
    const sent = channel.publish(message(), options)
    if (!bench.transport.capabilities.mandatory) return await sent
    expect(await rejection(sent)).to.be.instanceOf(UnroutableError)
    const [other, queue] = await bench.withQueue()
    await other.publish(message('fine'), { exchange: '', routingKey: queue, mandatory: true })
  },

  'drops what no queue takes when it is not mandatory': async (bench) => {
    const channel = await bench.channel()
    await channel.publish(message(), { exchange: '', routingKey: `absent-${randomUUID()}` })
  },
}

/** Nobody gets a message again that was settled so, not even when its channel closes. */
async function expectGone(bench: Bench, end: (bad: Delivery) => Promise<void>): Promise<void> {
  const [channel, queue] = await bench.withQueue()
  await send(channel, queue, 'bad', 'good')
  const [inbox] = await receive(channel, queue)
  await end(await inbox.next())
  const good = await inbox.next()
  await good.ack()
  await channel.close()
  expect(await drain(await bench.channel(), queue)).to.deep.equal([])
}

const SETTLES: Record<string, Case> = {
  'forgets what was acked': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b')
    const [inbox] = await receive(channel, queue)
    await Promise.all((await inbox.take(2)).map((delivery) => delivery.ack()))
    await channel.close()
    expect(await drain(await bench.channel(), queue)).to.deep.equal([])
  },

  'gives back, in order and marked, what was not settled when its channel closes': async (
    bench,
  ) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b', 'c')
    const [inbox] = await receive(channel, queue)
    const [, second] = await inbox.take(3)
    await second?.ack()
    await channel.close()
    const again = await bench.channel()
    const first = await until(() => again.get(queue))
    expect(first.redelivered).to.equal(true)
    expect(text(first)).to.equal('a')
    await first.ack()
    expect(await drain(again, queue)).to.deep.equal(['c'])
  },

  'gives back what was not settled when its connection closes': async (bench) => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    await send(channel, queue, 'a', 'b')
    const [inbox] = await receive(channel, queue)
    await inbox.take(2)
    await connection.close()
    const again = await bench.channel()
    const seen = [await until(() => again.get(queue)), await until(() => again.get(queue))]
    expect(seen.map(text)).to.deep.equal(['a', 'b'])
  },

  'delivers again, marked, what was requeued': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'again')
    const [inbox] = await receive(channel, queue)
    const first = await inbox.next()
    expect(first.redelivered).to.equal(false)
    await first.requeue()
    const second = await inbox.next()
    expect(second.redelivered).to.equal(true)
    expect(text(second)).to.equal('again')
    await second.ack()
  },

  'counts what comes back counted, and keeps the count when it comes back otherwise': async (
    bench,
  ) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'x')
    const [inbox] = await receive(channel, queue)
    const counts: number[] = []
    for (const counted of [true, true, false]) {
      const delivery = await inbox.next()
      counts.push(delivery.deliveryCount)
      // else it would be counted once more by who cannot tell
      expect(delivery.redelivered).to.equal(false)
      await delivery.requeue({ counted })
    }
    await (await inbox.next()).requeue()
    const last = await inbox.next()
    expect(counts).to.deep.equal([0, 1, 2])
    expect(last.deliveryCount).to.equal(2)
    expect(last.redelivered).to.equal(true)
    expect(last.message.headers['x-celeriac-delivery-count']).to.equal(2)
    expect(text(last)).to.equal('x')
    await last.ack()
    expect(await drain(await bench.channel(), queue)).to.deep.equal([])
  },

  'forgets the count of what comes back anew': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'x')
    const [inbox] = await receive(channel, queue)
    await (await inbox.next()).requeue({ counted: true })
    await (await inbox.next()).requeue({ anew: true })
    const delivery = await inbox.next()
    expect(delivery.deliveryCount).to.equal(0)
    await delivery.ack()
  },

  'keeps the count of a message that is published again': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'x')
    const [inbox] = await receive(channel, queue)
    await (await inbox.next()).requeue({ counted: true })
    const second = await inbox.next()
    await channel.publish(second.message, { exchange: '', routingKey: queue })
    await second.ack()
    const third = await inbox.next()
    expect(third.deliveryCount).to.equal(1)
    await third.requeue({ counted: true })
    expect((await inbox.next()).deliveryCount).to.equal(2)
  },

  'drops what was rejected': (bench) => expectGone(bench, (bad) => bad.reject()),

  'gives nobody what was buried': (bench) => expectGone(bench, (bad) => bad.bury()),

  'gives nothing back of what was consumed with noAck': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b')
    const [inbox] = await receive(channel, queue, { noAck: true })
    await inbox.take(2)
    await channel.close()
    expect(await drain(await bench.channel(), queue)).to.deep.equal([])
  },

  'refuses to settle what came by a connection that is gone': async (bench) => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    await send(channel, queue, 'a')
    const [inbox] = await receive(channel, queue)
    const stale = await inbox.next()
    await connection.close()
    const again = await bench.channel()
    const fresh = await until(() => again.get(queue))
    expect(await rejection(stale.ack())).to.be.instanceOf(LeaseLostError)
    expect(await rejection(stale.requeue())).to.be.instanceOf(LeaseLostError)
    await fresh.ack()
    expect(await drain(again, queue)).to.deep.equal([])
  },
}

/** Sends one message, postpones it, and resolves to when it is due. */
async function postponed(channel: Channel, queue: string, ms: number): Promise<number> {
  await send(channel, queue, 'later')
  const delivery = await until(() => channel.get(queue))
  const due = Date.now() + ms
  await within(10, delivery.postpone(due), 'postpone')
  return due
}

/** Comes to a fresh consumer of that queue, not before its time; what it is then. */
async function returns(bench: Bench, queue: string, due: number): Promise<Delivery> {
  const channel = await bench.channel()
  await channel.declareQueue(directQueue(queue))
  const inbox = new Inbox()
  let at = 0
  await channel.consume(queue, (delivery) => {
    at = Date.now()
    inbox.push(delivery)
  })
  const delivery = await inbox.next(20)
  expect(at).to.be.at.least(due)
  return delivery
}

const POSTPONES: Record<string, Case> = {
  'hands over what was postponed again at its time, and not before': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const due = await postponed(channel, queue, 1500)
    expect(await channel.get(queue)).to.equal(undefined)
    const delivery = await returns(bench, queue, due)
    expect(text(delivery)).to.equal('later')
    expect(delivery.queue).to.equal(queue)
    expect(delivery.deliveryCount).to.equal(0)
    await delivery.ack()
    expect(await drain(await bench.channel(), queue)).to.deep.equal([])
  },

  'hands it to another when the channel and the connection that postponed it are gone': async (
    bench,
  ) => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    const due = await postponed(channel, queue, 700)
    await channel.close()
    await connection.close()
    expect(text(await returns(bench, queue, due))).to.equal('later')
  },

  'postpones one message again and again': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    let due = await postponed(channel, queue, 300)
    const [inbox] = await receive(channel, queue)
    for (let round = 0; round < 2; round += 1) {
      const delivery = await inbox.next(20)
      expect(Date.now()).to.be.at.least(due)
      due = Date.now() + 300
      await delivery.postpone(due)
    }
    await (await inbox.next(20)).ack()
    expect(Date.now()).to.be.at.least(due)
    expect(await drain(await bench.channel(), queue)).to.deep.equal([])
  },

  'hands over at once what was postponed to a time that has passed': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const due = await postponed(channel, queue, -60_000)
    expect(text(await returns(bench, queue, due))).to.equal('later')
  },

  'counts what was postponed no more against the prefetch count': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await channel.qos(1)
    await send(channel, queue, 'a', 'b', 'c')
    const [inbox] = await receive(channel, queue)
    for (const body of ['a', 'b', 'c']) {
      const delivery = await inbox.next()
      expect(text(delivery)).to.equal(body)
      await delivery.postpone(Date.now() + 600_000)
    }
    await settle(bench)
    expect(inbox.bodies).to.deep.equal(['a', 'b', 'c'])
  },

  'keeps message and count when it postpones': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const headers = { task: 'tasks.add', small: 1, nested: { list: [1, 'x'] } }
    const sent = message(Buffer.from([0, 255, 128]), { headers, contentType: 'application/x-test' })
    await channel.publish(sent, { exchange: '', routingKey: queue })
    const [inbox] = await receive(channel, queue)
    await (await inbox.next()).requeue({ counted: true })
    await (await inbox.next()).postpone(Date.now() + 50)
    const delivery = await inbox.next(20)
    expect(delivery.deliveryCount).to.equal(1)
    expect(delivery.message.body.equals(sent.body)).to.equal(true)
    expect(delivery.message.contentType).to.equal('application/x-test')
    expect(delivery.message.headers).to.deep.include(headers)
    await delivery.ack()
  },

  'refuses to postpone what came by a connection that is gone': async (bench) => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    await send(channel, queue, 'a')
    const [inbox] = await receive(channel, queue)
    const stale = await inbox.next()
    await connection.close()
    expect(await rejection(stale.postpone(Date.now()))).to.be.instanceOf(LeaseLostError)
    const again = await bench.channel()
    await (await until(() => again.get(queue))).ack()
    expect(await again.get(queue)).to.equal(undefined)
  },
}

const CONSUMES: Record<string, Case> = {
  'hands over at most the prefetch count, and more as they are settled': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b', 'c', 'd', 'e')
    await channel.qos(2)
    const [inbox] = await receive(channel, queue)
    const [first] = await inbox.take(2)
    await settle(bench)
    expect(inbox.bodies).to.deep.equal(['a', 'b'])
    await first?.ack()
    expect(text(await inbox.next())).to.equal('c')
    await settle(bench)
    expect(inbox.bodies).to.deep.equal(['a', 'b', 'c'])
  },

  'raises the prefetch count while it consumes': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b', 'c')
    await channel.qos(1)
    const [inbox] = await receive(channel, queue)
    await inbox.next()
    await channel.qos(3)
    await inbox.take(2)
    expect(inbox.bodies).to.deep.equal(['a', 'b', 'c'])
  },

  'hands over everything when the prefetch count is 0': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, ...Array.from({ length: 50 }, String))
    await channel.qos(0)
    const [inbox] = await receive(channel, queue)
    await inbox.take(50)
  },

  'shares the messages of a queue among its consumers': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const other = await bench.channel()
    await other.declareQueue(directQueue(queue))
    await Promise.all([channel.qos(1), other.qos(1)])
    const [one] = await receive(channel, queue)
    const [two] = await receive(other, queue)
    await send(channel, queue, 'a', 'b')
    expect([text(await one.next()), text(await two.next())].toSorted()).to.deep.equal(['a', 'b'])
  },

  'serves every queue of a channel': async (bench) => {
    const [channel, one] = await bench.withQueue()
    const two = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(two))
    const inbox = new Inbox()
    await channel.consume(one, inbox.push)
    await channel.consume(two, inbox.push)
    await send(channel, one, '1')
    await send(channel, two, '2')
    const deliveries = await inbox.take(2)
    const seen = deliveries.map((delivery) => [delivery.queue, text(delivery)])
    expect(seen).to.deep.include.members([
      [one, '1'],
      [two, '2'],
    ])
  },

  'hands over nothing after a consumer was cancelled, and keeps what is in hand': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const [inbox, consumption] = await receive(channel, queue)
    await send(channel, queue, 'held')
    const held = await inbox.next()
    await within(10, consumption.cancel(), 'cancel')
    await send(channel, queue, 'later')
    await settle(bench)
    expect(inbox.bodies).to.deep.equal(['held'])
    await held.ack()
    expect(await drain(await bench.channel(), queue)).to.deep.equal(['later'])
  },

  'takes single messages, and undefined from an empty queue': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    expect(await channel.get(queue)).to.equal(undefined)
    await send(channel, queue, 'a', 'b')
    const first = await channel.get(queue)
    expect(first && text(first)).to.equal('a')
    await first?.ack()
    const second = await channel.get(queue, { noAck: true })
    expect(second && text(second)).to.equal('b')
    expect(await channel.get(queue)).to.equal(undefined)
  },
}

const ENTITIES: Record<string, Case> = {
  'declares a queue twice without harm, and counts its messages': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b')
    const declared = await channel.declareQueue(directQueue(queue))
    expect(declared.name).to.equal(queue)
    expect(declared.messageCount).to.equal(2)
  },

  'purges what nobody holds, and says how many that were': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a', 'b', 'c')
    const held = await channel.get(queue)
    expect(await channel.purge(queue)).to.equal(2)
    await held?.ack()
    expect(await channel.get(queue)).to.equal(undefined)
  },

  'deletes a queue with its messages': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a')
    await channel.deleteQueue(queue)
    await channel.declareQueue(directQueue(queue))
    expect(await channel.get(queue)).to.equal(undefined)
  },

  'finds a queue that is declared as passive': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    await send(channel, queue, 'a')
    const other = await bench.channel()
    const declared = await other.declareQueue({ name: queue, bindings: [], passive: true })
    expect(declared.messageCount).to.equal(1)
  },

  'refuses a passive queue that is not there, and goes on': async (bench) => {
    const [channel, queue] = await bench.withQueue()
    const [inbox] = await receive(channel, queue)
    const absent: Queue = { name: `absent-${randomUUID()}`, bindings: [], passive: true }
    const error = await rejection(channel.declareQueue(absent))
    expect(error).to.have.property('code', 'ERR_QUEUE_NOT_FOUND')
    await send(channel, queue, 'still here')
    expect(text(await inbox.next())).to.equal('still here')
  },
}

const LIVES: Record<string, Case> = {
  'resolves closed without a reason when it is closed, and closes twice': async (bench) => {
    const connection = await bench.connect()
    await Promise.all([connection.close(), connection.close()])
    expect(await within(10, connection.closed, 'closed')).to.equal(undefined)
    await connection.close()
  },

  'refuses to publish on a connection that is closed': async (bench) => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    await connection.close()
    const options = { exchange: '', routingKey: 'nowhere' }
    const error = await rejection(channel.publish(message(), options))
    expect(error).to.be.instanceOf(OperationalError)
    await channel.close()
  },

  'says when the connection is lost, and works again on a new one': async (bench) => {
    if (bench.under.breakConnections === undefined) return
    const connection = await bench.connect()
    const channel = await connection.channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    await send(channel, queue, 'a')
    const [inbox] = await receive(channel, queue)
    const stale = await inbox.next()
    await bench.under.breakConnections()
    expect(await within(10, connection.closed, 'closed')).to.be.instanceOf(Error)
    const options = { exchange: '', routingKey: queue }
    expect(await rejection(channel.publish(message(), options))).to.be.instanceOf(OperationalError)
    expect(await rejection(stale.ack())).to.be.instanceOf(LeaseLostError)
    await within(10, connection.close(), 'close')
    const again = await bench.channel()
    const fresh = await until(() => again.get(queue))
    expect(text(fresh)).to.equal('a')
    expect(fresh.redelivered).to.equal(true)
    await fresh.ack()
  },

  'settles what waits when the connection is lost': async (bench) => {
    if (bench.under.breakConnections === undefined) return
    const [channel, queue] = await bench.withQueue()
    const sent = Array.from({ length: 200 }, (_, n) =>
      channel.publish(message(String(n)), { exchange: '', routingKey: queue }),
    )
    const outcomes = Promise.allSettled(sent)
    await bench.under.breakConnections()
    for (const outcome of await within(10, outcomes, 'publishes')) {
      if (outcome.status === 'rejected') expect(outcome.reason).to.be.instanceOf(OperationalError)
    }
  },

  'does not connect when the signal has aborted': async (bench) => {
    const error = await rejection(bench.transport.connect(AbortSignal.abort()))
    expect(error).to.have.property('code', 'ERR_ABORTED')
  },
}

const CHAPTERS: Record<string, Record<string, Case>> = {
  messages: CARRIES,
  routing: ROUTES,
  settling: SETTLES,
  postponing: POSTPONES,
  consuming: CONSUMES,
  entities: ENTITIES,
  connections: LIVES,
}

/** Runs the suite over a transport; `make` is asked once, its server may be shared. */
export function transportContract(
  name: string,
  make: () => Promise<TransportUnderTest>,
  options: TransportContractOptions = {},
): void {
  describe(`the transport contract on ${name}`, function () {
    this.timeout(60_000)
    let bench: Bench
    before(async () => void (bench = new Bench(await make())))
    afterEach(() => bench.closeAll())
    after(() => bench?.under.cleanup())
    for (const [chapter, cases] of Object.entries(CHAPTERS)) {
      describe(chapter, () => {
        for (const [title, run] of Object.entries(cases)) {
          const reason = options.unable?.[title]
          if (reason === undefined) it(title, () => run(bench))
          else it(`cannot, because ${reason}: ${title}`)
        }
      })
    }
  })
}
