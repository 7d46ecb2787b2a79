/** What happens to the Redis transport when its server, its network or its own process fails. */

import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { directQueue } from '../../../src/messaging/entity.ts'
import { Connection } from '../../../src/messaging/connection.ts'
import { Consumer } from '../../../src/messaging/consumer.ts'
import { Producer } from '../../../src/messaging/producer.ts'
import { OperationalError } from '../../../src/errors.ts'
import type { Delivery } from '../../../src/messaging/transport.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { message, rejection, text } from '../../contracts/transport.ts'
import { Process } from '../../support/process.ts'
import { Proxy } from '../../support/proxy.ts'
import { startRedis, type RedisServer } from '../../support/services.ts'
import { until, within } from '../../support/until.ts'
import { Bench, OPTIONS, recorder } from './support.ts'

const TO_Q = { exchange: '', routingKey: 'q' }
const RETRY = { maxRetries: null, intervalStart: 0.02, intervalStep: 0.05, intervalMax: 0.2 }

/** A consumer and a producer on connections that come back by themselves. */
class Pair {
  readonly seen: string[] = []
  readonly producer: Producer
  readonly consumer: Consumer
  readonly #connections: Connection[]

  constructor(url: string, transportOptions: Readonly<Record<string, unknown>> = {}) {
    const make = (): Connection =>
      new Connection({
        transports: [new RedisTransport(url, { ...OPTIONS, transportOptions })],
        retry: RETRY,
        logger: SILENT,
      })
    const [reading, writing] = (this.#connections = [make(), make()])
    this.producer = new Producer(writing as Connection, { retry: RETRY })
    this.consumer = new Consumer(reading as Connection, {
      queues: [directQueue('q')],
      prefetchCount: 10,
      logger: SILENT,
      onDelivery: (delivery) => {
        this.seen.push(text(delivery))
        delivery.ack().catch(() => {})
      },
    })
  }

  async send(body: string, timeout = 10): Promise<void> {
    await this.producer.publish(message(body), { ...TO_Q, timeout })
  }

  async arrives(body: string, seconds = 10): Promise<void> {
    await until(() => this.seen.includes(body), { seconds, what: `message ${body}` })
  }

  async close(): Promise<void> {
    await this.consumer.stop()
    await this.producer.close()
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }
}

describe('the Redis transport under faults', function () {
  this.timeout(60_000)
  let server: RedisServer
  let bench: Bench
  const closers: (() => Promise<unknown>)[] = []
  before(async () => void (server = await startRedis({ persistent: true })))
  after(() => server.stop())
  beforeEach(async () => {
    bench = await Bench.open(server.url)
    await bench.redis.flushall()
  })
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
    await bench.close()
  })

  function pair(url: string = server.url, options?: Readonly<Record<string, unknown>>): Pair {
    const made = new Pair(url, options)
    closers.push(() => made.close())
    return made
  }

  it('goes on after its connections are killed, again and again', async () => {
    const both = pair()
    await both.consumer.start()
    for (const type of ['normal', 'pubsub', 'normal', 'pubsub']) {
      await both.send(`before ${type}`)
      await both.arrives(`before ${type}`)
      await bench.redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
      const sent = performance.now()
      await both.send(`after ${type}`)
      await both.arrives(`after ${type}`)
      expect(performance.now() - sent).to.be.lessThan(3000)
      both.seen.length = 0
    }
    await until(async () => (await bench.redis.exists('unacked', 'unacked_index', 'q')) === 0)
    const clients = await bench.redis.client('LIST')
    expect(String(clients).trim().split('\n').length).to.be.lessThan(6)
  })

  it('goes on after the server was killed and came back', async () => {
    const both = pair()
    await both.consumer.start()
    await both.send('before')
    await both.arrives('before')
    bench.redis.disconnect()
    await server.restart()
    bench = await Bench.open(server.url)
    await both.send('after', 20)
    await both.arrives('after', 20)
  })

  it('goes on after the server has forgotten everything, scripts included', async () => {
    const both = pair()
    await both.consumer.start()
    await both.send('before')
    await both.arrives('before')
    await bench.redis.flushall()
    await bench.redis.script('FLUSH')
    await both.send('after')
    await both.arrives('after')
  })

  it('notices a connection that is open but dead, and opens another', async () => {
    const proxy = await new Proxy({ host: '127.0.0.1', port: server.port }).start()
    closers.push(() => proxy.stop())
    const options = { socketTimeout: 1, healthCheckInterval: 0.5 }
    const both = pair(proxy.url(server.url), options)
    await both.consumer.start()
    await both.send('before')
    await both.arrives('before')
    proxy.stall()
    const sent = both.send('after', 30)
    await until(() => !both.consumer.consuming, { seconds: 10, what: 'the loss' })
    proxy.unstall()
    await sent
    await both.arrives('after', 20)
  })

  it('refuses to publish to a full server, holds on to what is there, and goes on when there is room', async () => {
    const { logger, lines } = recorder()
    const channel = await bench.channel({}, { logger })
    await channel.declareQueue(directQueue('q'))
    for (const body of ['a', 'b']) await channel.publish(message(body), TO_Q)
    await bench.redis.config('SET', 'maxmemory', '1')
    closers.push(() => bench.redis.config('SET', 'maxmemory', '0'))
    const error = await rejection(channel.publish(message('c'), TO_Q))
    expect(error).to.be.instanceOf(OperationalError)
    expect(String(error)).to.include('OOM')
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => got.push(delivery))
    await until(() => lines.length === 1)
    expect(await bench.redis.llen('q')).to.equal(2)
    expect(got).to.have.length(0)
    await bench.redis.config('SET', 'maxmemory', '0')
    await until(() => got.length === 2)
    await channel.publish(message('c'), TO_Q)
    await until(() => got.length === 3)
    expect(lines).to.have.length(1)
    await Promise.all(got.map((delivery) => delivery.ack()))
    expect(await bench.redis.exists('unacked', 'unacked_index', 'q')).to.equal(0)
  })

  it('can settle what is in hand, and give it back, while the server is full', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    for (const body of ['a', 'b', 'c']) await channel.publish(message(body), TO_Q)
    const [one, two, three] = [
      await channel.get('q'),
      await channel.get('q'),
      await channel.get('q'),
    ]
    await bench.redis.config('SET', 'maxmemory', '1')
    closers.push(() => bench.redis.config('SET', 'maxmemory', '0'))
    await one?.ack()
    await two?.reject()
    await three?.requeue({ counted: true })
    expect(await bench.redis.llen('q')).to.equal(1)
    expect(await bench.redis.exists('unacked', 'unacked_index', 'unacked.owners')).to.equal(0)
  })

  it('keeps what cannot go back, since its queue is none: nothing is taken out before', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    await channel.publish(message('a'), TO_Q)
    const delivery = await channel.get('q')
    await bench.redis.set('q', 'no list')
    await bench.redis.config('SET', 'maxmemory', '1')
    closers.push(() => bench.redis.config('SET', 'maxmemory', '0'))
    expect(await rejection(delivery?.requeue() ?? Promise.resolve())).to.be.instanceOf(Error)
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    expect(await bench.redis.zcard('unacked_index')).to.equal(1)
  })

  it('can postpone what is in hand, and renew it, while the server is full', async () => {
    const channel = await bench.channel({ visibilityTimeout: 3 })
    await channel.declareQueue(directQueue('q'))
    for (const body of ['a', 'b']) await channel.publish(message(body), TO_Q)
    const [one, two] = [await channel.get('q'), await channel.get('q')]
    await bench.redis.config('SET', 'maxmemory', '1')
    closers.push(() => bench.redis.config('SET', 'maxmemory', '0'))
    const score = async (): Promise<number> =>
      Number(await bench.redis.zscore('unacked_index', String(two?.deliveryTag)))
    const first = await score()
    await one?.postpone(Date.now() + 60_000)
    await until(async () => (await score()) > first)
    await two?.ack()
    await bench.redis.config('SET', 'maxmemory', '0')
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    expect(await bench.redis.exists('unacked.owners')).to.equal(0)
  })

  it('reconnects when its server has become a replica', async () => {
    const connection = await bench.transport().connect()
    const channel = await connection.channel()
    await bench.redis.replicaof('127.0.0.1', 1)
    closers.push(() => bench.redis.replicaof('NO', 'ONE'))
    expect(await rejection(channel.publish(message(), TO_Q))).to.be.instanceOf(OperationalError)
    expect(String(await within(5, connection.closed))).to.include('READONLY')
    const error = await rejection(bench.transport().connect())
    expect(error).to.be.instanceOf(OperationalError)
    await bench.redis.replicaof('NO', 'ONE')
    await (await bench.transport().connect()).close()
  })

  it('polls where the server does not tell of changes', async () => {
    await bench.redis.call(
      'ACL',
      'SETUSER',
      'limited',
      'on',
      '>pw',
      '~*',
      'resetchannels',
      '+@all',
      '-info',
    )
    const { logger, lines } = recorder()
    const url = server.url.replace('redis://', 'redis://limited:pw@')
    const transport = new RedisTransport(url, { ...OPTIONS, logger })
    const connection = await transport.connect()
    closers.push(() => connection.close())
    const channel = await connection.channel()
    await channel.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => got.push(delivery))
    expect(lines.join()).to.include('polled')
    for (const body of ['a', 'b']) {
      await channel.publish(message(body), TO_Q)
      await until(() => got.some((delivery) => text(delivery) === body), { seconds: 1 })
    }
  })

  it('serves an idle consumer at once, whatever the priority', async () => {
    const sender = await bench.channel()
    const channel = await bench.channel({ pollingInterval: 30 })
    await channel.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => {
      got.push(delivery)
      void delivery.ack()
    })
    for (let n = 1; n <= 10; n += 1) {
      await sender.publish(message(`${n}`, { properties: { priority: n - 1 } }), TO_Q)
      await until(() => got.length === n, { seconds: 2 })
    }
  })

  it('loses nothing when its process is killed, wherever it was', async () => {
    const worker = new URL('./victim.ts', import.meta.url).pathname
    const sender = await bench.channel()
    const bodies: string[] = []
    const seen = new Set<string>()
    for (const moment of [1, 30, 200]) {
      // However fast the last one was, there is enough to be killed over.
      const more = Array.from({ length: 2000 }, (_, n) => `${moment}-${n}`)
      await Promise.all(more.map((body) => sender.publish(message(body), TO_Q)))
      bodies.push(...more)
      const child = spawn(process.execPath, ['--import', 'tsx', worker, server.url])
      child.stdout.on('data', (data: Buffer) => {
        for (const body of data.toString().split('\n').filter(Boolean)) seen.add(body)
      })
      const target = seen.size + moment
      await until(() => seen.size >= target, { seconds: 20, what: 'the victim at work' })
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    const left = new Set<string>()
    const keep = (raw: string): unknown =>
      left.add(Buffer.from((JSON.parse(raw) as { body: string }).body, 'base64').toString())
    for (const raw of await bench.redis.lrange('q', 0, -1)) keep(raw)
    for (const entry of Object.values(await bench.redis.hgetall('unacked'))) {
      keep(JSON.stringify((JSON.parse(entry) as unknown[])[0]))
    }
    expect(bodies.filter((body) => !seen.has(body) && !left.has(body))).to.deep.equal([])
    expect((await bench.redis.hlen('unacked')) + (await bench.redis.llen('q'))).to.equal(left.size)
    expect(await bench.redis.zcard('unacked_index')).to.equal(await bench.redis.hlen('unacked'))
    const survivor = await bench.channel({ ownerGrace: 0.3 })
    await survivor.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await survivor.consume('q', (delivery) => {
      got.push(delivery)
      void delivery.ack()
    })
    await until(() => got.length >= left.size, { seconds: 20, what: 'what the dead had in hand' })
    expect(new Set(got.map(text))).to.deep.equal(left)
    expect(got).to.have.length(left.size)
    await until(async () => (await bench.redis.exists('unacked', 'unacked.owners', 'q')) === 0)
  })

  it('loses nothing, and repeats a run at most once, wherever its connection ends for good', async () => {
    const queues = Array.from({ length: 40 }, (_, n) => `q${n}`)
    const bodies = ['a', 'b', 'c']
    const runs = new Map<string, number>()
    const acked = new Set<string>()
    const wrong: string[] = []
    const onDelivery = (delivery: Delivery): void => {
      const name = delivery.queue + text(delivery)
      runs.set(name, (runs.get(name) ?? 0) + 1)
      if (acked.has(name)) wrong.push(name)
      const ack = (): Promise<unknown> => delivery.ack().then(() => acked.add(name))
      setImmediate(() => void ack().catch(() => {}))
    }
    /** Consumes by way of a proxy until that ends; nobody connects again. */
    const live = async (queue: string, pieces: number): Promise<void> => {
      const target = { host: '127.0.0.1', port: server.port }
      const proxy = await new Proxy(target).cutAfter(pieces).start()
      closers.push(() => proxy.stop())
      const connection = await new RedisTransport(proxy.url(server.url), OPTIONS).connect()
      closers.push(() => connection.close())
      const channel = await connection.channel()
      await channel.qos(2)
      await channel.declareQueue(directQueue(queue))
      await channel.consume(queue, onDelivery)
      const over = async (): Promise<boolean> => acked.has(`${queue}c`) || proxy.connections === 0
      await until(over, { seconds: 30 })
    }
    const sender = await bench.channel()
    for (const queue of queues) {
      for (const body of bodies) {
        await sender.publish(message(body), { exchange: '', routingKey: queue })
      }
    }
    await Promise.allSettled(queues.map((queue, n) => live(queue, n)))
    const survivor = await bench.channel({ ownerGrace: 0.3 })
    for (const queue of queues) await survivor.consume(queue, onDelivery)
    const nothing = async (): Promise<boolean> => (await bench.redis.keys('[qu]*')).length === 0
    await until(nothing, { seconds: 30, what: 'an end of all that was sent' })
    const all = queues.flatMap((queue) => bodies.map((body) => queue + body))
    expect(all.filter((name) => !runs.has(name))).to.deep.equal([])
    expect(wrong).to.deep.equal([])
    expect(Math.max(...runs.values())).to.be.at.most(2)
  })

  it('takes from a frozen process only what it holds longer than the visibility timeout, for good', async () => {
    const worker = new URL('./victim.ts', import.meta.url).pathname
    const options = { visibilityTimeout: 3, ownerGrace: 0.3 }
    const args = ['--import', 'tsx', worker, server.url, JSON.stringify(options)]
    const child = new Process(process.execPath, args)
    closers.push(() => child.kill())
    const sender = await bench.channel()
    await sender.publish(message('x'), TO_Q)
    await until(() => child.output.includes('x\n'), { seconds: 20, what: 'the victim at work' })
    const [owner = ''] = await bench.redis.hkeys('unacked.owners')
    child.signal('SIGSTOP')
    const channel = await bench.channel(options)
    await channel.declareQueue(directQueue('q'))
    const got: Delivery[] = []
    await channel.consume('q', (delivery) => got.push(delivery))
    const delivery = await until(() => got[0], { seconds: 20 })
    expect(await bench.redis.hget('unacked.owners', owner)).to.equal('')
    expect(delivery.redelivered).to.equal(true)
    child.signal('SIGCONT')
    child.signal('SIGUSR2')
    await until(() => child.output.includes('ERR_LEASE_LOST'), { what: 'the refusal' })
    expect(await bench.redis.hlen('unacked')).to.equal(1)
    await delivery.ack()
    expect(got).to.have.length(1)
    await until(async () => (await bench.redis.keys('unacked*')).length === 0)
  })

  it('loses nothing when it is frozen while it waits, and killed then', async () => {
    const worker = new URL('./victim.ts', import.meta.url).pathname
    const child = spawn(process.execPath, ['--import', 'tsx', worker, server.url])
    const idle = async (): Promise<boolean> =>
      /sub=1.* cmd=subscribe/.test(String(await bench.redis.client('LIST')))
    await until(idle, { seconds: 20, what: 'an idle worker' })
    child.kill('SIGSTOP')
    const sender = await bench.channel()
    await sender.publish(message('kept'), TO_Q)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await bench.redis.llen('q')).to.equal(1)
    expect(await bench.redis.exists('unacked')).to.equal(0)
  })
})
