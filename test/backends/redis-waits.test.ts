/** Whether ten thousand may wait for results on Redis at once, on one connection, and none in vain. */

import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { keyValue } from '../../src/backends/key-value.ts'
import { RedisBackend } from '../../src/backends/redis.ts'
import { RedisLink } from '../../src/backends/redis/link.ts'
import { ResultReader } from '../../src/backends/redis/reader.ts'
import { ResultSubscriber } from '../../src/backends/redis/subscriber.ts'
import { Celery } from '../../src/app/celery.ts'
import { openRedis } from '../../src/redis.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { GroupResult } from '../../src/results/group-result.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { backendDeps, meta } from '../support/backend.ts'
import { Proxy } from '../support/proxy.ts'
import { redisUrl } from '../support/services.ts'
import { until, within } from '../support/until.ts'

const MANY = 10_000

describe('those who wait for results on Redis', () => {
  let url: string
  let redis: Redis
  let proxy: Proxy
  const closing: { close(): unknown }[] = []

  before(async () => {
    url = await redisUrl()
    redis = new Redis(url)
    const { hostname: host, port } = new URL(url)
    proxy = await new Proxy({ host, port: Number(port) }).start()
  })
  after(async () => {
    redis.disconnect()
    await proxy.stop()
  })
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((each) => each.close()))
  })

  /** A backend whose connections can be told from all others. */
  function open(at = url): { readonly backend: RedisBackend; readonly name: string } {
    const name = `waits-${randomUUID()}`
    const settings = { ...backendDeps().redis, clientName: name }
    const backend = new RedisBackend(at, backendDeps({ redis: settings }))
    closing.push(backend)
    return { backend, name }
  }

  /** How many channels each connection of that name is subscribed to. */
  async function channels(name: string): Promise<readonly number[]> {
    const list = String(await redis.client('LIST'))
    return list
      .split('\n')
      .filter((line) => line.includes(`name=${name} `))
      .map((line) => Number(/ sub=(\d+)/.exec(line)?.[1]))
      .toSorted((one, other) => one - other)
  }

  const subscribed = (name: string, count: number): Promise<true> =>
    until(async () => (await channels(name)).at(-1) === count && (true as const), {
      seconds: 30,
      what: `${count} channels`,
    })

  const newIds = (count: number): readonly string[] =>
    Array.from({ length: count }, () => randomUUID())

  it('share one connection, ten thousand of them, and leave nothing behind', async () => {
    const { backend, name } = open()
    const worker = open().backend
    const ids = newIds(MANY)
    const answers = Promise.all(ids.map((id) => new AsyncResult<number>(id, { backend }).get()))
    // one to read, one to subscribe
    await until(async () => isDeepStrictEqual(await channels(name), [0, MANY]), { seconds: 30 })
    await Promise.all(ids.map((id, n) => worker.store(meta(id, 'SUCCESS', n))))
    expect(await within(60, answers)).to.deep.equal(ids.map((_, n) => n))
    await subscribed(name, 0)
    expect(await channels(name)).to.deep.equal([0, 0])
    await redis.unlink(...ids.map((id) => `celery-task-meta-${id}`))
  }).timeout(120_000)

  it('wait for a group of ten thousand with a few commands', async () => {
    const { backend, name } = open()
    const worker = open().backend
    const ids = newIds(MANY)
    const group = new GroupResult<number[]>(
      randomUUID(),
      ids.map((id) => new AsyncResult<number>(id, { backend })),
    )
    const answer = group.get()
    await subscribed(name, MANY)
    await Promise.all(ids.map((id, n) => worker.store(meta(id, 'SUCCESS', n))))
    expect(await within(60, answer)).to.deep.equal(ids.map((_, n) => n))
    expect(await group.completedCount()).to.equal(MANY)
    await subscribed(name, 0)
    await redis.unlink(...ids.map((id) => `celery-task-meta-${id}`))
  }).timeout(120_000)

  it('are the first to open a connection: to send opens none, and subscribes to nothing', async () => {
    const name = `sends-${randomUUID()}`
    const settings = { brokerUrl: `memory://${name}`, resultBackend: url, redisClientName: name }
    const app = new Celery('sends', settings, { logger: SILENT, env: {} })
    closing.push(app)
    const sent = await Promise.all(Array.from({ length: 200 }, () => app.sendTask<number>('x')))
    expect(await channels(name)).to.deep.equal([])
    const [first] = sent
    const answer = first?.get({ timeout: 30 })
    await subscribed(name, 1)
    await open().backend.store(meta(first?.id ?? '', 'SUCCESS', 5))
    expect(await answer).to.equal(5)
    await subscribed(name, 0)
  })

  it('hear of what is stored while their connections are cut again and again', async () => {
    const { backend } = open(proxy.url(url))
    const worker = open().backend
    const ids = newIds(600)
    const answers = Promise.all(ids.map((id) => new AsyncResult<number>(id, { backend }).get()))
    for (let from = 0; from < ids.length; from += 100) {
      const stored = ids
        .slice(from, from + 100)
        .map((id, n) => worker.store(meta(id, 'SUCCESS', from + n)))
      await Promise.all([proxy.cut(), ...stored])
    }
    expect(await within(60, answers)).to.deep.equal(ids.map((_, n) => n))
  }).timeout(90_000)

  it('hear of it wherever in the conversation they are cut', async () => {
    const worker = open().backend
    const { hostname: host, port } = new URL(url)
    const cutAfter = async (pieces: number): Promise<void> => {
      const broken = await new Proxy({ host, port: Number(port) }).start()
      broken.cutAfter(pieces)
      const { backend } = open(broken.url(url))
      const id = randomUUID()
      const answer = new AsyncResult<number>(id, { backend }).get({ timeout: 60 })
      const healing = setTimeout(() => broken.cutAfter(Infinity), 100)
      await worker.store(meta(id, 'SUCCESS', pieces))
      expect(await answer).to.equal(pieces)
      clearTimeout(healing)
      await backend.close()
      await broken.stop()
    }
    await Promise.all(Array.from({ length: 20 }, (_, pieces) => cutAfter(pieces)))
  }).timeout(90_000)

  it('hear of what is stored while nothing arrives on connections that nobody closed', async () => {
    const policy = { maxRetries: null, intervalStart: 0, intervalStep: 0.05, intervalMax: 0.1 }
    const connect = (): Promise<Redis> => openRedis(proxy.url(url))
    const link = (): RedisLink => new RedisLink({ open: connect, policy, log: SILENT })
    const readLink = link()
    const reader = new ResultReader(readLink)
    const subscriber = new ResultSubscriber({
      link: link(),
      read: (key) => reader.read(key),
      probeRead: (seconds) => readLink.probe(seconds),
      keyValue: keyValue(backendDeps()),
      rereadInterval: 0.2,
    })
    closing.push({ close: () => (subscriber.close(), readLink.close()) })
    const ids = newIds(100)
    const seen = new Set<string>()
    for (const id of ids) {
      const unsubscribe = subscriber.subscribe(id, {
        onMeta: ({ taskId }) => {
          seen.add(taskId)
          unsubscribe()
        },
      })
    }
    const names = async (): Promise<readonly unknown[]> =>
      (await redis.pubsub('NUMSUB', ...ids.map((id) => `celery-task-meta-${id}`))).filter(
        (each) => each === 1,
      )
    await until(async () => (await names()).length === ids.length)
    await readLink.client()
    proxy.blackhole()
    const store = (some: readonly string[]): Promise<unknown> =>
      Promise.all(
        some.map((id) => redis.set(`celery-task-meta-${id}`, '{"status": "SUCCESS", "result": 1}')),
      )
    await store(ids.slice(0, 50))
    await until(() => seen.size === 50, { seconds: 30 })
    await store(ids.slice(50))
    await until(() => seen.size === ids.length, { seconds: 30 })
  }).timeout(90_000)
})
