/** Messages that wait on Redis for their time: in kombu's layout, in nobody's hand, however many. */

import { expect } from 'chai'
import { directQueue } from '../../../src/messaging/entity.ts'
import type { Channel, Delivery } from '../../../src/messaging/transport.ts'
import { LeaseLostError } from '../../../src/errors.ts'
import { message, rejection, text } from '../../contracts/transport.ts'
import { until } from '../../support/until.ts'
import { Bench } from './support.ts'

const TO_Q = { exchange: '', routingKey: 'q' }
const HOUR_MS = 3_600_000

describe('postponing on Redis', function () {
  this.timeout(60_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  async function open(options: Record<string, unknown> = {}): Promise<Channel> {
    const channel = await bench.channel(options)
    await channel.declareQueue(directQueue('q'))
    return channel
  }

  async function send(channel: Channel, ...bodies: string[]): Promise<void> {
    await Promise.all(bodies.map((body) => channel.publish(message(body), TO_Q)))
  }

  async function held(channel: Channel): Promise<Delivery> {
    await send(channel, 'x')
    return await until(() => channel.get('q'))
  }

  async function consume(channel: Channel, queue = 'q'): Promise<Delivery[]> {
    const got: Delivery[] = []
    await channel.consume(queue, (delivery) => {
      got.push(delivery)
      void delivery.ack()
    })
    return got
  }

  /** As if the waiting had lasted so much longer. */
  async function age(seconds: number): Promise<void> {
    for (const tag of await bench.redis.hkeys('unacked')) {
      await bench.redis.zincrby('unacked_index', -seconds, tag)
    }
  }

  it("leaves an entry of kombu's, with the time from which every sweep gives it back", async () => {
    const delivery = await held(await open({ visibilityTimeout: 600 }))
    const due = Date.now() + HOUR_MS
    await delivery.postpone(due)
    const tag = String(delivery.deliveryTag)
    const score = Number(await bench.redis.zscore('unacked_index', tag))
    expect(score + 600).to.be.within(due / 1000, due / 1000 + 5)
    const entry: unknown = JSON.parse((await bench.redis.hget('unacked', tag)) ?? '')
    expect(entry).to.have.length(3)
    expect((entry as unknown[]).slice(1)).to.deep.equal(['', 'q'])
    expect(await bench.redis.exists('unacked.owners')).to.equal(0)
  })

  it('is neither a delivery more nor a delivery again, and the text stays the same', async () => {
    const raw =
      '{"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", ' +
      '"headers": {"n": 12345678901234567890, "f": 1.0, "s": "\\ud800"}, "properties": {"delivery_mode": 2, ' +
      '"delivery_info": {"exchange": "", "routing_key": "q"}, "priority": 6, "delivery_tag": 7}}'
    const channel = await open()
    await bench.redis.lpush('q\x06\x166', raw)
    await (await until(() => channel.get('q'))).postpone(Date.now())
    await channel.consume('other', () => {})
    await until(async () => (await bench.redis.llen('q\x06\x166')) === 1)
    expect(await bench.redis.lrange('q\x06\x166', 0, -1)).to.deep.equal([raw])
    const again = await until(() => channel.get('q'))
    expect(again.redelivered).to.equal(false)
    expect(again.deliveryCount).to.equal(0)
  })

  it('gives ten thousand back that are due in the same second', async () => {
    const channel = await open()
    const bodies = Array.from({ length: 10_000 }, (_, n) => `${n}`)
    await send(channel, ...bodies)
    const first: Delivery[] = []
    const consumption = await channel.consume('q', (delivery) => first.push(delivery))
    await until(() => first.length === bodies.length, { seconds: 30 })
    await consumption.cancel()
    const due = Date.now() + 1000
    await Promise.all(first.map((delivery) => delivery.postpone(due)))
    const consumers = await Promise.all([open(), open()])
    const got = await Promise.all(consumers.map((consumer) => consume(consumer)))
    await until(() => got.flat().length > 0)
    expect(Date.now()).to.be.at.least(due)
    await until(() => got.flat().length >= bodies.length, { seconds: 30 })
    expect(new Set(got.flat().map(text)).size).to.equal(bodies.length)
    expect(got.flat()).to.have.length(bodies.length)
    await until(async () => (await bench.redis.exists('unacked', 'unacked_index')) === 0)
  })

  it('takes a handful of scripts for a thousand, and none while nothing is due but one a second', async () => {
    const channel = await open()
    await send(channel, ...Array.from({ length: 1000 }, (_, n) => `${n}`))
    const all: Delivery[] = []
    await channel.consume('q', (delivery) => all.push(delivery))
    await until(() => all.length === 1000)
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await bench.redis.info('commandstats'))?.[1])
    const before = await calls()
    await Promise.all(all.map((delivery) => delivery.postpone(Date.now() + HOUR_MS)))
    expect((await calls()) - before).to.be.lessThan(15)
    expect(await bench.redis.zcard('unacked_index')).to.equal(1000)
  })

  it('is refused for what was given to another meanwhile', async () => {
    const delivery = await held(await open())
    const tag = String(delivery.deliveryTag)
    await bench.redis.zadd('unacked_index', Date.now() / 1000 + 1, tag)
    const entry = await bench.redis.hget('unacked', tag)
    expect(await rejection(delivery.postpone(Date.now()))).to.be.instanceOf(LeaseLostError)
    expect(await bench.redis.hget('unacked', tag)).to.equal(entry)
  })

  it('brings a message to the queue that it came from alone, whatever else its exchange feeds', async () => {
    const channel = await bench.channel()
    const exchange = { name: 'x', type: 'direct' } as const
    for (const name of ['one', 'two']) {
      await channel.declareQueue({ name, bindings: [{ exchange, routingKey: 'k' }] })
    }
    await channel.publish(message('copied'), { exchange: 'x', routingKey: 'k' })
    const one = await until(() => channel.get('one'))
    await one.postpone(Date.now())
    await channel.consume('other', () => {})
    const again = await until(() => channel.get('one'))
    expect([again.exchange, again.routingKey]).to.deep.equal(['x', 'k'])
    expect(await bench.redis.llen('two')).to.equal(1)
  })

  it('does not wait for a lock whose holder has died', async () => {
    const channel = await open()
    await (await held(channel)).postpone(Date.now() + HOUR_MS)
    await age(HOUR_MS / 1000)
    // taken ten seconds ago: kombu's locks last five minutes
    await bench.redis.set('unacked_mutex', 'of one that died', 'PX', 290_000)
    const got = await consume(channel)
    await until(() => got.length === 1)
    await until(async () => (await bench.redis.exists('unacked_mutex')) === 0)
  })

  it('leaves to another worker what that one gives back just now', async () => {
    const channel = await open()
    await (await held(channel)).postpone(Date.now() + HOUR_MS)
    await age(HOUR_MS / 1000)
    const since = performance.now()
    await bench.redis.set('unacked_mutex', 'of another worker', 'PX', 900)
    const got = await consume(channel)
    await until(() => got.length === 1)
    expect(performance.now() - since).to.be.at.least(800)
  })

  it('keeps what is not leased, too: nothing else would', async () => {
    const channel = await open({ ackEmulation: false })
    await (await held(channel)).postpone(Date.now() + 300)
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    const got = await consume(channel)
    await until(() => got.length === 1)
    expect(got.map(text)).to.deep.equal(['x'])
  })

  it('holds a broadcast in memory: it is in no queue', async () => {
    const channel = await bench.channel()
    const exchange = { name: 'fan', type: 'fanout' } as const
    await channel.declareQueue({ name: 'mine', bindings: [{ exchange, routingKey: '' }] })
    const got: Delivery[] = []
    await channel.consume('mine', (delivery) => got.push(delivery))
    await channel.publish(message('to all'), { exchange: 'fan', routingKey: '' })
    const due = Date.now() + 200
    await (await until(() => got[0])).postpone(due)
    const again = await until(() => got[1])
    expect(Date.now()).to.be.at.least(due)
    await again.requeue({ counted: true })
    const third = await until(() => got[2])
    expect(third.deliveryCount).to.equal(1)
    expect(text(third)).to.equal('to all')
    await third.ack()
  })
})
