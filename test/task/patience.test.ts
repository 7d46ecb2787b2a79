/** What ran and cannot be stored now: it waits for the backend, and how that ends. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import { BackendError, SoftTimeLimitExceeded, WorkerShutdown } from '../../src/errors.ts'
import type { ReturnedPart } from '../../src/results/backend.ts'
import { until } from '../support/until.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('a result whose backend is away', () => {
  let app: Fixture
  let refusals: number
  beforeEach(() => {
    app = fixture()
    refusals = 0
  })

  /** The backend is away for so many attempts. */
  function away(times: number): void {
    app.backend.refuse = () => {
      refusals += 1
      if (refusals <= times) throw new BackendError('the backend is away')
    }
  }

  it('is stored when the backend is back, and the run ends then', async () => {
    app.task('t.add', () => 3)
    away(2)
    expect(await app.run({ task: 't.add' })).to.include({ state: 'SUCCESS' })
    expect(app.backend.metas.map(({ status, result }) => [status, result])).to.deep.equal([
      ['SUCCESS', 3],
    ])
    expect(refusals).to.equal(3)
  })

  it('is a failure as well as a success', async () => {
    app.task('t.fail', () => {
      throw new Error('no')
    })
    away(1)
    expect(await app.run({ task: 't.fail' })).to.include({ state: 'FAILURE' })
    expect(app.backend.metas.map(({ status }) => status)).to.deep.equal(['FAILURE'])
  })

  it('is given up when ten thousand others wait already', async () => {
    app.task('t.add', () => 3)
    let back = false
    app.backend.refuse = () => {
      if (!back) throw new BackendError('the backend is away')
    }
    const others = Array.from({ length: 10_000 }, () => app.run({ task: 't.add' }))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await app.run({ task: 't.add' })).to.include({ state: 'INTERNAL_ERROR' })
    back = true
    const states = new Set((await Promise.all(others)).map(({ state }) => state))
    expect([...states]).to.deep.equal(['SUCCESS'])
  })

  it('is stored although a time limit passes meanwhile: its run was over before', async () => {
    app.task('t.add', () => 3)
    away(1)
    const controller = new AbortController()
    const run = app.run({ task: 't.add' }, controller.signal)
    controller.abort(new SoftTimeLimitExceeded(1))
    expect(await run).to.include({ state: 'SUCCESS' })
  })

  it('is given up when the worker ends at once', async () => {
    app.task('t.add', () => 3)
    away(Infinity)
    const controller = new AbortController()
    const run = app.run({ task: 't.add' }, controller.signal)
    controller.abort(new WorkerShutdown())
    expect(await run).to.include({ state: 'INTERNAL_ERROR' })
    expect(app.backend.metas).to.deep.equal([])
  })

  for (const error of [undefined, new Error('no')]) {
    const what = error === undefined ? 'success' : 'failure'
    it(`goes back to the queue then when it is the ${what} of a task that is acked late`, async () => {
      app.task('t.late', { acksLate: true }, () => {
        if (error !== undefined) throw error
      })
      away(Infinity)
      const controller = new AbortController()
      const run = app.run({ task: 't.late' }, controller.signal)
      await until(() => refusals > 0)
      controller.abort(new WorkerShutdown())
      expect(await run).to.include({ state: 'REJECTED', requeue: true })
    })
  }

  describe('and that counts the parts of a chord', () => {
    const BODY = signature('t.body', [], {}, { options: { task_id: 'body' } })
    const part = { group: 'g', groupIndex: 0, embed: { ...NO_EMBED, chord: BODY } }
    let steps: string[]

    /** Each step fails the first time. */
    function count(): void {
      const failed = new Set<string>()
      const step = <T>(name: string, value: T): Promise<T> => {
        steps.push(name)
        if (failed.has(name)) return Promise.resolve(value)
        failed.add(name)
        return Promise.reject(new BackendError('the backend is away'))
      }
      const chords = {
        open: () => Promise.resolve(),
        addToChord: () => Promise.resolve(),
        onChordPartReturn: ({ taskId, state, result }: ReturnedPart) =>
          step('count', [{ taskId, state, result }]),
        endChord: () => step('end', undefined),
      }
      const groups = {
        save: () => Promise.resolve(),
        restore: () => step('restore', undefined),
        forget: () => Promise.resolve(),
      }
      Object.defineProperties(app.backend, { chords: { value: chords }, groups: { value: groups } })
    }

    beforeEach(() => {
      steps = []
      count()
    })

    it('counts the part when it is back, and sends the body once', async () => {
      app.task('t.add', () => 3)
      expect(await app.run({ task: 't.add', ...part })).to.include({ state: 'SUCCESS' })
      expect(steps).to.deep.equal(['count', 'count', 'restore', 'restore', 'end', 'end'])
      expect(app.sender.sent.map(({ task, args }) => [task, args])).to.deep.equal([
        ['t.body', [[3]]],
      ])
    })

    it('fails the body, and what would have followed, when it is back', async () => {
      app.task('t.fail', () => {
        throw new Error('no')
      })
      const chain = [signature('t.next', [], {}, { options: { task_id: 'next' } })]
      away(1)
      const embed = { ...part.embed, chain }
      expect(await app.run({ task: 't.fail', ...part, embed })).to.include({ state: 'FAILURE' })
      expect(steps).to.deep.equal(['count', 'count', 'restore', 'restore', 'end', 'end'])
      const ends = app.backend.metas.map(({ taskId, status }) => `${taskId} ${status}`)
      expect(ends).to.deep.equal(['id-1 FAILURE', 'body FAILURE', 'next FAILURE'])
    })
  })
})
