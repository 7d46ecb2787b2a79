/** The bytes in Redis, compared with captures of kombu 5.6.2. */

import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import type { Message } from '../../../protocol/message.ts'
import type { Exchange, Queue } from '../../../src/messaging/entity.ts'
import type { Channel, Delivery } from '../../../src/messaging/transport.ts'
import { until } from '../../support/until.ts'
import { Bench } from './support.ts'

interface Capture {
  readonly keys_after: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>
  readonly extra: Readonly<Record<string, unknown>>
  readonly commands: readonly { readonly cmd: readonly string[] }[]
}

function capture(name: string): Capture {
  const url = new URL(`../../../fixtures/562.redis.transport.${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as Capture
}

/** Without the delivery tags, which are made anew for each publish. */
function untagged(raw: string): string {
  return raw.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<tag>')
}

/** Without the number of the connection and the server's name for its run. */
function unnumbered(key: string): string {
  return key.replace(/[0-9a-f]{40}:\d+$/, '<owner>')
}

/** The lists of a capture, as raw texts without tags. */
function lists(keys: Capture['keys_after']): Record<string, string[]> {
  const found = Object.entries(keys).filter(([, { type }]) => type === 'list')
  const texts = (value: unknown): string[] =>
    (value as { raw: string }[]).map(({ raw }) => untagged(raw))
  return Object.fromEntries(found.map(([key, { value }]) => [key, texts(value)]))
}

/** What the server was told by one command. */
function told(name: string, command: string): string[][] {
  const found = capture(name).commands.filter(({ cmd }) => cmd[0] === command)
  return found.map(({ cmd }) => cmd.slice(1).map(untagged))
}

function message(body: unknown, priority?: number): Message {
  const text = JSON.stringify(body).replaceAll(':', ': ')
  return {
    body: Buffer.from(text),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: {},
    properties: { deliveryMode: 2, ...(priority === undefined ? {} : { priority }) },
  }
}

function bound(name: string, exchange: Exchange, routingKey: string): Queue {
  return { name, bindings: [{ exchange, routingKey }] }
}

function direct(name: string): Queue {
  return bound(name, { name, type: 'direct' }, name)
}

async function consume(channel: Channel, queue: string): Promise<Delivery[]> {
  const deliveries: Delivery[] = []
  await channel.consume(queue, (delivery) => deliveries.push(delivery))
  return deliveries
}

describe('the layout of the Redis transport', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
    await bench.redis.flushdb()
  })
  afterEach(() => bench.close())

  async function stored(): Promise<Record<string, string[]>> {
    const keys = (await bench.redis.keys('*')).toSorted()
    const found: Record<string, string[]> = {}
    for (const key of keys) {
      if ((await bench.redis.type(key)) !== 'list') continue
      found[key] = (await bench.redis.lrange(key, 0, -1)).map(untagged)
    }
    return found
  }

  it('pushes each priority to the list of its step, as kombu does', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(direct('kq'))
    const to = { exchange: 'kq', routingKey: 'kq' }
    // "none" is the last one in the capture, and thus at the head of its list
    for (const p of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 25]) await channel.publish(message({ p }, p), to)
    await channel.publish(message({ p: 'none' }), to)
    const { keys_after } = capture('priorities')
    expect(await stored()).to.deep.equal(lists(keys_after))
    expect(await bench.redis.smembers('_kombu.binding.kq')).to.deep.equal(
      keys_after['_kombu.binding.kq']?.value,
    )
  })

  it("binds and routes a topic exchange by kombu's patterns", async () => {
    const channel = await bench.channel()
    const exchange: Exchange = { name: 'ktopic', type: 'topic' }
    await channel.declareQueue(bound('t1', exchange, 'a.*.c'))
    await channel.declareQueue(bound('t2', exchange, 'a.#'))
    await channel.declareQueue(bound('t3', exchange, 'lit.eral-x+y'))
    for (const rk of ['a.b.c', 'a.x', 'zzz', 'lit.eral-x+y']) {
      await channel.publish(message({ rk }), { exchange: 'ktopic', routingKey: rk })
    }
    const { keys_after } = capture('topic')
    expect(await stored()).to.deep.equal(lists(keys_after))
    const members = await bench.redis.smembers('_kombu.binding.ktopic')
    expect(members.toSorted()).to.deep.equal(
      (keys_after['_kombu.binding.ktopic'] as { value: string[] }).value.toSorted(),
    )
  })

  it('uses the separator and the priority steps that it was given', async () => {
    const steps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    const options = { priority_steps: steps, sep: ':', queueOrderStrategy: 'priority' }
    const channel = await bench.channel(options)
    await channel.declareQueue(direct('ka'))
    await channel.publish(message({ n: 0 }, 7), { exchange: '', routingKey: 'ka' })
    expect(Object.keys(await stored())).to.deep.equal(['ka:7'])
    expect(await bench.redis.smembers('_kombu.binding.ka')).to.deep.equal(['ka::ka'])
    expect(told('priority-steps-sep', 'LPUSH')[0]?.[0]).to.equal('ka:7')
  })

  it('puts the global key prefix before every key and every channel', async () => {
    const channel = await bench.channel({ globalKeyprefix: 'app1:' })
    await channel.declareQueue(direct('kq'))
    await channel.publish(message({ n: 0 }, 3), { exchange: 'kq', routingKey: 'kq' })
    const [list, envelope] = told('global-keyprefix', 'LPUSH')[0] ?? []
    expect(await stored()).to.deep.equal({ [list ?? '']: [envelope] })
    const deliveries = await consume(channel, 'kq')
    await until(() => deliveries[0])
    expect((await bench.redis.keys('*')).map(unnumbered).toSorted()).to.deep.equal([
      'app1:_kombu.binding.kq',
      'app1:unacked',
      'app1:unacked.owner:<owner>',
      'app1:unacked.owners',
      'app1:unacked_index',
    ])
  })

  it('writes the entry of a delivery in hand as kombu does, under renamed keys', async () => {
    const options = { unacked_key: 'U', unackedIndexKey: 'UI', unacked_mutex_key: 'UM' }
    const channel = await bench.channel(options)
    await channel.declareQueue(direct('kq'))
    await channel.publish(message({ n: 0 }), { exchange: 'kq', routingKey: 'kq' })
    const deliveries = await consume(channel, 'kq')
    const delivery = await until(() => deliveries[0])
    const tag = String(delivery.deliveryTag)
    const entry = untagged((await bench.redis.hget('U', tag)) ?? '')
    const [, , captured = ''] = told('custom-keys', 'HSET')[0] ?? []
    const plain = captured
      .replace('{\\"n\\": 0}', 'eyJuIjogMH0=')
      .replace('"utf-8", "del', '"base64", "del')
    expect(entry).to.equal(plain)
    const score = Number(await bench.redis.zscore('UI', tag))
    expect(Math.abs(score - Date.now() / 1000)).to.be.lessThan(60)
    await delivery.ack()
    expect(await bench.redis.keys('*')).to.deep.equal(['_kombu.binding.kq'])
  })

  it('gives a rejected message back at the end of its priority list, marked as kombu marks it', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(direct('kq'))
    await channel.publish(message({ n: 0 }, 5), { exchange: 'kq', routingKey: 'kq' })
    const delivery = await until(() => channel.get('kq'))
    await delivery.requeue()
    const [, again] = told('reject-requeue', 'LPUSH')
    expect(await stored()).to.deep.equal({ [again?.[0] ?? '']: [again?.[1]] })
    expect(await bench.redis.exists('unacked', 'unacked_index')).to.equal(0)
  })

  it('gives back what is unsettled when it closes: as kombu does, but in the order that it came in', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(direct('kq'))
    for (const n of [0, 1, 2])
      await channel.publish(message({ n }), { exchange: 'kq', routingKey: 'kq' })
    const deliveries = await consume(channel, 'kq')
    await until(() => deliveries.length === 3)
    await channel.close()
    const captured = lists(capture('shutdown-restore').keys_after)
    // kombu pushes the newest last, and so serves it first
    expect(await stored()).to.deep.equal({ kq: captured['kq']?.toReversed() })
  })

  it('publishes broadcasts on the channels of kombu, as the same envelopes', async () => {
    const db = Number(new URL(bench.url).pathname.slice(1))
    const heard: string[][] = []
    const listener = bench.redis.duplicate()
    listener.on('pmessage', (_pattern, channel, payload) =>
      heard.push([channel, untagged(payload)]),
    )
    await listener.psubscribe('*')
    const cases: [string, Record<string, unknown>, [exchange: string, key: string][]][] = [
      ['fanout-legacy', { fanoutPrefix: false, fanoutPatterns: false }, [['kfan', 'rk']]],
      ['fanout-prefix-custom', { fanout_prefix: '/pre{db}.' }, [['kfan', 'rk']]],
      [
        'fanout',
        {},
        [
          ['kfan', ''],
          ['kfan', 'rk'],
          ['kfan2', 'a.b.c'],
        ],
      ],
    ]
    for (const [name, options, sent] of cases) {
      const channel = await bench.channel(options)
      heard.length = 0
      for (const [i, [exchange, routingKey]] of sent.entries()) {
        const body = { m: name === 'fanout' ? i + 1 : 1 }
        await channel.publish(message(body), { exchange, routingKey, exchangeType: 'fanout' })
      }
      await until(() => heard.length === sent.length, { what: name })
      const captured = told(name, 'PUBLISH').map(([to = '', payload]) => [
        to.replace('11', `${db}`),
        payload,
      ])
      expect(heard, name).to.deep.equal(captured)
    }
    listener.disconnect()
  })

  it('hears a broadcast with a routing key by its pattern only', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(bound('f1', { name: 'kfan', type: 'fanout' }, ''))
    await channel.declareQueue(bound('f2', { name: 'kfan2', type: 'fanout' }, 'a.#'))
    const heard: string[] = []
    for (const queue of ['f1', 'f2']) {
      const push = (delivery: Delivery): void =>
        void heard.push(`${delivery.queue} ${delivery.message.body.toString()}`)
      await channel.consume(queue, push, { noAck: true })
    }
    for (const [m, exchange, routingKey] of [
      [1, 'kfan', ''],
      [2, 'kfan', 'rk'],
      [3, 'kfan2', 'a.b.c'],
    ] as const) {
      await channel.publish(message({ m }), { exchange, routingKey })
    }
    await until(() => heard.length >= 2)
    expect(heard).to.deep.equal(['f1 {"m": 1}', 'f2 {"m": 3}'])
    expect(told('fanout', 'PUBLISH').map(([to]) => to?.slice(4))).to.deep.equal([
      'kfan',
      'kfan/rk',
      'kfan2/a.b.c',
    ])
  })

  it('serves its queues by turns, in the given order, or by the alphabet', async () => {
    const served = async (queueOrderStrategy: string, prefetch: number): Promise<string[]> => {
      const channel = await bench.channel({ queueOrderStrategy })
      for (const queue of ['k1', 'k0', 'k2']) {
        await channel.declareQueue(direct(queue))
        for (const n of [0, 1])
          await channel.publish(message({ n }), { exchange: '', routingKey: queue })
      }
      await channel.qos(prefetch)
      const order: string[] = []
      const push = (delivery: Delivery): void => {
        order.push(delivery.queue)
        void delivery.ack()
      }
      // all three are there before the first one is asked: the loop starts in the next turn
      await Promise.all(['k1', 'k0', 'k2'].map((queue) => channel.consume(queue, push)))
      await until(() => order.length === 6)
      await channel.close()
      return order
    }
    for (const prefetch of [1, 10]) {
      expect(await served('round_robin', prefetch)).to.deep.equal([
        'k1',
        'k0',
        'k2',
        'k1',
        'k0',
        'k2',
      ])
      expect(await served('priority', prefetch)).to.deep.equal(['k1', 'k1', 'k0', 'k0', 'k2', 'k2'])
      expect(await served('sorted', prefetch)).to.deep.equal(['k0', 'k0', 'k1', 'k1', 'k2', 'k2'])
    }
  })

  it('serves all queues of a lower step before any of a higher one', async () => {
    const channel = await bench.channel()
    await channel.declareQueue(direct('a'))
    await channel.declareQueue(direct('b'))
    for (const [queue, p] of [
      ['a', 9],
      ['a', 3],
      ['b', 3],
      ['b', 0],
    ] as const) {
      await channel.publish(message({ p }, p), { exchange: '', routingKey: queue })
    }
    const order: string[] = []
    const push = (delivery: Delivery): void =>
      void order.push(delivery.queue + delivery.message.body.toString())
    await Promise.all(['a', 'b'].map((queue) => channel.consume(queue, push)))
    await until(() => order.length === 4)
    expect(order).to.deep.equal(['b{"p": 0}', 'a{"p": 3}', 'b{"p": 3}', 'a{"p": 9}'])
  })

  it('leases nothing without ack emulation', async () => {
    const channel = await bench.channel({ ack_emulation: false })
    await channel.declareQueue(direct('kq'))
    await channel.publish(message({ n: 0 }), { exchange: '', routingKey: 'kq' })
    const delivery = await until(() => channel.get('kq'))
    expect(await bench.redis.keys('*')).to.deep.equal(['_kombu.binding.kq'])
    await delivery.requeue()
    expect(await bench.redis.llen('kq')).to.equal(1)
  })

  it('removes the queues that were declared with autoDelete, bindings and all', async () => {
    const channel = await bench.channel()
    const exchange: Exchange = { name: 'reply', type: 'direct' }
    await channel.declareQueue({ ...bound('mine', exchange, 'mine'), autoDelete: true })
    await channel.publish(message({}), { exchange: 'reply', routingKey: 'mine' })
    expect(await bench.redis.keys('*')).to.have.length(2)
    await channel.close()
    expect(await bench.redis.keys('*')).to.deep.equal([])
  })

  it('sends what no queue wants to the dead-letter queue, where there is one', async () => {
    const channel = await bench.channel({ deadletter_queue: 'undelivered' })
    await channel.publish(message({}), { exchange: 'nobody', routingKey: 'x' })
    expect(await bench.redis.llen('undelivered')).to.equal(1)
  })
})
