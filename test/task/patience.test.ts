/** What ran and cannot be stored now: it waits for the backend, and how that ends. */

import { expect } from 'chai'
import { BackendError, SoftTimeLimitExceeded, WorkerShutdown } from '../../src/errors.ts'
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
})
