/** Leases: renewed while held, fenced when lost, given back when nobody holds them. */

import { expect } from 'chai'
import { directQueue } from '../../../src/messaging/entity.ts'
import { LeaseLostError } from '../../../src/errors.ts'
import type { Channel, Delivery } from '../../../src/messaging/transport.ts'
import { message, rejection, text } from '../../contracts/transport.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { Proxy } from '../../support/proxy.ts'
import { until } from '../../support/until.ts'
import { Bench, OPTIONS, recorder } from './support.ts'

const TO_Q = { exchange: '', routingKey: 'q' }

describe('the leases of the Redis transport', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  async function holding(options: Record<string, unknown> = {}): Promise<[Channel, Delivery]> {
    const channel = await bench.channel(options)
    await channel.declareQueue(directQueue('q'))
    await channel.publish(message('x'), TO_Q)
    const held: Delivery[] = []
    await channel.consume('q', (delivery) => held.push(delivery))
    return [channel, await until(() => held[0])]
  }

  /** As if the lease had been set so many seconds ago. */
  async function age(seconds: number): Promise<void> {
    for (const tag of await bench.redis.hkeys('unacked')) {
      await bench.redis.zincrby('unacked_index', -seconds, tag)
    }
  }

  it('is never nowhere: while it is in hand its entry is there', async () => {
    const [, delivery] = await holding()
    expect(await bench.redis.llen('q')).to.equal(0)
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    expect(await bench.redis.zcard('unacked_index')).to.equal(1)
    await delivery.ack()
    expect(await bench.redis.keys('unacked*')).to.deep.equal([])
  })

  it('renews what is held, so that nobody takes it although it takes longer', async () => {
    const [, delivery] = await holding({ visibilityTimeout: 0.6 })
    const tag = String(delivery.deliveryTag)
    const first = Number(await bench.redis.zscore('unacked_index', tag))
    const renewed = async (): Promise<boolean> =>
      Number(await bench.redis.zscore('unacked_index', tag)) > first + 1
    await until(renewed)
    await delivery.ack()
    expect(await bench.redis.exists('unacked', 'unacked_index')).to.equal(0)
  })

  it('takes up what another left longer than the visibility timeout, marked, to the front', async () => {
    const dead = await bench.channel()
    await dead.declareQueue(directQueue('q'))
    await dead.publish(message('left'), TO_Q)
    await until(() => dead.get('q'))
    await dead.publish(message('next'), TO_Q)
    await age(7200)
    const { logger, lines } = recorder()
    const channel = await bench.channel({ visibility_timeout: 3600 }, { logger })
    await channel.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await channel.qos(1)
    await channel.consume('q', (delivery) => {
      got.push(delivery)
      void delivery.ack()
    })
    await until(() => got.length === 2, { what: 'both messages' })
    expect(got.map(text).toSorted()).to.deep.equal(['left', 'next'])
    expect(got.find((delivery) => text(delivery) === 'left')?.redelivered).to.equal(true)
    expect(lines.join()).to.include('Restoring 1 message(s)')
    expect(await bench.redis.exists('unacked', 'unacked_index', 'unacked_mutex')).to.equal(0)
  })

  it('gives back to the queue of a topic what another left that alone knows the type', async () => {
    const dead = await bench.channel()
    const exchange = { name: 'topics', type: 'topic' } as const
    await dead.declareQueue({ name: 'q', bindings: [{ exchange, routingKey: 'orders.#' }] })
    await dead.publish(message('left'), { exchange: 'topics', routingKey: 'orders.new' })
    await until(() => dead.get('q'))
    await age(7200)
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('other'))
    await channel.consume('other', () => {})
    await until(async () => (await bench.redis.exists('unacked')) === 0)
    expect(await bench.redis.llen('q')).to.equal(1)
    expect(await bench.redis.exists('orders.new')).to.equal(0)
  })

  it('leaves the sweep to the one who has the lock', async () => {
    const dead = await bench.channel()
    await dead.publish(message('left'), TO_Q)
    await until(() => dead.get('q'))
    await age(7200)
    await bench.redis.set('unacked_mutex', 'of a Python worker', 'PX', 300_000)
    const channel = await bench.channel({ visibilityTimeout: 0.4 })
    await channel.declareQueue(directQueue('other'))
    const seen: Delivery[] = []
    await channel.consume('other', (delivery) => seen.push(delivery))
    await channel.publish(message(), { exchange: '', routingKey: 'other' })
    const delivery = await until(() => seen[0])
    const first = Number(await bench.redis.zscore('unacked_index', String(delivery.deliveryTag)))
    const later = async (): Promise<boolean> =>
      Number(await bench.redis.zscore('unacked_index', String(delivery.deliveryTag))) > first + 0.5
    await until(later, { what: 'a few sweeps' })
    expect(await bench.redis.llen('q')).to.equal(0)
    expect(await bench.redis.get('unacked_mutex')).to.equal('of a Python worker')
    await bench.redis.del('unacked_mutex')
    await until(async () => (await bench.redis.llen('q')) === 1)
    await until(async () => (await bench.redis.exists('unacked_mutex')) === 0)
  })

  it('does not settle what was given to another meanwhile, although the tag is the same', async () => {
    const [, late] = await holding()
    const tag = String(late.deliveryTag)
    const entry = (await bench.redis.hget('unacked', tag)) ?? ''
    // restored by a Python worker's sweep, and taken by another: the same tag, another time
    await bench.redis.zadd('unacked_index', Date.now() / 1000 + 1, tag)
    expect(await rejection(late.ack())).to.be.instanceOf(LeaseLostError)
    expect(await bench.redis.hget('unacked', tag)).to.equal(entry)
    expect(await bench.redis.zcard('unacked_index')).to.equal(1)
  })

  it('says so when the entry is gone', async () => {
    const [, delivery] = await holding()
    await bench.redis.flushdb()
    expect(await rejection(delivery.ack())).to.be.instanceOf(LeaseLostError)
  })

  it('keeps two messages of one tag apart', async () => {
    const channel = await bench.channel()
    const exchange = { name: 'x', type: 'direct' } as const
    for (const name of ['one', 'two']) {
      await channel.declareQueue({ name, bindings: [{ exchange, routingKey: 'k' }] })
    }
    await channel.publish(message('copied'), { exchange: 'x', routingKey: 'k' })
    const held: Delivery[] = []
    for (const name of ['one', 'two'])
      await channel.consume(name, (delivery) => held.push(delivery))
    await until(() => held.length === 2)
    expect(held[0]?.deliveryTag).to.equal(held[1]?.deliveryTag)
    expect(await bench.redis.hlen('unacked')).to.equal(2)
    await held[0]?.ack()
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    await channel.close()
    const [left = ''] = await bench.redis.keys('[ot][nw][eo]')
    expect(left).to.equal(held[1]?.queue)
    expect(await bench.redis.llen(left)).to.equal(1)
  })

  it('gives a message back by its routing key when its exchange has no bindings left', async () => {
    const dead = await bench.channel()
    const queue = {
      name: 'k',
      bindings: [{ exchange: { name: 'x', type: 'direct' }, routingKey: 'k' }],
    } as const
    await dead.declareQueue(queue)
    await dead.publish(message('kept'), { exchange: 'x', routingKey: 'k' })
    await until(() => dead.get('k'))
    await bench.redis.del('_kombu.binding.x')
    await age(7200)
    const channel = await bench.channel({ visibilityTimeout: 100 })
    await channel.declareQueue(directQueue('other'))
    await channel.consume('other', () => {})
    await until(async () => (await bench.redis.llen('k')) === 1)
    expect(await bench.redis.hlen('unacked')).to.equal(0)
  })

  it('puts a record that is no message aside instead of trying it for ever', async () => {
    const { logger, lines } = recorder()
    await bench.redis.hset('unacked', 'bad', 'secret garbage')
    await bench.redis.zadd('unacked_index', 1, 'bad', 2, 'without entry')
    const channel = await bench.channel({ visibilityTimeout: 1 }, { logger })
    await channel.declareQueue(directQueue('q'))
    await channel.consume('q', () => {})
    await until(async () => (await bench.redis.zcard('unacked_index')) === 0)
    expect(await bench.redis.lrange('unacked.dead', 0, -1)).to.deep.equal(['secret garbage'])
    await until(async () => (await bench.redis.exists('unacked', 'unacked_mutex')) === 0)
    expect(lines.join()).to.not.include('secret')
  })

  it('keeps what JavaScript cannot: a giant integer in a header survives being given back', async () => {
    const raw =
      '{"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", ' +
      '"headers": {"n": 12345678901234567890, "f": 1.0, "s": "\\ud800"}, "properties": {"delivery_mode": 2, ' +
      '"delivery_info": {"exchange": "", "routing_key": "q"}, "priority": 6, "delivery_tag": 7}}'
    await bench.redis.lpush('q\x06\x166', raw)
    const channel = await bench.channel()
    const delivery = await until(() => channel.get('q'))
    expect(delivery.deliveryTag).to.equal(7)
    await channel.close()
    const [back] = await bench.redis.lrange('q\x06\x166', 0, -1)
    expect(back).to.equal(
      raw
        .replace('"\\ud800"}', '"\\ud800", "redelivered": true}')
        .replace('"routing_key": "q"}', '"routing_key": "q", "redelivered": true}'),
    )
  })

  it('gives back at once what a lost connection held, and does not count on its acks', async () => {
    const transport = bench.transport()
    const connection = await transport.connect()
    const channel = await connection.channel()
    await channel.declareQueue(directQueue('q'))
    for (const body of ['a', 'b', 'c']) await channel.publish(message(body), TO_Q)
    const held: Delivery[] = []
    await channel.consume('q', (delivery) => held.push(delivery))
    await until(() => held.length === 3)
    await held[0]?.ack()
    await bench.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    expect(await connection.closed).to.be.instanceOf(Error)
    expect(await rejection(held[1]?.ack() ?? Promise.resolve())).to.be.instanceOf(LeaseLostError)
    expect(await bench.redis.llen('q')).to.equal(0)
    const next = await transport.connect()
    const again = await next.channel()
    const [first, second] = [await again.get('q'), await again.get('q')]
    expect([first, second].map((delivery) => delivery && text(delivery))).to.deep.equal(['b', 'c'])
    expect(first?.redelivered).to.equal(true)
    await next.close()
  })

  it('gives back what was on its way when it is closed, in its order', async () => {
    const connection = await bench.connect()
    const channel = await connection.channel()
    await channel.declareQueue(directQueue('q'))
    await channel.consume('idle', () => {})
    const bodies = Array.from({ length: 20 }, (_, n) => `${n}`)
    for (const body of bodies) await channel.publish(message(body), TO_Q)
    await bench.redis.client('PAUSE', 100)
    const seen: Delivery[] = []
    await channel.consume('q', (delivery) => seen.push(delivery))
    await new Promise((resolve) => setImmediate(resolve))
    await connection.close()
    expect(seen).to.deep.equal([])
    expect(await bench.redis.keys('unacked*')).to.deep.equal([])
    const next = await bench.channel()
    for (const body of bodies) expect(text((await next.get('q')) as Delivery)).to.equal(body)
  })

  it('settles what a lost connection has settled, however much it is', async () => {
    const proxy = await new Proxy({
      host: '127.0.0.1',
      port: Number(new URL(bench.url).port),
    }).start()
    const transport = new RedisTransport(proxy.url(bench.url), OPTIONS)
    const connection = await transport.connect()
    const channel = await connection.channel()
    await channel.declareQueue(directQueue('q'))
    const bodies = Array.from({ length: 9000 }, (_, n) => message(`${n}`))
    await Promise.all(bodies.map((body) => channel.publish(body, TO_Q)))
    const held: Delivery[] = []
    await channel.consume('q', (delivery) => held.push(delivery))
    await until(() => held.length === bodies.length)
    proxy.stall()
    const acks = held.map((delivery) => delivery.ack().catch((error: unknown) => error))
    await proxy.cut()
    await Promise.all([connection.closed, ...acks])
    proxy.unstall()
    const next = await transport.connect()
    expect(await bench.redis.keys('unacked*')).to.deep.equal([])
    await next.close()
    await proxy.stop()
  })

  it('settles a thousand deliveries in a handful of scripts', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    await Promise.all(
      Array.from({ length: 1000 }, (_, n) => channel.publish(message(`${n}`), TO_Q)),
    )
    const held: Delivery[] = []
    await channel.consume('q', (delivery) => held.push(delivery))
    await until(() => held.length === 1000)
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await bench.redis.info('commandstats'))?.[1])
    const before = await calls()
    await Promise.all(held.map((delivery) => delivery.ack()))
    expect((await calls()) - before).to.be.lessThan(10)
    expect(await bench.redis.keys('unacked*')).to.deep.equal([])
  })
})
