/** What is said of a run from outside of it. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import { TimeLimitExceeded, WorkerLostError } from '../../src/errors.ts'
import { localRequest } from '../../src/task/local-request.ts'
import { createMarker, type Marker } from '../../src/task/marker.ts'
import type { TaskRequest } from '../../src/task/request.ts'
import { taskFailure, taskRetry } from '../../src/task/signals.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('the marker', () => {
  let app: Fixture
  let marker: Marker
  let told: string[]
  let disconnect: (() => void)[]

  beforeEach(() => {
    app = fixture()
    marker = createMarker(app.host, { hostname: 'w1@host' })
    told = []
    disconnect = [
      taskFailure.connect(({ task }) => void told.push(`failure ${task}`)),
      taskRetry.connect(({ reason }) => void told.push(`retry ${reason.message}`)),
    ]
    const hook = (name: string) => () => void told.push(name)
    const [onFailure, afterReturn] = [hook('onFailure'), hook('afterReturn')]
    const hooks = { onFailure, afterReturn, onRetry: hook('onRetry') }
    app.task('t.task', hooks, () => null)
    app.task('t.ignored', { ignoreResult: true }, () => null)
  })
  afterEach(() => disconnect.forEach((off) => off()))

  const request = (more: Partial<TaskRequest> = {}): TaskRequest =>
    localRequest({ task: 't.task', id: 'id-1', args: [], kwargs: {}, hostname: 'w1@host', ...more })

  it('stores a failure, without a traceback, and calls no hooks', async () => {
    const outcome = await marker.failed(request(), new TimeLimitExceeded(3))
    expect(outcome).to.include({ state: 'FAILURE', timedOut: true, expected: false })
    expect(outcome).to.include({ exceptionRepr: 'TimeLimitExceeded(3)' })
    expect(app.backend.last).to.deep.include({
      status: 'FAILURE',
      result: {
        exc_type: 'TimeLimitExceeded',
        exc_message: [3],
        exc_module: 'billiard.exceptions',
      },
      traceback: null,
    })
    expect(told).to.deep.equal(['failure t.task'])
  })

  it('fails the rest of the chain, and calls the errbacks', async () => {
    const chain = [signature('t.next', [], {}, { options: { task_id: 'next' } })]
    const embed = { ...NO_EMBED, chain, errbacks: [signature('t.errback')] }
    await marker.failed(request({ embed }), new WorkerLostError('gone'))
    const stored = app.backend.metas.map(({ taskId, status }) => `${taskId} ${status}`)
    expect(stored).to.deep.equal(['id-1 FAILURE', 'next FAILURE'])
    expect(app.sender.sent).to.have.length(1)
  })

  it('stores a retry of what was cancelled, and tells who listens', async () => {
    const outcome = await marker.cancelled(request())
    expect(outcome).to.include({ state: 'RETRY', message: 'cancelled by Celery' })
    expect(app.backend.last).to.deep.include({ status: 'RETRY', traceback: null })
    expect(told).to.deep.equal(['onRetry', 'retry cancelled by Celery'])
  })

  it('stores nothing of a task whose results are ignored', async () => {
    await marker.failed(request({ task: 't.ignored' }), new WorkerLostError('gone'))
    await marker.cancelled(request({ task: 't.ignored' }))
    expect(app.backend.metas).to.deep.equal([])
    expect(told).to.deep.equal(['failure t.ignored', 'retry cancelled by Celery'])
  })

  it('survives a backend that stores nothing', async () => {
    app.backend.refuse = () => {
      throw new Error('no backend')
    }
    expect(await marker.failed(request(), new WorkerLostError('gone'))).to.include({
      state: 'FAILURE',
    })
    expect(await marker.cancelled(request())).to.include({ state: 'RETRY' })
    expect(app.logged).to.deep.equal([
      "error: Couldn't mark task t.task[id-1] as FAILURE: Exception('no backend')",
      "error: Couldn't mark task t.task[id-1] as RETRY: Exception('no backend')",
    ])
  })
})
