/** Whether groups are kept and chords are counted on Redis where Python counts them, and as it does. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import type { ResultTuple } from '../../../protocol/result.ts'
import type { BackendDeps } from '../../../src/backends/deps.ts'
import { RedisBackend } from '../../../src/backends/redis.ts'
import type { ChordStore } from '../../../src/results/backend.ts'
import { groupContract } from '../../contracts/groups.ts'
import { capture } from '../../protocol/captures.ts'
import { backendDeps } from '../../support/backend.ts'
import { redisUrl } from '../../support/services.ts'

describe('chords on Redis', () => {
  let url: string
  let redis: Redis
  let id: string
  const opened: RedisBackend[] = []
  const open = (more: Partial<BackendDeps> = {}): RedisBackend => {
    const backend = new RedisBackend(url, backendDeps(more))
    opened.push(backend)
    return backend
  }
  const chords = (more: Partial<BackendDeps> = {}): ChordStore => open(more).chords
  const ofTwo = (): Parameters<ChordStore['open']>[0] => ({ header: [[id, null], []], size: 2 })
  before(async () => {
    url = await redisUrl()
    redis = new Redis(url)
  })
  after(() => redis.disconnect())
  beforeEach(() => (id = randomUUID()))
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((backend) => backend.close()))
  })
  const key = (suffix = ''): string => `celery-taskset-meta-${id}${suffix}`
  const part = (taskId: string, index: number, result: unknown = taskId) => ({
    groupId: id,
    groupIndex: index,
    taskId,
    state: 'SUCCESS',
    result,
  })

  for (const serializer of ['json', 'msgpack', 'yaml']) {
    describe(`written in ${serializer}`, () => {
      groupContract(
        async () => new RedisBackend(url, backendDeps({ resultSerializer: serializer })),
      )
    })
  }

  it('has the size, the parts and their lifetime under the keys of Celery (562.redis.chord-part-return)', async () => {
    const { commands } = capture('562.redis.chord-part-return') as unknown as {
      commands: string[][]
    }
    const [, zadd] = commands
    const text = zadd?.at(3) ?? ''
    const [, taskId, , result] = JSON.parse(text) as [number, string, string, number]
    const store = chords()
    await store.open(ofTwo())
    await store.addToChord(id, 1)
    await store.onChordPartReturn(part(taskId, 0, result))
    expect(await redis.get(key('.s'))).to.equal('2')
    expect(await redis.get(key('.t'))).to.equal('1')
    expect(await redis.zrange(key('.j'), '0', '-1', 'WITHSCORES')).to.deep.equal([text, '0'])
    for (const suffix of ['.s', '.t', '.j']) {
      expect(await redis.ttl(key(suffix))).to.be.within(86_390, 86_400)
    }
    await store.endChord(id)
    expect(await redis.keys(`${key()}*`)).to.deep.equal([])
  })

  it('keeps a group as Celery does (562.redis.group-meta)', async () => {
    const [, name = '', , value = ''] = (
      capture('562.redis.group-meta') as unknown as { cmd: string[] }
    ).cmd
    const group = (JSON.parse(value) as { result: never }).result
    await open().groups.save(group)
    expect(await redis.get(name)).to.equal(value)
  })

  it('goes on where a Python worker has counted, and takes no part of its twice', async () => {
    const store = chords()
    for (const result of [1, 2]) await redis.zadd(key('.j'), 0, `[1, "a", "SUCCESS", ${result}]`)
    await redis.set(key('.s'), 3)
    expect(await store.onChordPartReturn(part('b', 1))).to.equal(undefined)
    const all = await store.onChordPartReturn(part('c', 2))
    expect(all?.map(({ taskId }) => taskId)).to.deep.equal(['a', 'b', 'c'])
  })

  it('takes the place of what a Python worker counted of the same task', async () => {
    const store = chords()
    await redis.zadd(key('.j'), 0, '[1, "a", "SUCCESS", 1]')
    await redis.set(key('.s'), 1)
    const all = await store.onChordPartReturn(part('a', 0, 2))
    expect(all).to.deep.equal([{ taskId: 'a', state: 'SUCCESS', result: 2 }])
  })

  it('waits for all of a header whose size a Python worker wrote over with that of a group in it', async () => {
    const [b, c, d] = ['b', 'c', 'd'].map((taskId): ResultTuple => [[taskId, null], null])
    const header = [
      [id, null],
      [
        [
          ['inner', null],
          [b, c],
        ],
        d,
      ],
    ] as ResultTuple
    const store = chords()
    await store.open({ header, size: 3 })
    await redis.set(key('.s'), 2, 'KEEPTTL')
    expect(await store.onChordPartReturn(part('d', 1))).to.equal(undefined)
    expect(await store.onChordPartReturn(part('b', 0))).to.equal(undefined)
    expect(await redis.get(key('.s'))).to.equal('3')
    expect(await store.onChordPartReturn(part('c', 0))).to.have.length(3)
  })

  it('is a list when its order does not matter, as resultChordOrdered says', async () => {
    const store = chords({ transportOptions: { resultChordOrdered: false } })
    await store.open(ofTwo())
    await store.onChordPartReturn(part('b', 1))
    await store.onChordPartReturn(part('b', 1, 'again'))
    expect(await redis.lrange(key('.j'), 0, -1)).to.deep.equal([
      '[1, "b", "SUCCESS", "b"]',
      '[1, "b", "SUCCESS", "again"]',
    ])
    const all = await store.onChordPartReturn(part('a', 0))
    expect(all?.map(({ result }) => result)).to.deep.equal(['again', 'a'])
  })

  it('lives for ever when results do', async () => {
    const store = chords({ resultExpires: 0 })
    await store.open(ofTwo())
    await store.onChordPartReturn(part('a', 0))
    for (const suffix of ['.s', '.j']) expect(await redis.ttl(key(suffix))).to.equal(-1)
  })

  it('counts thousands that share a place, and none of them twice', async () => {
    const store = chords()
    const taskIds = Array.from({ length: 2000 }, (_, n) => `t${n}`)
    await store.open({ header: [[id, null], []], size: taskIds.length })
    const last = taskIds.pop() ?? ''
    await Promise.all(taskIds.map((taskId) => store.onChordPartReturn(part(taskId, 0))))
    expect(await store.onChordPartReturn(part('t7', 0, 'again'))).to.equal(undefined)
    const all = await store.onChordPartReturn(part(last, 0))
    expect(new Set(all?.map(({ taskId }) => taskId))).to.deep.equal(new Set([...taskIds, last]))
    expect(all).to.have.length(2000)
  })

  it('leaves the parts of a chord that failed to who looks for them, and never completes it again', async () => {
    const store = chords()
    await store.open(ofTwo())
    await store.onChordPartReturn(part('a', 0))
    await store.onChordPartReturn(part('b', 1))
    await store.endChord(id, true)
    expect(await redis.keys(`${key()}*`)).to.deep.equal([key('.j')])
    expect(await redis.zcard(key('.j'))).to.equal(2)
    expect(await store.onChordPartReturn(part('b', 1))).to.equal(undefined)
  })

  it('is given to another when who had it has not ended it in time', async () => {
    const store = chords()
    await store.open(ofTwo())
    await store.onChordPartReturn(part('a', 0))
    await store.onChordPartReturn(part('b', 1))
    expect(await redis.ttl(key('.c'))).to.be.within(50, 60)
    await redis.del(key('.c'))
    expect(await store.onChordPartReturn(part('a', 0))).to.have.length(2)
  })
})
