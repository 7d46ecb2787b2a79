/** What is no message in a list: put aside, told without its content, and never in the way of the next one. */

import { expect } from 'chai'
import { directQueue } from '../../../src/messaging/entity.ts'
import { message, text } from '../../contracts/transport.ts'
import { until } from '../../support/until.ts'
import { Bench, recorder } from './support.ts'

const GOOD = {
  body: 'e30=',
  'content-encoding': 'utf-8',
  'content-type': 'application/json',
  headers: { task: 'SECRET' },
  properties: {
    delivery_mode: 2,
    delivery_info: { exchange: '', routing_key: 'q' },
    priority: 0,
    body_encoding: 'base64',
    delivery_tag: 'tag-1',
  },
}

/** The good one, with some of its properties set otherwise or, when undefined, taken away. */
function properties(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...GOOD, properties: { ...GOOD.properties, ...changes } })
}

function envelope(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...GOOD, ...changes })
}

const deep = (levels: number): string =>
  envelope({ headers: { deep: 0 } }).replace(
    '"deep":0',
    `"deep":${'['.repeat(levels)}${']'.repeat(levels)}`,
  )

const BAD: Readonly<Record<string, string | Buffer>> = {
  empty: '',
  'not JSON': 'SECRET {',
  'bytes that are not text': Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  'a pickle': Buffer.from('\x80\x04\x95cos\nsystem\n(S"SECRET"\ntR.', 'latin1'),
  'cut off': JSON.stringify(GOOD).slice(0, -20),
  'a scalar': '42',
  'a text': '"SECRET"',
  null: 'null',
  'a list': '[1, 2, 3]',
  'an empty object': '{}',
  'no properties': envelope({ properties: undefined }),
  'properties that are null': envelope({ properties: null }),
  'properties that are a list': envelope({ properties: [] }),
  'properties that are text': envelope({ properties: 'SECRET' }),
  'no tag': properties({ delivery_tag: undefined }),
  'a tag that is null': properties({ delivery_tag: null }),
  'an empty tag': properties({ delivery_tag: '' }),
  'a tag that is an object': properties({ delivery_tag: {} }),
  'no delivery_info': properties({ delivery_info: undefined }),
  'an empty delivery_info': properties({ delivery_info: {} }),
  'delivery_info that is null': properties({ delivery_info: null }),
  'an exchange that is a number': properties({ delivery_info: { exchange: 1, routing_key: 'q' } }),
  'no routing key': properties({ delivery_info: { exchange: '' } }),
  'no body': envelope({ body: undefined }),
  'a body that is null': envelope({ body: null }),
  'a body that is an object': envelope({ body: {} }),
  'base64 without padding': envelope({ body: 'e30' }),
  'URL-safe base64': envelope({ body: '_-_-' }),
  'an unknown body_encoding': properties({ body_encoding: 'rot13' }),
  'a body_encoding that is a number': properties({ body_encoding: 1 }),
  'headers that are a list': envelope({ headers: [] }),
  'headers that are text': envelope({ headers: 'SECRET' }),
  'a content type that is a number': envelope({ 'content-type': 5 }),
  'nested deeper than we read': deep(100),
  'nested deeper than the server reads': deep(5000),
  'a header __proto__': JSON.stringify(GOOD).replace('"task"', '"__proto__"'),
}

const FINE: Readonly<Record<string, string>> = {
  'no headers': envelope({ headers: undefined }),
  'headers that are null': envelope({ headers: null }),
  'no body_encoding': properties({ body_encoding: undefined }),
  'plain text': envelope({
    body: '{}',
    properties: { ...GOOD.properties, body_encoding: 'UTF-8' },
  }),
  'an integer tag': properties({ delivery_tag: 5 }),
  'extra members': envelope({ more: 1 }),
  'no content type': envelope({ 'content-type': undefined, 'content-encoding': undefined }),
  'a priority that is text': properties({ priority: 'high' }),
  'a repeated tag': JSON.stringify(GOOD),
  'Python numbers': JSON.stringify(GOOD).replace('"SECRET"', '[NaN, Infinity, -Infinity]'),
}

describe('a malformed item in a list of Redis', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  for (const noAck of [false, true]) {
    it(`goes to the dead list while the next message is served (noAck ${noAck})`, async () => {
      const { logger, lines } = recorder()
      const channel = await bench.channel({}, { logger })
      await channel.declareQueue(directQueue('q'))
      const served: string[] = []
      const push = async (
        delivery: Parameters<typeof text>[0] & { ack(): Promise<void> },
      ): Promise<void> => {
        await delivery.ack()
        served.push(text(delivery))
      }
      await channel.consume('q', (delivery) => void push(delivery), { noAck })
      for (const [name, item] of Object.entries(BAD)) {
        await bench.redis.lpush('q', item)
        await channel.publish(message(name), { exchange: '', routingKey: 'q' })
        await until(() => served.at(-1) === name, { what: `the message after: ${name}` })
      }
      await until(async () => (await bench.redis.llen('q.dead')) === Object.keys(BAD).length)
      const dead = await bench.redis.lrangeBuffer('q.dead', 0, -1)
      const expected = Object.values(BAD).map((item) => Buffer.from(item))
      expect(dead.toReversed().map(String)).to.deep.equal(expected.map(String))
      expect(lines).to.have.length(expected.length)
      expect(lines.join()).to.not.include('SECRET')
      expect(await bench.redis.keys('unacked*')).to.deep.equal([])
    })
  }

  it('is a message after all, where kombu reads it', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    const served: string[] = []
    const push = (delivery: Parameters<typeof text>[0]): void => void served.push(text(delivery))
    for (const item of Object.values(FINE)) await bench.redis.lpush('q', item)
    await channel.consume('q', push)
    await until(() => served.length === Object.keys(FINE).length)
    // what is not said to be base64 is plain text
    const plain = 'e30='
    expect(served.filter((body) => body !== '{}')).to.deep.equal([plain])
  })

  it('is passed over by get, too', async () => {
    const channel = await bench.channel()
    await bench.redis.lpush('q', 'SECRET', '{}')
    await channel.publish(message('good'), { exchange: '', routingKey: 'q' })
    expect(text(await until(() => channel.get('q')))).to.equal('good')
    expect(await bench.redis.llen('q.dead')).to.equal(2)
  })

  it('does not stop the loop when the key is no list at all', async () => {
    const channel = await bench.channel()
    await bench.redis.set('q', 'a string')
    const served: string[] = []
    await channel.declareQueue(directQueue('other'))
    for (const queue of ['q', 'other']) {
      await channel.consume(queue, (delivery) => void served.push(text(delivery)))
    }
    await channel.publish(message('good'), { exchange: '', routingKey: 'other' })
    await until(() => served.length === 1)
  })

  it('is kept in the dead list as it came when a consumer buries it', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(directQueue('q'))
    await channel.publish(message('nobody can read this'), { exchange: '', routingKey: 'q' })
    const raw = await bench.redis.lindex('q', 0)
    const delivery = await channel.get('q')
    await delivery?.bury()
    expect(await bench.redis.lrange('q.dead', 0, -1)).to.deep.equal([raw])
    expect(await bench.redis.exists('q', 'unacked', 'unacked_index')).to.equal(0)
  })

  it('keeps the dead list within bounds', async () => {
    const channel = await bench.channel()
    await bench.redis.lpush('q', ...Array.from({ length: 1200 }, (_, n) => `bad ${n}`))
    expect(await channel.get('q')).to.equal(undefined)
    expect(await bench.redis.llen('q.dead')).to.equal(1000)
    expect(await bench.redis.lindex('q.dead', 0)).to.equal('bad 1199')
  })

  it('drops a broadcast that is no message, and hears the next one', async () => {
    const { logger, lines } = recorder()
    const channel = await bench.channel({ fanout_prefix: false }, { logger })
    await channel.declareQueue({
      name: 'f',
      bindings: [{ exchange: { name: 'fan', type: 'fanout' }, routingKey: '' }],
    })
    const heard: string[] = []
    await channel.consume('f', (delivery) => void heard.push(text(delivery)), { noAck: true })
    await bench.redis.publish('fan', 'SECRET')
    await channel.publish(message('good'), { exchange: 'fan', routingKey: '' })
    await until(() => heard.length === 1)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.not.include('SECRET')
  })
})
