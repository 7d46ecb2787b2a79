/** Whether the handle of a result does what Celery's does. */

import { getEventListeners } from 'node:events'
import { inspect } from 'node:util'
import { expect } from 'chai'
import type { ResultMeta, ResultTuple } from '../../protocol/result.ts'
import { MemoryBackend } from '../../src/backends/memory.ts'
import {
  NotRegistered,
  NotSupported,
  TaskError,
  TaskRevokedError,
  TimeLimitExceeded,
  TimeoutError,
  type CeleryError,
} from '../../src/errors.ts'
import { AsyncResult, resultFromTuple } from '../../src/results/async-result.ts'
import type { ResultBackend } from '../../src/results/backend.ts'
import { ResultSet } from '../../src/results/result-set.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { within } from '../support/until.ts'

let memories = 0

describe('an AsyncResult', () => {
  let backend: ResultBackend
  let result: AsyncResult<number>
  beforeEach(() => {
    backend = new MemoryBackend(`memory://async-result-${(memories += 1)}`, backendDeps())
    result = new AsyncResult<number>('id', { backend })
  })
  afterEach(() => backend.close())

  const fail = (type: string, args: readonly unknown[], module = 'builtins'): Promise<void> =>
    backend.store(meta('id', 'FAILURE', exception(type, args, module), { traceback: 'tb' }))
  const reason = async (answer: Promise<unknown>): Promise<CeleryError> =>
    within(
      5,
      answer.then(
        () => Promise.reject(new Error('it resolved')),
        (error: unknown) => error as CeleryError,
      ),
    )

  it('answers every question of a task that succeeded, and asks the backend once', async () => {
    await backend.store(meta('id', 'SUCCESS', 5, { children: [[['child', null], null]] }))
    let asked = 0
    const counting: ResultBackend = Object.create(backend, {
      fetch: { value: (id: string) => ((asked += 1), backend.fetch(id)) },
    }) as ResultBackend
    const counted = new AsyncResult<number>('id', { backend: counting })
    expect(await counted.state()).to.equal('SUCCESS')
    expect([
      await counted.ready(),
      await counted.successful(),
      await counted.failed(),
    ]).to.deep.equal([true, true, false])
    expect([await counted.result(), await counted.info(), await counted.get()]).to.deep.equal([
      5, 5, 5,
    ])
    expect(await counted.traceback()).to.equal(null)
    expect((await counted.dateDone())?.toISOString()).to.equal('2026-11-22T07:56:50.996Z')
    expect((await counted.children())?.map(({ id }) => id)).to.deep.equal(['child'])
    expect(asked).to.equal(1)
  })

  it('is PENDING, not ready and neither succeeded nor failed, when nobody knows it', async () => {
    expect(await result.state()).to.equal('PENDING')
    expect([await result.ready(), await result.successful(), await result.failed()]).to.deep.equal([
      false,
      false,
      false,
    ])
    expect([await result.result(), await result.children(), await result.dateDone()]).to.deep.equal(
      [null, undefined, undefined],
    )
  })

  it('tells what is stored of its call, where that is stored', async () => {
    const extended = {
      name: 'shop.add',
      args: [1, 2],
      kwargs: { z: 3 },
      worker: 'w1@host',
      retries: 2,
      queue: 'math',
    }
    const told = async (): Promise<readonly unknown[]> => [
      await result.name(),
      await result.args(),
      await result.kwargs(),
      await result.worker(),
      await result.retries(),
      await result.queue(),
    ]
    expect(await told()).to.deep.equal(Array.from({ length: 6 }, () => undefined))
    await backend.store(meta('id', 'SUCCESS', 3, { extended }))
    expect(await told()).to.deep.equal(Object.values(extended))
  })

  it('tells its result to a callback, too', async () => {
    const seen: unknown[] = []
    const callback = (...given: unknown[]): void => void seen.push(given)
    await backend.store(meta('id', 'SUCCESS', 5))
    expect(await result.get({ callback })).to.equal(5)
    await backend.store(meta('bad', 'FAILURE', exception('ValueError', ['boom'])))
    const failed = new AsyncResult('bad', { backend })
    await reason(failed.get({ callback }))
    const error = await failed.get({ callback, propagate: false })
    expect(seen).to.deep.equal([
      ['id', 5],
      ['bad', error],
    ])
  })

  it('tells the ids of all that ran before it', () => {
    const root = new AsyncResult('root', { backend })
    const middle = new AsyncResult('middle', { backend }, { parent: root })
    const last = new AsyncResult('last', { backend }, { parent: middle })
    expect(last.asList()).to.deep.equal(['last', 'middle', 'root'])
  })

  it('reads the naive date of Celery 5.2 as UTC', async () => {
    await backend.store({ ...meta('id', 'SUCCESS'), dateDone: '2026-11-22T08:13:45.696940' })
    expect((await result.dateDone())?.toISOString()).to.equal('2026-11-22T08:13:45.696Z')
  })

  it('is not thenable, and shows its id and the last state that it saw', async () => {
    expect(result).to.not.have.property('then')
    expect(inspect(result)).to.equal('<AsyncResult: id>')
    await backend.store(meta('id', 'SUCCESS', 5))
    await result.state()
    expect(inspect(result)).to.equal('<AsyncResult: id SUCCESS>')
    expect(String(result)).to.equal('id')
  })

  it('refuses an empty id', () => {
    expect(() => new AsyncResult('', { backend })).to.throw(TypeError)
  })

  it('resolves with undefined at once when the result is ignored', async () => {
    const ignored = new AsyncResult('id', { backend }, { ignored: true })
    expect(await ignored.get()).to.equal(undefined)
    expect(await ignored.updates().next()).to.deep.equal({ done: true, value: undefined })
  })

  describe('whose task failed', () => {
    it('rejects with a TaskError that tells type, module, arguments and traceback', async () => {
      await fail('ValueError', ['boom', 42])
      const error = await reason(result.get())
      expect(error).to.be.instanceOf(TaskError)
      expect(error).to.deep.include({
        taskId: 'id',
        excType: 'ValueError',
        excModule: 'builtins',
        traceback: 'tb',
        args: ['boom', 42],
        code: 'ERR_TASK',
      })
      expect(error.message).to.equal('ValueError: boom, 42')
    })

    it("rejects with the class of Celery's own exceptions, and the TaskError as their cause", async () => {
      await fail('NotRegistered', ['shop.add'], 'celery.exceptions')
      const error = await reason(result.get())
      expect(error).to.be.instanceOf(NotRegistered)
      expect(error.message).to.equal('shop.add')
      expect(error.cause).to.be.instanceOf(TaskError).and.to.include({ traceback: 'tb' })
    })

    it('keeps the seconds of a time limit', async () => {
      await fail('TimeLimitExceeded', [1], 'billiard.exceptions')
      expect(await reason(result.get()))
        .to.be.instanceOf(TimeLimitExceeded)
        .and.to.deep.include({ args: [1] })
    })

    for (const [type, module] of [
      ['Retry', 'celery.exceptions'],
      ['Ignore', 'celery.exceptions'],
      ['Reject', 'celery.exceptions'],
      ['exec', 'child_process'],
      ['constructor', '__proto__'],
      ['TaskRevokedError', 'my.module'],
    ] as const) {
      it(`takes ${module}.${type} for a TaskError: no class is chosen by data`, async () => {
        await fail(type, ['rm -rf /'], module)
        const error = await reason(result.get())
        expect(error.constructor).to.equal(TaskError)
        expect(error).to.include({ excType: type, excModule: module })
      })
    }

    it('reads a message that is a plain string, and one without a module', async () => {
      await backend.store(
        meta('id', 'FAILURE', { exc_type: 'E', exc_message: 'text', exc_module: null }),
      )
      expect(await reason(result.get())).to.deep.include({ args: ['text'], excModule: null })
    })

    it('rejects, too, when what is stored is no exception', async () => {
      await backend.store(meta('id', 'FAILURE', 'just text'))
      expect(await reason(result.get())).to.be.instanceOf(TaskError)
    })

    it('rejects, too, when the arguments cannot be made into text', async () => {
      const bare = { toString: 1, valueOf: 2 }
      await fail('ValueError', [bare])
      expect(await reason(result.get())).to.include({ message: 'ValueError: [object Object]' })
      const known = new AsyncResult('known', { backend })
      const exc = exception('NotRegistered', [bare], 'celery.exceptions')
      await backend.store(meta('known', 'FAILURE', exc))
      expect(await reason(known.get())).to.be.instanceOf(NotRegistered)
    })

    it('resolves with the error when it shall not propagate; result() and info() tell it', async () => {
      await fail('ValueError', ['boom'])
      expect(await result.get({ propagate: false })).to.be.instanceOf(TaskError)
      expect(await result.result()).to.be.instanceOf(TaskError)
      expect([await result.ready(), await result.failed()]).to.deep.equal([true, true])
    })

    it('rejects with TaskRevokedError when it was revoked', async () => {
      await backend.store(
        meta('id', 'REVOKED', exception('TaskRevokedError', ['expired'], 'celery.exceptions')),
      )
      expect(await reason(result.get()))
        .to.be.instanceOf(TaskRevokedError)
        .and.to.include({ reason: 'expired' })
      expect([await result.ready(), await result.failed()]).to.deep.equal([true, false])
    })
  })

  describe('that is waited for', () => {
    it('rejects with TimeoutError in time, and can be waited for again', async () => {
      const error = await reason(result.get({ timeout: 0.02 }))
      expect(error)
        .to.be.instanceOf(TimeoutError)
        .and.to.include({ message: 'The operation timed out.' })
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(await result.get({ timeout: 5 })).to.equal(5)
    })

    it('takes its timeout as a duration, too, and nothing that is none', async () => {
      const answer = result.get({ timeout: { minutes: 1 } })
      await new Promise((resolve) => setTimeout(resolve, 5))
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(await within(5, answer)).to.equal(5)
      const other = new AsyncResult('other', { backend })
      expect(await reason(other.get({ timeout: { milliseconds: 5 } }))).to.be.instanceOf(
        TimeoutError,
      )
      expect(await reason(other.get({ timeout: '5' as never }))).to.include({
        code: 'ERR_IMPROPERLY_CONFIGURED',
      })
    })

    it('has no limit with a timeout of 0, as in Celery, nor with one that is longer than a timer', async () => {
      const answers = [result.get({ timeout: 0 }), result.get({ timeout: 1e9 })]
      await new Promise((resolve) => setTimeout(resolve, 5))
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(await within(5, Promise.all(answers))).to.deep.equal([5, 5])
    })

    it('rejects with the reason of the signal', async () => {
      const controller = new AbortController()
      const answers = [
        result.get({ signal: controller.signal }),
        result.updates({ signal: controller.signal }).next(),
      ]
      controller.abort(new Error('enough'))
      answers.push(result.get({ signal: controller.signal }))
      for (const answer of answers) {
        const error = await reason(answer)
        expect(error).to.include({ code: 'ERR_ABORTED' })
        expect(error.cause).to.be.instanceOf(Error).and.to.include({ message: 'enough' })
      }
    })

    it('leaves no listener on a signal that many waits have shared', async () => {
      const { signal } = new AbortController()
      const results = Array.from({ length: 2000 }, () => new AsyncResult('id', { backend }))
      const answers = Promise.all(results.map((each) => each.get({ signal, timeout: 60 })))
      expect(getEventListeners(signal, 'abort')).to.have.length(2000)
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(new Set(await within(30, answers))).to.deep.equal(new Set([5]))
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
      await new ResultSet(results).get({ signal, timeout: 60 })
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
    })

    it('tells every meta on the way, with errors in place of their data', async () => {
      const seen: ResultMeta[] = []
      const answer = result.get({ onMessage: (each) => void seen.push(each) })
      await backend.store(meta('id', 'RETRY', exception('KeyError', ['nope'])))
      await backend.store(meta('id', 'PROGRESS', { done: 1 }))
      await backend.store(meta('id', 'SUCCESS', 5))
      await answer
      expect(seen.map(({ status }) => status)).to.deep.equal(['RETRY', 'PROGRESS', 'SUCCESS'])
      expect(seen[0]?.result).to.be.instanceOf(TaskError)
    })

    it('rejects with what onMessage throws', async () => {
      const answer = result.get({
        onMessage: () => {
          throw new Error('mine')
        },
      })
      await backend.store(meta('id', 'STARTED'))
      expect(await reason(answer)).to.include({ message: 'mine' })
    })

    it('rejects when a task that ran before it failed, unless told not to', async () => {
      const root = new AsyncResult('root', { backend })
      const parent = new AsyncResult('parent', { backend }, { parent: root })
      const last = new AsyncResult('id', { backend }, { parent })
      const follows = last.get()
      const stays = last.get({ followParents: false })
      await backend.store(meta('parent', 'SUCCESS', 1))
      await backend.store(meta('root', 'FAILURE', exception('ValueError', ['first'])))
      expect(await reason(follows)).to.include({ taskId: 'root', excType: 'ValueError' })
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(await within(5, stays)).to.equal(5)
    })

    it('rejects with the first error that is stored, whichever news of it comes first', async () => {
      const late: ResultBackend = Object.create(backend, {
        fetchMany: { value: (ids: readonly string[]) => backend.fetchMany(ids) },
        subscribe: {
          value: (id: string, ...rest: [onMeta: () => void]) =>
            id === 'root' ? () => {} : backend.subscribe(id, ...rest),
        },
      }) as ResultBackend
      const root = new AsyncResult('root', { backend: late })
      const parent = new AsyncResult('parent', { backend: late }, { parent: root })
      const follows = new AsyncResult('id', { backend: late }, { parent }).get()
      await backend.store(meta('root', 'FAILURE', exception('ValueError', ['first'])))
      await backend.store(meta('parent', 'FAILURE', exception('TypeError', ['second'])))
      expect(await reason(follows)).to.include({ taskId: 'root', excType: 'ValueError' })
    })
  })

  describe('whose updates are followed', () => {
    it('yields each change up to the last, then ends', async () => {
      const seen: unknown[] = []
      const following = (async () => {
        for await (const { status, result: value } of result.updates()) seen.push([status, value])
      })()
      await backend.store(meta('id', 'STARTED'))
      await backend.store(meta('id', 'PROGRESS', { done: 1 }))
      await backend.store(meta('id', 'SUCCESS', 5))
      await within(5, following)
      expect(seen.at(-1)).to.deep.equal(['SUCCESS', 5])
      expect(seen.length).to.be.within(1, 3)
      expect(inspect(result)).to.contain('SUCCESS')
    })

    it('stops listening when the loop is left, even while a pull is pending', async () => {
      const updates = result.updates()
      const pull = updates.next()
      await updates.return?.()
      expect(await within(5, pull)).to.deep.equal({ done: true, value: undefined })
      await backend.store(meta('id', 'SUCCESS', 5))
      expect(await updates.next()).to.deep.equal({ done: true, value: undefined })
    })

    it('ends with an error when the backend closes', async () => {
      const pull = result.updates().next()
      await backend.close()
      expect(await reason(pull)).to.include({ code: 'ERR_ABORTED' })
    })

    it('drops the oldest, never the last, when nobody pulls', async () => {
      const updates = result.updates()
      const first = updates.next()
      await backend.store(meta('id', 'PROGRESS', 0))
      await first
      for (let n = 1; n <= 1500; n += 1) await backend.store(meta('id', 'PROGRESS', n))
      await backend.store(meta('id', 'SUCCESS', 'end'))
      const seen: unknown[] = []
      for await (const { result: value } of updates) seen.push(value)
      expect([seen.length, seen.at(-1)]).to.deep.equal([1000, 'end'])
    })
  })

  it('forgets itself and those that ran before it', async () => {
    await backend.store(meta('root', 'SUCCESS', 1))
    await backend.store(meta('id', 'SUCCESS', 2))
    const root = new AsyncResult('root', { backend })
    const last = new AsyncResult('id', { backend }, { parent: root })
    expect(await last.get()).to.equal(2)
    await last.forget()
    expect([await root.state(), await last.state()]).to.deep.equal(['PENDING', 'PENDING'])
  })

  it('revokes through the app, and says so when it has none', async () => {
    const revoked: unknown[] = []
    const revoke = async (...given: unknown[]): Promise<void> => void revoked.push(given)
    await new AsyncResult('id', { backend, revoke }).revoke({ terminate: true })
    expect(revoked).to.deep.equal([['id', { terminate: true }]])
    expect(await reason(result.revoke())).to.be.instanceOf(NotSupported)
  })

  it('revokes by stamp through the app, too', async () => {
    const revoked: unknown[] = []
    const revokeByStampedHeaders = async (...given: unknown[]): Promise<void> =>
      void revoked.push(given)
    const stamped = new AsyncResult('id', { backend, revokeByStampedHeaders })
    await stamped.revokeByStampedHeaders({ tenant: ['acme'] }, { terminate: true })
    expect(revoked).to.deep.equal([[{ tenant: ['acme'] }, { terminate: true }]])
    expect(await reason(result.revokeByStampedHeaders({}))).to.be.instanceOf(NotSupported)
  })

  it('may stand at the end of a chain of ten thousand', async () => {
    let last = new AsyncResult('0', { backend })
    for (let n = 1; n < 10_000; n += 1)
      last = new AsyncResult(`${n}`, { backend }, { parent: last })
    expect(last.asList()).to.have.length(10_000)
    let depth = 0
    for (let tuple: ResultTuple | null = last.asTuple(); tuple !== null; [[, tuple]] = tuple)
      depth += 1
    expect(depth).to.equal(10_000)
    await last.forget()
    const error = reason(last.get())
    await backend.store(meta('5', 'FAILURE', exception('ValueError', ['early'])))
    expect(await error).to.include({ taskId: '5' })
  })

  it('is the tuple of Celery, both ways, also as JSON', () => {
    const root = new AsyncResult('first', { backend })
    const last = new AsyncResult('last', { backend }, { parent: root })
    const tuple = [['last', [['first', null], null]], null]
    expect(last.asTuple()).to.deep.equal(tuple)
    expect(JSON.parse(JSON.stringify({ last }))).to.deep.equal({ last: tuple })
    expect(resultFromTuple(tuple, { backend }).asTuple()).to.deep.equal(tuple)
  })
})
