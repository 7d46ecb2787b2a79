/** Whether results on Redis lie as Celery lays them, and survive what happens to servers. */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { decodeMeta } from '../../protocol/result.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { keyValue } from '../../src/backends/key-value.ts'
import { RedisBackend } from '../../src/backends/redis.ts'
import { RedisLink } from '../../src/backends/redis/link.ts'
import { ResultReader } from '../../src/backends/redis/reader.ts'
import { ResultSubscriber } from '../../src/backends/redis/subscriber.ts'
import { BackendError } from '../../src/errors.ts'
import { openRedis } from '../../src/redis.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { backendContract } from '../contracts/backend.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { redisUrl, startRedis, type RedisServer } from '../support/services.ts'
import { until, within } from '../support/until.ts'

describe('the Redis backend', () => {
  backendContract(async () => {
    const url = await redisUrl()
    return {
      client: new RedisBackend(url, backendDeps()),
      worker: new RedisBackend(url, backendDeps()),
      options: {},
      close: async () => {},
    }
  })

  let url: string
  let redis: Redis
  const opened: RedisBackend[] = []
  const open = (more: Partial<BackendDeps> = {}, at = url): RedisBackend => {
    const backend = new RedisBackend(at, backendDeps(more))
    opened.push(backend)
    return backend
  }
  before(async () => {
    url = await redisUrl()
    redis = new Redis(url)
    redis.on('error', () => {}) // the server may be gone before it
  })
  after(() => redis.disconnect())
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((backend) => backend.close()))
  })
  const key = (id: string): string => `celery-task-meta-${id}`

  describe('on the wire', () => {
    for (const name of ['SUCCESS', 'FAILURE-CustomErr', 'STARTED', 'PROGRESS', 'RETRY-KeyError']) {
      it(`stores under Celery's key the bytes of 562.redis.result-${name}, and publishes them`, async () => {
        const file = new URL(`../../fixtures/562.redis.result-${name}.json`, import.meta.url)
        const capture = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
        const given = decodeMeta(JSON.parse(capture['value'] ?? ''))
        await redis.del(capture['key'] ?? '')
        const published: string[] = []
        const listener = new Redis(url)
        listener.on('message', (channel, message) => published.push(channel, message))
        await listener.subscribe(capture['key'] ?? '')
        await open().store(given)
        await until(() => published.length === 2)
        listener.disconnect()
        expect(published).to.deep.equal([capture['key'], capture['value']])
        expect(await redis.get(capture['key'] ?? '')).to.equal(capture['value'])
        expect(await redis.ttl(capture['key'] ?? '')).to.be.within(86_390, 86_400)
      })
    }

    it('keeps for ever when results do not expire', async () => {
      await open({ resultExpires: null }).store(meta('ever', 'SUCCESS', 1))
      await open({ resultExpires: 0 }).store(meta('ever-0', 'SUCCESS', 1))
      expect(await redis.ttl(key('ever'))).to.equal(-1)
      expect(await redis.ttl(key('ever-0'))).to.equal(-1)
    })

    it('puts the global prefix before keys and channels', async () => {
      const backend = open({ transportOptions: { globalKeyprefix: 'pfx' } })
      const result = new AsyncResult('a', { backend }).get()
      await backend.store(meta('a', 'SUCCESS', 1))
      expect(await within(5, result)).to.equal(1)
      expect(await redis.exists(`pfx_${key('a')}`)).to.equal(1)
    })
  })

  describe('a stored SUCCESS', () => {
    const stored: readonly (readonly [string, string, string | Buffer])[] = [
      ['json', "Python's JSON", '{"status": "SUCCESS", "result": 1, "task_id": "x"}'],
      ['json', 'compact JSON', '{"status":"SUCCESS","result":1,"task_id":"x"}'],
      [
        'msgpack',
        "Python's msgpack",
        Buffer.from(
          '86a6737461747573a753554343455353a6726573756c7401a974726163656261636bc0a86368696c6472656e90a9646174655f646f6e65c0a77461736b5f6964a178',
          'hex',
        ),
      ],
      [
        'yaml',
        "Python's YAML",
        'children: []\ndate_done: null\nresult: 1\nstatus: SUCCESS\ntask_id: x\ntraceback: null\n',
      ],
    ]
    for (const [resultSerializer, title, value] of stored) {
      it(`is told in ${title}, and stays`, async () => {
        const id = randomUUID()
        await redis.set(key(id), value)
        await open({ resultSerializer }).store(meta(id, 'REVOKED', exception('X', [])))
        expect(await redis.getBuffer(key(id))).to.deep.equal(Buffer.from(value))
      })
    }

    for (const resultSerializer of ['json', 'msgpack', 'yaml']) {
      it(`is told in our own ${resultSerializer}, and from one that only a result speaks of`, async () => {
        const backend = open({ resultSerializer })
        const id = randomUUID()
        const decoy = { status: 'SUCCESS', text: '\nstatus: SUCCESS\n{"status": "SUCCESS"' }
        await backend.store(meta(id, 'PROGRESS', decoy))
        expect((await backend.fetch(id)).result).to.deep.equal(decoy)
        await backend.store(meta(id, 'SUCCESS', 1))
        await backend.store(meta(id, 'FAILURE', exception('X', [])))
        expect(await backend.fetch(id)).to.deep.include({ status: 'SUCCESS', result: 1 })
      })
    }

    it('is told with a serializer of the user, too', async () => {
      const deps = backendDeps()
      const json = deps.codec.serializers.get('json')
      deps.codec.serializers.register({
        ...json,
        name: 'mine',
        contentType: 'application/x-mine',
        encode: (value) => json.encode(value),
        decode: (body, limits) => json.decode(body, limits),
      })
      const accept = new Set(['application/x-mine'])
      const backend = open({ codec: deps.codec, resultSerializer: 'mine', accept })
      await backend.store(meta('mine', 'SUCCESS', 1))
      await backend.store(meta('mine', 'FAILURE', exception('X', [])))
      expect((await backend.fetch('mine')).status).to.equal('SUCCESS')
    })
  })

  it('stores in batches, and many at a time', async () => {
    const backend = open()
    await backend.store(meta('warm', 'SUCCESS'))
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
    const before = await calls()
    await Promise.all(
      Array.from({ length: 2000 }, (_, n) => backend.store(meta(`b${n}`, 'SUCCESS', n))),
    )
    expect((await calls()) - before).to.be.below(40)
    expect((await backend.fetch('b1999')).result).to.equal(1999)
  })

  it('stores what comes in the very moment that another store ends', async () => {
    const backend = open()
    const chain = async (name: string): Promise<void> => {
      for (let n = 0; n < 50; n += 1) await backend.store(meta(`${name}-${n}`, 'SUCCESS'))
    }
    await within(10, Promise.all(Array.from({ length: 50 }, (_, n) => chain(`chain-${n}`))))
  })

  it('fails one result that the server refuses, not those that travel with it', async () => {
    const backend = open()
    await redis.lpush(key('list'), 'what is this')
    const stores = ['a1', 'list', 'a2'].map((id) => backend.store(meta(id, 'SUCCESS')))
    const answers = await Promise.allSettled(stores)
    expect(answers.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(String((answers[1] as PromiseRejectedResult).reason)).to.contain('WRONGTYPE')
    await redis.del(key('list'))
  })

  it('finds, after a while, what was stored without a word', async () => {
    const log = SILENT
    const policy = { maxRetries: 1, intervalStart: 0, intervalStep: 0, intervalMax: 0 }
    const link = (): RedisLink => new RedisLink({ open: () => openRedis(url), policy, log })
    const readLink = link()
    const reader = new ResultReader(readLink)
    const subscriber = new ResultSubscriber({
      link: link(),
      read: (from) => reader.read(from),
      probeRead: (seconds) => readLink.probe(seconds),
      keyValue: keyValue(backendDeps()),
      rereadInterval: 0.05,
    })
    const seen: unknown[] = []
    subscriber.subscribe('mute', { onMeta: ({ result }) => seen.push(result) })
    for (const result of [1, 2]) {
      await redis.set(key('mute'), `{"status": "PROGRESS", "result": ${result}}`)
      await until(() => seen.includes(result))
    }
    await new Promise((resolve) => setTimeout(resolve, 150)) // two more looks
    expect(seen).to.deep.equal([1, 2])
    subscriber.close()
    readLink.close()
  })

  it('waits for a server that is out of memory', async () => {
    const server = await startRedis()
    const admin = new Redis(server.url)
    const backend = open({ transportOptions: { retryPolicy: { intervalMax: 0.05 } } }, server.url)
    await backend.store(meta('before', 'SUCCESS'))
    await admin.config('SET', 'maxmemory', '1')
    const stored = backend.store(meta('after', 'SUCCESS', 1))
    await until(async () => (await admin.info('errorstats')).includes('errorstat_OOM'))
    await admin.config('SET', 'maxmemory', '0')
    await within(5, stored)
    expect((await backend.fetch('after')).result).to.equal(1)
    admin.disconnect()
    await backend.close()
    await server.stop()
  })

  it('goes on when the server has forgotten its scripts', async () => {
    const backend = open()
    await backend.store(meta('one', 'SUCCESS', 1))
    await redis.script('FLUSH')
    await backend.store(meta('two', 'SUCCESS', 2))
    expect((await backend.fetch('two')).result).to.equal(2)
  })

  it('ends a wait for bytes that cannot be read, and fails a question', async () => {
    const backend = open()
    await redis.set(key('broken'), '{"status": ')
    const result = new AsyncResult('broken', { backend })
    const answers = await within(5, Promise.allSettled([result.get(), result.state()]))
    for (const answer of answers) {
      expect(answer).to.have.nested.property('reason.code', 'ERR_DECODE')
    }
  })

  it('settles 1,000 waits though the channels were cut', async () => {
    const [client, worker] = [open(), open()]
    const ids = Array.from({ length: 1000 }, () => randomUUID())
    const results = ids.map((id) => new AsyncResult<number>(id, { backend: client }).get())
    const subscribed = async (): Promise<number> =>
      (await redis.pubsub('CHANNELS', 'celery-task-meta-*')).length
    await until(async () => (await subscribed()) >= 1000)
    await Promise.all(ids.slice(0, 500).map((id, n) => worker.store(meta(id, 'SUCCESS', n))))
    expect(await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).to.be.at.least(1)
    await Promise.all(ids.slice(500).map((id, n) => worker.store(meta(id, 'SUCCESS', n + 500))))
    expect(await within(3, Promise.all(results))).to.deep.equal(ids.map((_, n) => n))
    await until(async () => (await subscribed()) === 0)
  })

  describe('when its server is away', () => {
    let server: RedisServer
    beforeEach(async () => {
      server = await startRedis({ persistent: true })
    })
    afterEach(() => server.stop())

    it('keeps what is to be stored until the server is back, and who waits hears of it', async () => {
      const [client, worker] = [open({}, server.url), open({}, server.url)]
      const result = new AsyncResult<number>('a', { backend: client }).get()
      await worker.store(meta('a', 'STARTED'))
      await server.kill()
      const stored = worker.store(meta('a', 'SUCCESS', 42))
      await new Promise((resolve) => setTimeout(resolve, 3000)) // the length of the outage
      await server.restart()
      await within(5, stored)
      expect(await within(5, result)).to.equal(42)
      expect((await client.fetch('a')).result).to.equal(42)
    })

    it('gives up by the retry policy, with an error that tells why', async () => {
      const retryPolicy = { maxRetries: 2, intervalStep: 0.05 }
      const backend = open({ transportOptions: { retryPolicy } }, server.url)
      await server.kill()
      const work = [
        backend.store(meta('a', 'SUCCESS')),
        backend.fetch('a'),
        new AsyncResult('a', { backend }).get(),
      ]
      for (const answer of await within(10, Promise.allSettled(work))) {
        const reason: unknown = answer.status === 'rejected' ? answer.reason : undefined
        expect(reason).to.be.instanceOf(BackendError)
        expect(String(reason)).to.contain('ECONNREFUSED').and.contain(String(server.port))
      }
      await server.restart()
      await within(5, backend.store(meta('a', 'SUCCESS')))
    })

    it('closes in time', async () => {
      const backend = open({}, server.url)
      await backend.start()
      await server.kill()
      const stored = backend.store(meta('a', 'SUCCESS')).catch((reason: unknown) => reason)
      await within(8, backend.close())
      expect(await within(1, stored)).to.be.instanceOf(Error)
    })
  })
})
