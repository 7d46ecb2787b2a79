/** Celery's own tasks, as a worker is given them. */

import { expect } from 'chai'
import type { ResultTuple } from '../../protocol/result.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { groupOf } from '../../src/canvas/primitives.ts'
import type { Celery } from '../../src/celery.ts'
import { BackendError } from '../../src/errors.ts'
import { createTestApp, startTestWorker } from '../../src/testing.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { capture, walk } from '../protocol/captures.ts'
import { exception, meta } from '../support/backend.ts'
import { until } from '../support/until.ts'
import { fixture, type Fixture } from './fakes.ts'

const NAMES = [
  'accumulate',
  'backend_cleanup',
  'chain',
  'chord',
  'chord_unlock',
  'chunks',
  'group',
  'map',
  'ping',
  'starmap',
]

describe('the builtin tasks', () => {
  let app: Fixture
  beforeEach(() => {
    app = fixture()
    app.task('shop.add', (x: number, y: number = 10) => x + y)
  })
  const fails = async (task: string, kwargs: Record<string, unknown>): Promise<unknown> => {
    await app.run({ task, kwargs })
    return app.backend.last.result
  }

  it('are those of Celery', () => {
    const own = app.host.tasks.names().filter((name) => name.startsWith('celery.'))
    expect(own).to.deep.equal(NAMES.map((name) => `celery.${name}`))
  })

  it('celery.map and celery.starmap call the function for each item, and give one list', async () => {
    const task = signature('shop.add')
    await app.run({ task: 'celery.map', kwargs: { task, it: [1, 2] } })
    expect(app.backend.last.result).to.deep.equal([11, 12])
    await app.run({ task: 'celery.starmap', args: [task, [[1, 2], [3]]] })
    expect(app.backend.last.result).to.deep.equal([3, 13])
    expect(app.backend.metas).to.have.length(2)
  })

  it('celery.map fails when the inner task is not here, or the items are no list', async () => {
    const task = signature('shop.add')
    expect(await fails('celery.map', { task: signature('nope'), it: [1] })).to.deep.include({
      exc_type: 'NotRegistered',
    })
    for (const it of [5, undefined]) {
      expect(await fails('celery.map', { task, it })).to.deep.include({ exc_type: 'TypeError' })
    }
    expect(await fails('celery.starmap', { task, it: [5] })).to.deep.include({
      exc_type: 'TypeError',
    })
  })

  it('celery.chunks sends a group of starmaps, and gives its result (562.redis.chunks)', async () => {
    const it = [
      [1, 2],
      [3, 4],
      [5, 6],
    ]
    await app.run({ task: 'celery.chunks', kwargs: { task: signature('wire.add'), it, n: 2 } })
    const bodies = [...walk(capture('562.redis.chunks'))].flatMap((value) =>
      typeof (value as { body_bytes?: string } | null)?.body_bytes === 'string'
        ? [(JSON.parse((value as { body_bytes: string }).body_bytes) as unknown[]).slice(0, 2)]
        : [],
    )
    const sent = app.sender.sent.map(({ args, options }) => [args, options.kwargs])
    expect(sent).to.have.deep.members(bodies)
    expect(app.sender.sent.map(({ task }) => task)).to.deep.equal([
      'celery.starmap',
      'celery.starmap',
    ])
    const [[group], members] = app.backend.last.result as ResultTuple
    expect(app.sender.sent.map(({ options }) => options.groupId)).to.deep.equal([group, group])
    expect(members).to.have.length(2)
    expect(app.backend.last.children).to.deep.equal([app.backend.last.result])
  })

  it('celery.chunks fails when there is no number to chunk by', async () => {
    const given = { task: signature('shop.add'), it: [] }
    for (const n of [0, 1.5, '2', undefined]) {
      expect(await fails('celery.chunks', { ...given, n })).to.deep.include({
        exc_type: 'TypeError',
      })
    }
  })

  it('celery.group sends tasks that have their ids, with arguments before their own', async () => {
    const tasks = ['a', 'b'].map((id) =>
      signature('shop.add', [1], {}, { options: { task_id: id } }),
    )
    const result: ResultTuple = [
      ['g', null],
      [
        [['a', null], null],
        [['b', null], null],
      ],
    ]
    await app.run({ task: 'celery.group', args: [tasks, result, 'g', [9]] })
    expect(
      app.sender.sent.map(({ args, options }) => [args, options.taskId, options.groupId]),
    ).to.deep.equal([
      [[9, 1], 'a', 'g'],
      [[9, 1], 'b', 'g'],
    ])
    expect(app.backend.last.result).to.deep.equal(result)
    expect(app.backend.last.children).to.deep.equal([result])
  })

  it('celery.chain is no task, and says so as Celery does', async () => {
    expect(await fails('celery.chain', {})).to.deep.equal({
      exc_type: 'NotImplementedError',
      exc_message: ['chain is not a real task'],
      exc_module: 'builtins',
    })
  })

  it('celery.accumulate gives its arguments, or one of them', async () => {
    await app.run({ task: 'celery.accumulate', args: [1, 2] })
    expect(app.backend.last.result).to.deep.equal([1, 2])
    await app.run({ task: 'celery.accumulate', args: [1, 2], kwargs: { index: 0 } })
    expect(app.backend.last.result).to.equal(1)
  })

  it('celery.backend_cleanup has the backend delete what is old, where it can; celery.ping answers', async () => {
    expect(await app.run({ task: 'celery.backend_cleanup' })).to.include({ state: 'SUCCESS' })
    let cleanups = 0
    const cleanup = async (): Promise<void> => void (cleanups += 1)
    Object.assign(app.backend, { cleanup })
    expect(await app.run({ task: 'celery.backend_cleanup' })).to.include({ state: 'SUCCESS' })
    expect(cleanups).to.equal(1)
    await app.run({ task: 'celery.ping' })
    expect(app.backend.last.result).to.equal('pong')
  })

  it('celery.chord_unlock comes again as often, and as soon, as it is told', async () => {
    const result = [[['a', null], null]]
    const unlock = (kwargs: Record<string, unknown>) =>
      app.run({
        task: 'celery.chord_unlock',
        args: ['g', signature('sum')],
        kwargs: { result, ...kwargs },
      })
    expect(await unlock({ interval: null, max_retries: null })).to.include({ state: 'RETRY' })
    expect(app.sender.last).to.deep.include({ task: 'celery.chord_unlock' })
    expect(app.sender.last.options).to.include({ countdown: 1, retries: 1, ignoreResult: true })
    expect(app.backend.metas).to.deep.equal([])
    await unlock({ interval: 0.5 })
    expect(app.sender.last.options).to.include({ countdown: 0.5 })
    expect(await unlock({ max_retries: 0 })).to.include({ state: 'FAILURE' })
    app.backend.fetchMany = () => Promise.reject(new Error('away'))
    expect(await unlock({})).to.include({
      state: 'RETRY',
      message: "Retry in 1s: Exception('away')",
    })
  })
  it('celery.chord_unlock asks for ten thousand results in batches, and for no more than it needs', async () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => `id-${index}`)
    const batches: number[] = []
    let ready = 4500
    app.backend.fetchMany = async (taskIds) => {
      batches.push(taskIds.length)
      return taskIds.map((taskId) => {
        const index = Number(taskId.slice(3))
        return meta(taskId, index < ready ? 'SUCCESS' : 'PENDING', index)
      })
    }
    const request = {
      task: 'celery.chord_unlock',
      args: ['g', signature('sum')],
      kwargs: { result: ids.map((id) => [[id, null], null]) },
    }
    expect(await app.run(request)).to.include({ state: 'RETRY' })
    expect(batches).to.deep.equal([1000, 1000, 1000, 1000, 1000])
    ready = ids.length
    expect(await app.run(request)).to.include({ state: 'SUCCESS' })
    expect(batches).to.have.length(15)
    const [values] = app.sender.last.args as [readonly number[]]
    expect(values).to.deep.equal(ids.map((_, index) => index))
  })

  it('celery.chord_unlock has the body fail when a result will never be readable', async () => {
    const lasting = new BackendError('not like this', { retryable: false })
    app.backend.fetchMany = () => Promise.reject(lasting)
    const kwargs = { result: [[['a', null], null]] }
    const body = signature('sum', [], {}, { options: { task_id: 'body' } })
    expect(await app.run({ task: 'celery.chord_unlock', args: ['g', body], kwargs })).to.include({
      state: 'SUCCESS',
    })
    expect(app.backend.last).to.deep.include({ taskId: 'body', status: 'FAILURE' })
    expect(app.backend.last.result).to.deep.include({ exc_type: 'ChordError' })
  })
})

describe('the builtin tasks of a worker', () => {
  let app: Celery
  let worker: Worker
  before(async () => {
    app = createTestApp()
    app.task('add', (x: number, y: number) => x + y)
    app.task('echo', (...args: unknown[]) => args)
    worker = await startTestWorker(app)
  })
  after(async () => {
    await worker.stop()
    await app.close()
  })

  it('celery.chord runs a chord, whose header may be a list or a group', async () => {
    const header = [signature('add', [1]), signature('add', [2])]
    for (const given of [header, groupOf(header)]) {
      const args = [given, signature('echo'), [10]]
      const sent = await app.sendTask<[[string]]>('celery.chord', args)
      const [[id]] = await sent.get({ timeout: 5 })
      expect(await app.asyncResult(id).get({ timeout: 5 })).to.deep.equal([[11, 12]])
    }
  })

  describe('celery.chord_unlock', () => {
    let ids = 0
    const body = (id: string): SignatureDict =>
      signature('echo', [], {}, { options: { task_id: id } })
    const unlock = async (...tuples: readonly unknown[]): Promise<string> => {
      const id = `body-${(ids += 1)}`
      const kwargs = { interval: 0.01, max_retries: null, result: tuples }
      await app.sendTask('celery.chord_unlock', [`group-${id}`, body(id)], { kwargs })
      return id
    }

    it('waits for the header, then sends the body with its results, groups as lists', async () => {
      await app.backend.store(meta('one', 'SUCCESS', 1))
      const id = await unlock(
        [['one', null], null],
        [
          ['g', null],
          [
            [['two', null], null],
            [['three', null], null],
          ],
        ],
      )
      await app.backend.store(meta('two', 'SUCCESS', 2))
      await app.backend.store(meta('three', 'SUCCESS', 3))
      expect(await app.asyncResult(id).get({ timeout: 5 })).to.deep.equal([[1, [2, 3]]])
    })

    it('has the body fail with the first failure of the header', async () => {
      await app.backend.store(meta('fine', 'SUCCESS', 1))
      await app.backend.store(meta('bad', 'FAILURE', exception('ValueError', ['boom', 42])))
      const id = await unlock([['fine', null], null], [['bad', null], null])
      await until(async () => (await app.asyncResult(id).state()) === 'FAILURE')
      expect(String(await app.asyncResult(id).result())).to.equal(
        "ChordError: Dependency bad raised ValueError('boom', 42)",
      )
    })
  })
})
