/** One run of a task, step by step: what is stored, and what it comes to. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import {
  BackendError,
  EncodeError,
  Ignore,
  LeaseLostError,
  Reject,
  Retry,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerShutdown,
} from '../../src/errors.ts'
import type { ReturnedPart } from '../../src/results/backend.ts'
import { Cancellation } from '../../src/runtime/cancellation.ts'
import type { TaskContext } from '../../src/task/context.ts'
import { currentTask } from '../../src/task/current.ts'
import {
  taskFailure,
  taskInternalError,
  taskPostrun,
  taskPrerun,
  taskRetry,
  taskSuccess,
} from '../../src/task/signals.ts'
import { localRequest } from '../../src/task/local-request.ts'
import { createTracer } from '../../src/task/trace.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('the tracer', () => {
  let app: Fixture
  beforeEach(() => (app = fixture()))

  it('stores what a task returns, with date_done, parent and group', async () => {
    app.task('t.add', (x: number, y: number) => x + y)
    const request = { task: 't.add', args: [1, 2], parentId: 'p', group: 'g' }
    const outcome = await app.run(request)
    expect(outcome).to.include({ state: 'SUCCESS', resultRepr: '3' })
    expect(app.backend.metas).to.deep.equal([
      {
        taskId: 'id-1',
        status: 'SUCCESS',
        result: 3,
        traceback: null,
        children: [],
        dateDone: '2026-11-22T08:18:25.313000+00:00',
        groupId: 'g',
        parentId: 'p',
      },
    ])
    expect(app.backend.stored[0]?.options).to.deep.equal({
      replyTo: 'client-oid',
      correlationId: 'id-1',
    })
  })

  it('stores None for a task that returns nothing', async () => {
    app.task('t.void', () => {})
    expect(await app.run({ task: 't.void' })).to.include({ resultRepr: 'None' })
    expect(app.backend.last.result).to.equal(null)
  })

  it('stores STARTED first, with pid and hostname, when the task says so', async () => {
    app.task('t.slow', { trackStarted: true }, async () => 'done')
    await app.run({ task: 't.slow' })
    const [started, done] = app.backend.metas
    expect(started).to.deep.include({
      status: 'STARTED',
      result: { pid: 42, hostname: 'w1@host' },
      dateDone: null,
    })
    expect(done?.status).to.equal('SUCCESS')
  })

  it('runs although the backend does not take STARTED', async () => {
    app.task('t.slow', { trackStarted: true }, async () => 'done')
    app.backend.refuse = ({ status }) => {
      if (status === 'STARTED') throw new BackendError('down')
    }
    expect(await app.run({ task: 't.slow' })).to.include({ state: 'SUCCESS' })
    expect(app.logged.join()).to.match(/Couldn't store STARTED of task t\.slow\[.*\]: down/)
  })

  it('stores what the settings ask for besides, with resultExtended', async () => {
    app = fixture({ resultExtended: true })
    app.task('t.add', (x: number) => x)
    await app.run({ task: 't.add', args: [1], retries: 2 })
    expect(app.backend.last.extended).to.deep.equal({
      name: 't.add',
      args: [1],
      kwargs: {},
      worker: 'w1@host',
      retries: 2,
      queue: 'celery',
    })
  })

  it('stores a failure with its type, arguments and traceback', async () => {
    app.task('t.fail', () => {
      throw new RangeError('too far')
    })
    const outcome = await app.run({ task: 't.fail' })
    expect(outcome).to.include({ state: 'FAILURE', expected: false, timedOut: false })
    const { status, result, traceback } = app.backend.last
    expect(status).to.equal('FAILURE')
    expect(result).to.have.property('exc_message').that.deep.equals(['too far'])
    expect(traceback).to.match(/^Traceback \(most recent call last\):\n/)
  })

  it('says when a failure was expected', async () => {
    class NotFound extends Error {}
    app.task('t.fail', { throws: [NotFound] }, () => {
      throw new NotFound('no')
    })
    expect(await app.run({ task: 't.fail' })).to.include({ expected: true })
  })

  it('fails a task that is not here, as Celery does', async () => {
    const outcome = await app.run({ task: 'nope' })
    expect(outcome).to.include({ state: 'FAILURE', exceptionRepr: "NotRegistered('nope')" })
    expect(app.backend.last.result).to.deep.equal({
      exc_type: 'NotRegistered',
      exc_message: ['nope'],
      exc_module: 'celery.exceptions',
    })
  })

  it('fails a call whose arguments do not fit, as Python does', async () => {
    app.task('t.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
    await app.run({ task: 't.add', args: [1] })
    expect(app.backend.last.result).to.deep.equal({
      exc_type: 'TypeError',
      exc_message: ["add() missing 1 required positional argument: 'y'"],
      exc_module: 'builtins',
    })
  })

  it('stores nothing for Ignore and Reject', async () => {
    app.task('t.ignore', () => {
      throw new Ignore()
    })
    app.task('t.reject', () => {
      throw new Reject('bad', { requeue: true })
    })
    expect(await app.run({ task: 't.ignore' })).to.include({ state: 'IGNORED' })
    expect(await app.run({ task: 't.reject' })).to.include({
      state: 'REJECTED',
      reason: 'bad',
      requeue: true,
    })
    expect(app.backend.metas).to.deep.equal([])
  })

  it('fails a task whose result cannot be written', async () => {
    app.task('t.odd', () => 1)
    app.backend.refuse = ({ status }) => {
      if (status === 'SUCCESS') throw new EncodeError('Object of type object is not serializable')
    }
    expect(await app.run({ task: 't.odd' })).to.include({ state: 'FAILURE' })
    expect(app.backend.last.result).to.deep.include({ exc_type: 'EncodeError' })
  })

  it('tells of an internal error when the backend refuses, and stores no failure in its place', async () => {
    app.task('t.add', () => 1)
    app.backend.refuse = () => {
      throw new BackendError('too large', { retryable: false })
    }
    expect(await app.run({ task: 't.add' })).to.include({ state: 'INTERNAL_ERROR' })
    expect(app.backend.metas).to.deep.equal([])
  })

  it('stores a failure when what follows cannot be sent', async () => {
    app.task('t.add', () => 1)
    app.sender.failWith = new Error('no broker')
    const embed = { ...NO_EMBED, chain: [signature('next', [], {}, { options: { task_id: 'n' } })] }
    expect(await app.run({ task: 't.add', embed })).to.include({ state: 'INTERNAL_ERROR' })
    expect(app.backend.metas.map(({ taskId, status }) => [taskId, status])).to.deep.equal([
      ['id-1', 'FAILURE'],
      ['n', 'FAILURE'],
    ])
  })

  it('knows what to store when results are ignored', async () => {
    const fails = (): never => {
      throw new Error('no')
    }
    app.task('ok', { ignoreResult: true, trackStarted: true }, () => 1)
    app.task('bad', { ignoreResult: true }, fails)
    app.task('kept', { ignoreResult: true, storeErrorsEvenIfIgnored: true }, fails)
    app.task('plain', () => 1)
    app.task('broken', fails)
    for (const task of ['ok', 'bad', 'kept']) await app.run({ task })
    for (const task of ['plain', 'broken']) await app.run({ task, ignoreResult: true })
    expect(app.backend.metas.map(({ status }) => status)).to.deep.equal(['FAILURE', 'FAILURE'])
  })

  it('notes what a task sends as its children, with its own id as their parent', async () => {
    const child = app.task('t.child', () => 1)
    app.task('t.parent', async () => {
      await Promise.resolve()
      await child.applyAsync([], { taskId: 'c1' })
      await child.applyAsync([], { taskId: 'c2', addToParent: false })
    })
    await app.run({ task: 't.parent', id: 'me', rootId: 'root' })
    expect(app.sender.sent[0]?.options).to.deep.include({ parentId: 'me', rootId: 'root' })
    expect(app.backend.last.children).to.deep.equal([[['c1', null], null]])
    expect(currentTask()).to.equal(undefined)
  })

  it('keeps two runs at the same time apart', async () => {
    const child = app.task('t.child', (n: number) => n)
    app.task('t.parent', async (n: number) => {
      await new Promise((resolve) => setImmediate(resolve))
      await child.delay(n)
    })
    await Promise.all([
      app.run({ task: 't.parent', id: 'a', args: [1] }),
      app.run({ task: 't.parent', id: 'b', args: [2] }),
    ])
    const pairs = app.sender.sent.map(({ args, options }) => [args[0], options.parentId])
    expect(pairs).to.have.deep.members([
      [1, 'a'],
      [2, 'b'],
    ])
  })

  it('hands its priority on only when the settings say so', async () => {
    for (const inherits of [true, false]) {
      app = fixture({ taskInheritParentPriority: inherits })
      const child = app.task('t.child', () => 1)
      app.task('t.parent', () => child.delay().then(() => null))
      const deliveryInfo = { exchange: '', routingKey: 'q', priority: 7, redelivered: false }
      await app.run({ task: 't.parent', deliveryInfo })
      expect(app.sender.last.options.priority).to.equal(inherits ? 7 : undefined)
    }
  })

  it('stores the tuple of a result that a task returns', async () => {
    const child = app.task('t.child', () => 1)
    app.task('t.parent', () => child.applyAsync([], { taskId: 'c' }))
    await app.run({ task: 't.parent' })
    expect(app.backend.last.result).to.deep.equal([['c', null], null])
  })

  describe('tells hooks and signals', () => {
    it('in the order of Celery', async () => {
      const told: string[] = []
      const hear = (name: string) => () => void told.push(name)
      const disconnects = [
        taskPrerun.connect(hear('prerun')),
        taskSuccess.connect(hear('success')),
        taskFailure.connect(hear('failure')),
        taskRetry.connect(hear('retry')),
        taskPostrun.connect(({ state }) => void told.push(`postrun ${state}`)),
      ]
      const hooks = {
        beforeStart: hear('before_start'),
        onSuccess: hear('on_success'),
        onFailure: hear('on_failure'),
        onRetry: hear('on_retry'),
        afterReturn: hear('after_return'),
      }
      app.task('ok', hooks, () => void told.push('body'))
      app.task('bad', hooks, () => {
        throw new Error('no')
      })
      app.task('again', { ...hooks, bind: true }, (self) => self.retry())
      app.task('ignored', hooks, () => {
        throw new Ignore()
      })
      const order: Record<string, string[]> = {}
      try {
        for (const task of ['ok', 'bad', 'again', 'ignored']) {
          await app.run({ task })
          order[task] = told.splice(0)
        }
      } finally {
        for (const disconnect of disconnects) disconnect()
      }
      expect(order).to.deep.equal({
        ok: [
          'prerun',
          'before_start',
          'body',
          'on_success',
          'success',
          'after_return',
          'postrun SUCCESS',
        ],
        bad: ['prerun', 'before_start', 'on_failure', 'failure', 'after_return', 'postrun FAILURE'],
        again: ['prerun', 'before_start', 'on_retry', 'retry', 'postrun RETRY'],
        ignored: ['prerun', 'before_start', 'postrun IGNORED'],
      })
    })

    it('and takes an error in a hook for an internal one', async () => {
      const heard: unknown[] = []
      const disconnect = taskInternalError.connect(({ exception }) => void heard.push(exception))
      const boom = new Error('boom')
      const onSuccess = (): never => {
        throw boom
      }
      app.task('ok', { onSuccess }, () => 1)
      const outcome = await app.run({ task: 'ok' })
      disconnect()
      expect(outcome).to.include({ state: 'INTERNAL_ERROR' })
      expect(heard).to.deep.equal([boom])
    })

    it('and stores nothing over the result, nor calls errbacks, for such an error', async () => {
      const bad = (): never => {
        throw new Error('bad hook')
      }
      app.task('ok', { onSuccess: bad }, () => 1)
      app.task('failed', { onFailure: bad }, () => {
        throw new RangeError('the true reason')
      })
      app.task('again', { bind: true, onRetry: bad }, (self) => {
        throw self.retry()
      })
      let errbacks = 0
      app.task('errback', (..._facts: unknown[]) => void (errbacks += 1))
      const embed = { ...NO_EMBED, errbacks: [signature('errback')] }
      for (const task of ['ok', 'failed', 'again']) await app.run({ task, id: task, embed })
      expect(app.backend.metas.map(({ taskId, status }) => [taskId, status])).to.deep.equal([
        ['ok', 'SUCCESS'],
        ['failed', 'FAILURE'],
        ['again', 'RETRY'],
      ])
      expect(app.backend.metas[1]?.result).to.deep.include({ exc_message: ['the true reason'] })
      expect(errbacks).to.equal(1)
    })

    it('and takes an error in beforeStart for one of the body', async () => {
      const beforeStart = (): never => {
        throw new Error('not ready')
      }
      app.task('ok', { beforeStart }, () => 1)
      expect(await app.run({ task: 'ok' })).to.include({ state: 'FAILURE' })
    })
  })

  describe('ends a run that is ended from outside', () => {
    /** Runs a task that never ends, and ends it. */
    async function ended(reason: Error, body = (): Promise<never> => new Promise(() => {})) {
      const controller = new AbortController()
      let started = (): void => {}
      const running = new Promise<void>((resolve) => (started = resolve))
      app.task('stuck', () => {
        started()
        return body()
      })
      const outcome = app.run({ task: 'stuck' }, controller.signal)
      await running
      controller.abort(reason)
      return outcome
    }

    it('with a failure when it is the hard time limit, even when it does not listen', async () => {
      const outcome = await ended(new TimeLimitExceeded(3))
      expect(outcome).to.include({ state: 'FAILURE', timedOut: true })
      expect(app.backend.last).to.deep.include({
        traceback: null,
        result: {
          exc_type: 'TimeLimitExceeded',
          exc_message: [3],
          exc_module: 'billiard.exceptions',
        },
      })
    })

    it('and hears it no more, though its function goes on', async () => {
      let self: TaskContext | undefined
      app.task('deaf', { bind: true }, (running) => {
        self = running
        return new Promise(() => {})
      })
      const controller = new AbortController()
      const outcome = app.run({ task: 'deaf' }, controller.signal)
      await self?.updateState('PROGRESS', 1)
      controller.abort(new TimeLimitExceeded(3))
      await self?.updateState('PROGRESS', 2)
      await outcome
      await self?.updateState('PROGRESS', 3)
      await self?.updateState('PROGRESS', 4, { taskId: 'other' })
      expect(app.backend.metas.map(({ taskId, status }) => [taskId, status])).to.deep.equal([
        ['id-1', 'PROGRESS'],
        ['id-1', 'FAILURE'],
        ['other', 'PROGRESS'],
      ])
    })

    it('storing nothing when it was terminated', async () => {
      expect(await ended(new TaskRevokedError('terminated'))).to.include({ state: 'IGNORED' })
      expect(app.backend.metas).to.deep.equal([])
    })

    it('giving it back when the worker goes down', async () => {
      const outcome = await ended(new WorkerShutdown())
      expect(outcome).to.include({ state: 'REJECTED', requeue: true })
    })

    it('before it has begun', async () => {
      app.task('never', () => expect.fail('it ran'))
      const signal = AbortSignal.abort(new TimeLimitExceeded(1))
      expect(await app.run({ task: 'never' }, signal)).to.include({ state: 'FAILURE' })
    })

    it('but waits for it at the soft time limit, which it may survive', async () => {
      const controller = new AbortController()
      app.task('soft', { bind: true }, async (self) => {
        controller.abort(new SoftTimeLimitExceeded(1))
        await Promise.resolve()
        return self.signal.reason instanceof SoftTimeLimitExceeded
      })
      expect(await app.run({ task: 'soft' }, controller.signal)).to.include({ resultRepr: 'True' })
    })

    it('and calls who listens as its own, so that what that throws can be blamed on it', async () => {
      const { host } = app
      const cancellation = new Cancellation()
      let heard: string | undefined
      app.task('t.listen', { bind: true }, (self) => {
        self.signal.addEventListener('abort', () => (heard = currentTask()?.name))
        return new Promise(() => {})
      })
      const request = localRequest({ task: 't.listen', args: [], kwargs: {} })
      const run = createTracer(host, { hostname: 'w1@host' })(request, cancellation)
      cancellation.abort(new TimeLimitExceeded(1))
      await run
      expect(heard).to.equal('t.listen')
    })

    it('and takes an AbortError of its signal for the reason', async () => {
      const controller = new AbortController()
      app.task('soft', { bind: true }, async () => {
        controller.abort(new SoftTimeLimitExceeded(1))
        throw new DOMException('This operation was aborted', 'AbortError')
      })
      const outcome = await app.run({ task: 'soft' }, controller.signal)
      expect(outcome).to.include({ state: 'FAILURE', timedOut: true })
      expect(app.backend.last.result).to.deep.include({ exc_type: 'SoftTimeLimitExceeded' })
    })

    it('and gives it back when it stops for a lost broker', async () => {
      const controller = new AbortController()
      const lost = new LeaseLostError('gone')
      app.task('lost', async () => {
        controller.abort(lost)
        throw lost
      })
      const outcome = await app.run({ task: 'lost' }, controller.signal)
      expect(outcome).to.include({ state: 'REJECTED', requeue: true })
    })
  })

  describe('with workerDeduplicateSuccessfulTasks', () => {
    const redelivered = {
      deliveryInfo: { exchange: '', routingKey: 'q', priority: null, redelivered: true },
    }
    let runs: number
    beforeEach(() => {
      runs = 0
      app = fixture({ workerDeduplicateSuccessfulTasks: true, taskAcksLate: true })
      app.task('once', () => {
        runs += 1
      })
    })

    it('does not run again what succeeded here', async () => {
      await app.run({ task: 'once' })
      expect(await app.run({ task: 'once', ...redelivered })).to.include({ state: 'DUPLICATE' })
      expect(runs).to.equal(1)
    })

    it('runs again what was not redelivered, or did not succeed', async () => {
      await app.run({ task: 'once' })
      await app.run({ task: 'once' })
      await app.run({ task: 'once', id: 'other', ...redelivered })
      expect(runs).to.equal(3)
    })

    it('runs again what the backend does not tell of', async () => {
      app.backend.fetch = () => Promise.reject(new BackendError('down'))
      const outcome = await app.run({ task: 'once', id: 'other', ...redelivered })
      expect(outcome).to.include({ state: 'SUCCESS' })
      expect(runs).to.equal(1)
    })

    it('sends what follows when another worker stored the result and died', async () => {
      const next = signature('next', [], {}, { options: { task_id: 'n' } })
      await app.backend.store({
        taskId: 'id-9',
        status: 'SUCCESS',
        result: 5,
        traceback: null,
        children: [],
        dateDone: null,
      })
      const embed = { ...NO_EMBED, chain: [next] }
      const outcome = await app.run({ task: 'once', id: 'id-9', embed, ...redelivered })
      expect(outcome).to.include({ state: 'DUPLICATE' })
      expect(app.sender.last).to.deep.include({ task: 'next', args: [5] })
      expect(runs).to.equal(0)
    })

    it('counts as a part of its chord, as its worker may have died before that', async () => {
      const counted: ReturnedPart[] = []
      const chords = {
        onChordPartReturn: async (part: ReturnedPart) => void counted.push(part),
      }
      Object.defineProperties(app.backend, { chords: { value: chords }, groups: { value: {} } })
      const meta = { status: 'SUCCESS', result: 42, traceback: null, children: [], dateDone: null }
      await app.backend.store({ taskId: 'id-8', ...meta })
      const embed = { ...NO_EMBED, chord: signature('t.body') }
      const part = { id: 'id-8', group: 'g', groupIndex: 1, embed }
      await app.run({ task: 'once', ...part, ...redelivered })
      expect(counted).to.deep.equal([
        { groupId: 'g', groupIndex: 1, taskId: 'id-8', state: 'SUCCESS', result: 42 },
      ])
    })
  })

  it('stores RETRY, and sends nothing, for a Retry that nobody asked it to send', async () => {
    app.task('by-hand', () => {
      throw new Retry('later')
    })
    expect(await app.run({ task: 'by-hand' })).to.include({ state: 'RETRY', message: 'later' })
    expect(app.sender.sent).to.deep.equal([])
  })
})
