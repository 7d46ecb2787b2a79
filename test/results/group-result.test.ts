/** Whether many results as one do what Celery's groups of results do. */

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { Celery } from '../../src/app/celery.ts'
import { FileBackend } from '../../src/backends/file.ts'
import { MemoryBackend } from '../../src/backends/memory.ts'
import { RedisBackend } from '../../src/backends/redis.ts'
import { NotSupported } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import type { ResultBackend } from '../../src/results/backend.ts'
import { EagerResult } from '../../src/results/eager-result.ts'
import { GroupResult } from '../../src/results/group-result.ts'
import { ResultSet } from '../../src/results/result-set.ts'
import { resultsContract } from '../contracts/results.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { redisUrl } from '../support/services.ts'
import { Harness } from '../worker/harness.ts'

describe('a group of results in memory', () => {
  resultsContract(async () => new MemoryBackend(`memory://${randomUUID()}`, backendDeps()))
})

describe('a group of results on Redis', () => {
  resultsContract(async () => new RedisBackend(await redisUrl(), backendDeps()))
})

describe('a group of results in files, which are looked at again and again', () => {
  let directory: string
  before(() => (directory = mkdtempSync(join(tmpdir(), 'celeriac-results-'))))
  after(() => rmSync(directory, { recursive: true }))
  resultsContract(async () => new FileBackend(`file://${directory}`, backendDeps()))
})

describe('a group of results', () => {
  const backend = new MemoryBackend('memory://group-result', backendDeps())
  const [a, b] = ['a', 'b'].map((id) => new AsyncResult<number>(id, { backend })) as [
    AsyncResult<number>,
    AsyncResult<number>,
  ]
  after(() => backend.close())

  it('is not thenable, and shows its members', () => {
    const group = new GroupResult('g', [a, b])
    expect(group).to.not.have.property('then')
    expect(inspect(group)).to.equal('<GroupResult: g [a, b]>')
    expect(inspect(new ResultSet([a]))).to.equal('<ResultSet: [a]>')
    expect(String(group)).to.equal('g')
    const many = Array.from({ length: 10_000 }, () => a)
    expect(inspect(new ResultSet(many))).to.match(/a, … 9980 more\]>$/)
  })

  it('is the tuple of Celery, also as JSON', () => {
    const group = new GroupResult('g', [a, new GroupResult('inner', [b])], { parent: b })
    const tuple = [
      ['g', [['b', null], null]],
      [
        [['a', null], null],
        [['inner', null], [[['b', null], null]]],
      ],
    ]
    expect(group.asTuple()).to.deep.equal(tuple)
    expect(JSON.parse(JSON.stringify({ group }))).to.deep.equal({ group: tuple })
    expect(group.asList()).to.deep.equal(['a', 'b', 'b'])
  })

  it('is typed by its members', async () => {
    const set = new ResultSet<[number, string]>([
      new EagerResult<number>('n', { state: 'SUCCESS', result: 1 }),
      new EagerResult<string>('s', { state: 'SUCCESS', result: 'x' }),
    ])
    const [n, s]: [number, string] = await set.get()
    const state: string = await set.results[1].state()
    const inferred: number[] = await new ResultSet([a, a].slice(0, 0)).get()
    expect([n, s, state, inferred]).to.deep.equal([1, 'x', 'SUCCESS', []])
  })

  it('throws the very error of a task that ran here', async () => {
    const error = new RangeError('mine')
    const failed = new EagerResult('f', { state: 'FAILURE', result: error })
    const group = new GroupResult('g', [failed])
    expect(await group.get().catch((reason: unknown) => reason)).to.equal(error)
    expect(await group.get({ propagate: false })).to.deep.equal([error])
    expect(await group.maybeThrow().catch((reason: unknown) => reason)).to.equal(error)
    expect([await group.ready(), await group.failed()]).to.deep.equal([true, true])
    await group.forget()
  })

  it('is restored, and read from its tuple, by the app', async () => {
    const app = new Celery('groups', { resultBackend: 'memory://group-app' }, { env: {} })
    const first = app.asyncResult<number>('first')
    const group = new GroupResult<number[]>('g', [first, app.asyncResult<number>('second')])
    await group.save()
    expect((await app.groupResult<number[]>('g'))?.equals(group)).to.equal(true)
    expect((await GroupResult.restore('g', app))?.asTuple()).to.deep.equal(group.asTuple())
    expect(await app.groupResult('unknown')).to.equal(undefined)
    const read = app.resultFromTuple(group.asTuple())
    expect(read).to.be.instanceOf(GroupResult)
    expect(group.equals(read)).to.equal(true)
    await app.close()
  })

  it('is stored as its tuple when a task returns it', async () => {
    const harness = new Harness()
    const app = harness.app
    const members = [app.asyncResult('one'), app.asyncResult('two')]
    const give = app.task('give', () => new GroupResult('g', members))
    await harness.started()
    const result = await give.delay()
    const stored = await (result as AsyncResult).get({ timeout: 10 })
    expect(stored).to.deep.equal(new GroupResult('g', members).asTuple())
    expect(app.resultFromTuple(stored)).to.be.instanceOf(GroupResult)
    await harness.close()
  })

  it('follows what ran here before it, too', async () => {
    const before = new EagerResult('before', { state: 'SUCCESS', result: 1 })
    const member = new EagerResult<number>('m', { state: 'SUCCESS', result: 2 })
    expect(await new GroupResult('g', [member], { parent: before }).get()).to.deep.equal([2])
    const error = new RangeError('mine')
    const failed = new EagerResult('failed', { state: 'FAILURE', result: error })
    const group = new GroupResult('g', [member, a], { parent: failed })
    expect(await group.get().catch((reason: unknown) => reason)).to.equal(error)
  })

  it('gives the error of what failed before it, though it hears of a member first', async () => {
    const late: ResultBackend = Object.create(backend, {
      fetchMany: { value: (ids: readonly string[]) => backend.fetchMany(ids) },
      subscribe: {
        value: (id: string, ...rest: [onMeta: () => void]) =>
          id === 'cause' ? () => {} : backend.subscribe(id, ...rest),
      },
    }) as ResultBackend
    const cause = new AsyncResult('cause', { backend: late })
    const member = new AsyncResult('effect', { backend: late })
    const waiting = new GroupResult('g', [member], { parent: cause }).get()
    await backend.store(meta('cause', 'FAILURE', exception('ValueError', ['first'])))
    await backend.store(meta('effect', 'FAILURE', exception('TypeError', ['second'])))
    const error = await waiting.catch((reason: unknown) => reason)
    expect(error).to.include({ taskId: 'cause', excType: 'ValueError' })
  })

  it('needs an id, and an app to be kept', async () => {
    expect(() => new GroupResult('', [])).to.throw(TypeError)
    const reason = await new GroupResult('g', []).save().catch((error: unknown) => error)
    expect(reason).to.be.instanceOf(NotSupported)
  })
})
