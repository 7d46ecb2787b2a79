/** Who holds what: what the holder has lost together with its connection goes back, and nothing else. */

import { expect } from 'chai'
import { directQueue } from '../../../src/messaging/entity.ts'
import type { Channel, Delivery } from '../../../src/messaging/transport.ts'
import { fetch } from '../../../src/transports/redis/fetch.ts'
import { resolveOptions } from '../../../src/transports/redis/options.ts'
import type { RedisConnection } from '../../../src/transports/redis/connection.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { message, rejection, text } from '../../contracts/transport.ts'
import { until } from '../../support/until.ts'
import { Bench, OPTIONS, recorder } from './support.ts'

const TO_Q = { exchange: '', routingKey: 'q' }
const IMPATIENT = { ownerGrace: 0.3 }
const SOURCES = [{ queue: 'q', lease: true }]

describe('the owners of deliveries on Redis', () => {
  let bench: Bench
  let sender: Channel
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
    sender = await bench.channel()
    await sender.declareQueue(directQueue('q'))
  })
  afterEach(() => bench.close())

  async function send(...bodies: string[]): Promise<void> {
    for (const body of bodies) await sender.publish(message(body), TO_Q)
  }

  /** What comes to a consumer that looks for the dead often. */
  async function consume(options: Record<string, unknown> = IMPATIENT): Promise<Delivery[]> {
    const channel = await bench.channel(options)
    await channel.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => got.push(delivery))
    return got
  }

  /** The server takes all that is in the queue out for this owner, and nobody hears of it. */
  async function takeFor(owner: string): Promise<void> {
    const settings = resolveOptions({}, 0, 4)
    await fetch({ client: bench.redis, settings, owner, sources: SOURCES }, 100)
    expect(await bench.redis.llen('q')).to.equal(0)
  }

  /** Makes a user who may do everything else. */
  async function allow(user: string, forbidden: readonly string[]): Promise<void> {
    const rules = ['on', '>pw', '~*', '&*', '+@all', ...forbidden]
    await bench.redis.call('ACL', ['SETUSER', user, ...rules])
  }

  async function runId(): Promise<string> {
    return /run_id:(\w+)/.exec(await bench.redis.info('server'))?.[1] ?? ''
  }

  async function nothingIsLeft(): Promise<void> {
    await until(async () => (await bench.redis.keys('unacked*')).length === 0, {
      what: 'an end of all records',
    })
  }

  it('leave no record when nothing is in hand', async () => {
    await send('a', 'b')
    const got = await consume()
    await until(() => got.length === 2)
    const [owner, ...more] = await bench.redis.hkeys('unacked.owners')
    expect(more).to.deep.equal([])
    expect(await bench.redis.hlen(`unacked.owner:${owner}`)).to.equal(2)
    expect(await bench.redis.ttl('unacked.owners')).to.be.within(3600, 7200)
    expect(await bench.redis.ttl(`unacked.owner:${owner}`)).to.be.within(3600, 7200)
    await got[0]?.ack()
    await got[1]?.requeue()
    await until(() => got.length === 3)
    await got[2]?.bury()
    await nothingIsLeft()
  })

  it('get back at once, on a new connection, what the reply was lost of', async () => {
    const transport = bench.transport()
    const connection = await transport.connect()
    const channel = await connection.channel()
    await send('known')
    const known = await until(() => channel.get('q'))
    await send('lost', 'too')
    const [owner = ''] = await bench.redis.hkeys('unacked.owners')
    await takeFor(owner)
    await bench.redis.call('CLIENT', 'KILL', 'ID', owner.split(':')[1] ?? '')
    await connection.closed
    const next = await transport.connect()
    const again = await next.channel()
    const got = [await again.get('q'), await again.get('q'), await again.get('q')]
    expect(got.map((delivery) => delivery && text(delivery))).to.deep.equal([
      'known',
      'lost',
      'too',
    ])
    expect(got.map((delivery) => delivery?.redelivered)).to.deep.equal([true, true, true])
    expect(got.map((delivery) => delivery?.deliveryCount)).to.deep.equal([0, 0, 0])
    expect(await rejection(known.ack())).to.have.property('code', 'ERR_LEASE_LOST')
    for (const delivery of got) await delivery?.ack()
    await nothingIsLeft()
    await next.close()
  })

  it('settle on a new connection what was settled, even when a renewal was not heard of', async () => {
    const transport = bench.transport()
    const connection = (await transport.connect()) as RedisConnection
    const channel = await connection.channel()
    await send('done')
    const done = await until(() => channel.get('q'))
    const [owner = ''] = await bench.redis.hkeys('unacked.owners')
    const tag = String(done.deliveryTag)
    // as the server does it, whose reply is lost
    await bench.redis.zadd('unacked_index', 'XX', 2e9, tag)
    await bench.redis.hset(`unacked.owner:${owner}`, tag, 2e9)
    const ack = done.ack()
    connection.fail(new Error('cut'))
    expect(await rejection(ack)).to.have.property('code', 'ERR_LEASE_LOST')
    await (await transport.connect()).close()
    expect(await bench.redis.llen('q')).to.equal(0)
  })

  it('lose what they held, marked, some time after their connection is gone', async () => {
    await send('a', 'b')
    await takeFor(`${await runId()}:999999999`)
    const { logger, lines } = recorder()
    const channel = await bench.channel(IMPATIENT, { logger })
    const got: Delivery[] = []
    const begin = Date.now()
    await channel.consume('q', (delivery) => got.push(delivery))
    await until(() => got.length === 2)
    expect(Date.now() - begin).to.be.at.least(300)
    expect(got.map(text)).to.deep.equal(['a', 'b'])
    expect(got.map(({ redelivered }) => redelivered)).to.deep.equal([true, true])
    expect(got.map(({ deliveryCount }) => deliveryCount)).to.deep.equal([0, 0])
    await until(() => lines.join().includes('Restoring 2 message(s) of a worker that died'))
    for (const delivery of got) await delivery.ack()
    await nothingIsLeft()
  })

  it('are gone when they were connected to another run of the server', async () => {
    await send('a')
    await takeFor(`${'0'.repeat(40)}:1`)
    const got = await consume()
    await until(() => got.length === 1)
    await got[0]?.ack()
    await nothingIsLeft()
  })

  it('do not lose what another has taken over meanwhile', async () => {
    await send('theirs')
    await takeFor(`${await runId()}:999999999`)
    const [tag = ''] = await bench.redis.hkeys('unacked')
    // restored by a Python worker and taken by another: the same tag, another time
    await bench.redis.zadd('unacked_index', Date.now() / 1000 + 1, tag)
    const got = await consume()
    await until(async () => (await bench.redis.exists('unacked.owners')) === 0)
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    expect(got).to.deep.equal([])
  })

  it('lose each thing once, however many look for it', async () => {
    const bodies = Array.from({ length: 1000 }, (_, n) => `${n}`)
    await Promise.all(bodies.map((body) => sender.publish(message(body), TO_Q)))
    const id = await runId()
    for (let n = 0; n < 10; n += 1) {
      const settings = resolveOptions({}, 0, 4)
      const owner = `${id}:99999999${n}`
      await fetch({ client: bench.redis, settings, owner, sources: SOURCES }, 100)
    }
    expect(await bench.redis.hlen('unacked')).to.equal(1000)
    const consumers = await Promise.all([1, 2, 3, 4].map(() => consume()))
    await until(() => consumers.flat().length >= 1000, { seconds: 20 })
    const all = consumers.flat()
    expect(new Set(all.map(text)).size).to.equal(1000)
    await Promise.all(all.map((delivery) => delivery.ack()))
    expect(all).to.have.length(1000)
    await nothingIsLeft()
  })

  it('keep all while they are connected, also when others are gone', async () => {
    await send('kept')
    const holder = await bench.channel()
    const kept = await until(() => holder.get('q'))
    for (const body of ['one', 'two']) {
      await send(body)
      await takeFor(`${await runId()}:99999999${body.length}`)
    }
    const got = await consume()
    await until(() => got.length === 2)
    expect(got.map(text).toSorted()).to.deep.equal(['one', 'two'])
    await kept.ack()
  })

  it('that find themselves taken for dead are left to the visibility timeout', async () => {
    await send('kept')
    const got = await consume()
    const delivery = await until(() => got[0])
    const [owner = ''] = await bench.redis.hkeys('unacked.owners')
    await bench.redis.hset('unacked.owners', owner, '1')
    await until(async () => (await bench.redis.hget('unacked.owners', owner)) === 'alive')
    await delivery.ack()
    await nothingIsLeft()
  })

  it('are not asked for where an access list forbids it: nothing else changes', async () => {
    const user = `shy-${process.pid}`
    await allow(user, ['-client|list', '-client|kill'])
    await send('theirs')
    await takeFor(`${await runId()}:999999999`)
    const { logger, lines } = recorder()
    const url = bench.url.replace('redis://', `redis://${user}:pw@`)
    const options = { ...OPTIONS, transportOptions: IMPATIENT, logger }
    const connection = await new RedisTransport(url, options).connect()
    const channel = await connection.channel()
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => got.push(delivery))
    await send('ours')
    const ours = await until(() => got[0])
    expect(text(ours)).to.equal('ours')
    await until(async () => (await bench.redis.exists('unacked.owners.look')) === 1)
    await until(async () => (await bench.redis.exists('unacked.owners.look')) === 0)
    await until(async () => (await bench.redis.exists('unacked.owners.look')) === 1)
    await ours.ack()
    expect(got).to.have.length(1)
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    expect(lines).to.deep.equal([])
    await connection.close()
    await bench.redis.call('ACL', 'DELUSER', user)
  })

  it('have no name where an access list forbids that: nothing else changes', async () => {
    const user = `nameless-${process.pid}`
    await allow(user, ['-client|id', '-info'])
    const url = bench.url.replace('redis://', `redis://${user}:pw@`)
    const transport = new RedisTransport(url, { ...OPTIONS, transportOptions: IMPATIENT })
    const connection = await transport.connect()
    const channel = await connection.channel()
    await send('a', 'b')
    const [a, b] = [await channel.get('q'), await channel.get('q')]
    expect(await bench.redis.exists('unacked.owners')).to.equal(0)
    await a?.ack()
    expect(b && text(b)).to.equal('b')
    await bench.redis.call('CLIENT', 'KILL', 'USER', user)
    await connection.closed
    await (await transport.connect()).close()
    expect(await bench.redis.llen('q')).to.equal(1)
    await bench.redis.call('ACL', 'DELUSER', user)
  })
})

describe('an option for owners', () => {
  it('says how long they may be gone, and has a default', () => {
    expect(resolveOptions({}, 0, 4)).to.include({ ownerGrace: 15, ownerExpires: 7200 })
    expect(resolveOptions({ owner_grace: 1, visibility_timeout: 5 }, 0, 4)).to.include({
      ownerGrace: 1,
      ownerExpires: 60,
    })
  })
})
