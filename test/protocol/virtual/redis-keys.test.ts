/** The names of keys and channels in Redis. */

import { expect } from 'chai'
import {
  priorityStep,
  redisKeys,
  resultKeys,
  type RedisKeyOptions,
  type RedisKeys,
} from '../../../protocol/virtual/redis-keys.ts'
import { decodeUnacked, encodeUnacked } from '../../../protocol/virtual/unacked.ts'
import { captureNames, commands } from '../captures.ts'

/** The transport options that the captures were made with, where they are not the defaults. */
const OPTIONS: Readonly<Record<string, RedisKeyOptions>> = {
  'custom-keys': { unackedKey: 'U', unackedIndexKey: 'UI' },
  'fanout-legacy': { fanoutPrefix: false, fanoutPatterns: false },
  'fanout-prefix-custom': { fanoutPrefix: '/pre{db}.' },
  'global-keyprefix': { globalKeyprefix: 'app1:' },
  'priority-steps-sep': { prioritySteps: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], sep: ':' },
}

interface WireEnvelope {
  readonly properties: {
    readonly priority: number
    readonly delivery_info: { readonly exchange: string; readonly routing_key: string }
  }
}

type Check = (keys: RedisKeys, words: readonly string[], options: RedisKeyOptions) => void

const isList: Check = (keys, [, key = '']) => {
  expect(keys.steps(keys.queueOf(key))).to.include(key)
}
const isPush: Check = (keys, [, key = '', envelope = '']) => {
  const { properties } = JSON.parse(envelope) as WireEnvelope
  expect(keys.queue(keys.queueOf(key), properties.priority)).to.equal(key)
}
const isBinding: Check = (keys, [, key = '', text = ''], { globalKeyprefix = '' }) => {
  expect(keys.binding(key.slice(`${globalKeyprefix}_kombu.binding.`.length))).to.equal(key)
  const member = keys.readBindingMember(text)
  expect(member).to.not.equal(undefined)
  if (member !== undefined) expect(keys.bindingMember(member)).to.equal(text)
}
const isUnacked: Check = (keys, [, key]) => expect(key).to.equal(keys.unacked)
const isUnackedIndex: Check = (keys, [, key]) => expect(key).to.equal(keys.unackedIndex)

/** What a key in each command must be. */
const COMMANDS: Readonly<Record<string, Check>> = {
  LPUSH: isPush,
  RPUSH: isPush,
  RPOP: isList,
  LLEN: isList,
  DEL: isList,
  EXISTS: isList,
  SADD: isBinding,
  SREM: isBinding,
  ZADD: isUnackedIndex,
  ZREM: isUnackedIndex,
  ZREVRANGEBYSCORE: isUnackedIndex,
  HGET: isUnacked,
  HDEL: isUnacked,
  WATCH: isUnacked,
  SET: (keys, [, key]) => expect(key).to.equal(keys.unackedMutex),
  EVALSHA: (keys, words) => expect(words[3]).to.equal(keys.unackedMutex),
  HSET: (keys, words) => {
    isUnacked(keys, words, {})
    expect(encodeUnacked(decodeUnacked(words[3] ?? ''))).to.equal(words[3])
  },
  BRPOP: (keys, words) => {
    const lists = words.slice(1, -1)
    const queues = lists.slice(0, lists.length / keys.prioritySteps.length)
    expect(keys.poll(queues.map((queue) => keys.queueOf(queue)))).to.deep.equal(lists)
  },
  PUBLISH: (keys, [, channel, envelope = '']) => {
    const { exchange, routing_key } = (JSON.parse(envelope) as WireEnvelope).properties
      .delivery_info
    expect(keys.channel(exchange, routing_key)).to.equal(channel)
    expect(keys.exchangeOf(channel ?? '')).to.equal(exchange)
  },
}

/** kombu 5.2 put back what was restored to the plain list, whatever its priority; 5.3 mended it. */
function restoredToPlainList(name: string, [word, , envelope]: readonly string[]): boolean {
  const restored = word === 'LPUSH' || word === 'RPUSH'
  return name.startsWith('526.') && restored && envelope?.includes('"redelivered": true') === true
}

describe('the Redis keys of kombu', () => {
  for (const name of captureNames().filter((file) => file.includes('.redis.transport.'))) {
    it(`are those of ${name}`, () => {
      const options = { db: 11, ...OPTIONS[name.slice('562.redis.transport.'.length)] }
      const keys = redisKeys(options)
      for (const words of commands(name)) {
        if (restoredToPlainList(name, words)) continue
        COMMANDS[words[0] ?? '']?.(keys, words, options)
      }
    })
  }

  it('subscribe to what kombu subscribes to', () => {
    const keys = redisKeys({ db: 11 })
    const subscribed = commands('562.redis.transport.fanout').find(
      ([word]) => word === 'PSUBSCRIBE',
    )
    const ours = [keys.channelPattern('kfan'), keys.channelPattern('kfan2', 'a.#')]
    expect(subscribed?.slice(1)).to.have.members(ours)
  })

  it('find the exchange of a channel, with a prefix and a pattern as well', () => {
    const keys = redisKeys({ db: 2, globalKeyprefix: 'app1:' })
    const channel = keys.channel('celeryev', 'task.multi')
    expect(channel).to.equal('app1:/2.celeryev/task.multi')
    expect(keys.exchangeOf(channel)).to.equal('celeryev')
    expect(keys.exchangeOf(keys.channel('celery.pidbox'))).to.equal('celery.pidbox')
  })

  it('refuse a member of a binding set that has no three parts', () => {
    expect(redisKeys().readBindingMember('only-one')).to.equal(undefined)
    expect(redisKeys().readBindingMember('a\x06\x16b\x06\x16c\x06\x16d')).to.equal(undefined)
  })

  const STEPS: readonly [priority: unknown, step: number][] = [
    [undefined, 0],
    [null, 0],
    [0, 0],
    [2, 0],
    [3, 3],
    [5, 3],
    [8, 6],
    [9, 9],
    [25, 9],
    [-4, 0],
    ['6', 6],
    ['high', 0],
    [NaN, 0],
    [Infinity, 9],
    [6.9, 6],
  ]
  for (const [priority, step] of STEPS) {
    it(`put priority ${JSON.stringify(priority)} on step ${step}`, () => {
      expect(priorityStep(priority)).to.equal(step)
    })
  }
})

describe('the keys of a result backend', () => {
  it('are those of Celery', () => {
    const keys = resultKeys()
    expect(keys.task('i')).to.equal('celery-task-meta-i')
    expect(keys.group('g')).to.equal('celery-taskset-meta-g')
    expect(keys.chordJoin('g')).to.equal('celery-taskset-meta-g.j')
    expect(keys.chordAdded('g')).to.equal('celery-taskset-meta-g.t')
    expect(keys.chordSize('g')).to.equal('celery-taskset-meta-g.s')
    expect(keys.chordUnlock('g')).to.equal('chord-unlock-g')
    expect([keys.idOf(keys.task('i')), keys.idOf(keys.group('g'))]).to.deep.equal(['i', 'g'])
  })

  it('join a prefix by an underscore unless it ends with a sign of its own', () => {
    expect(resultKeys('pfx').task('i')).to.equal('pfx_celery-task-meta-i')
    for (const prefix of ['p:', 'p_', 'p-', 'p.']) {
      expect(resultKeys(prefix).task('i')).to.equal(`${prefix}celery-task-meta-i`)
    }
  })

  it('are those of the capture with a prefix', () => {
    const seen = commands('562.redis.backend-backend-keyprefix')
    const ids = seen.filter(([word]) => word === 'SETEX').map(([, key = '']) => key)
    const keys = resultKeys('pfx')
    const known = (key: string): boolean => /^pfx_celery-task(set)?-meta-/.test(key)
    expect(ids).to.have.length.above(0)
    for (const key of ids) {
      expect(known(key) && keys.idOf(key) !== key, key).to.equal(true)
    }
  })
})
