/** What every result backend must do. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { resultTuple, type ResultMeta, type ResultTuple } from '../../protocol/result.ts'
import { EncodeError, TaskError, type CeleryError } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import type { ResultBackend, StoreOptions } from '../../src/results/backend.ts'
import { exception, meta } from '../support/backend.ts'
import { until, within } from '../support/until.ts'

export interface BackendPair {
  /** The one who sent the task. */
  readonly client: ResultBackend
  /** The one who ran it. */
  readonly worker: ResultBackend
  /** How the worker's results find the client. */
  readonly options: StoreOptions
  /** Whether its store has a place for the children of a task. @default true */
  readonly keepsChildren?: boolean
  /** Why it cannot keep a result under every id there may be. */
  readonly oddIds?: string
  /** Closes what the backends borrow. */
  close(): Promise<void>
}

export function backendContract(open: () => Promise<BackendPair>): void {
  describe('as every result backend', () => {
    let pair: BackendPair
    let client: ResultBackend
    let store: (meta: ResultMeta) => Promise<void>
    let id: string

    before(async () => {
      pair = await open()
      client = pair.client
      store = (given) => pair.worker.store(given, { ...pair.options, correlationId: given.taskId })
    })
    after(async () => {
      await Promise.all([pair.client.close(), pair.worker.close()])
      await pair.close()
    })
    beforeEach(async () => {
      id = randomUUID()
      await client.onTaskCall(id)
    })
    const state = async (): Promise<string> => (await client.fetch(id)).status

    tellsWhatIsStored()
    tellsWhoWaits()
    ends()

    function tellsWhatIsStored(): void {
      it('says PENDING of a task that nobody stored', async () => {
        expect(await client.fetch(id)).to.deep.include({ taskId: id, status: 'PENDING' })
      })

      it('tells the parents of a child at the end of a long chain', async () => {
        let child: ResultTuple | null = null
        for (let parents = 0; parents < 200; parents += 1) child = resultTuple(randomUUID(), child)
        const children = child === null ? [] : [child]
        await store(meta(id, 'SUCCESS', 1, { children }))
        await until(async () => (await state()) === 'SUCCESS')
        const kept = pair.keepsChildren === false ? null : children
        expect((await client.fetch(id)).children).to.deep.equal(kept)
      })

      it('tells what was stored', async () => {
        const given = meta(id, 'SUCCESS', { a: [1, 2.5, 'ü\u2028"', null, true] })
        await store(given)
        await until(async () => (await state()) === 'SUCCESS')
        const { dateDone: _, ...rest } = await client.fetch(id)
        const { dateDone: __, ...stored } = given
        const expected = pair.keepsChildren === false ? { ...stored, children: null } : stored
        expect(rest).to.deep.equal(expected)
      })

      it('tells of many tasks, in the order they were asked for', async () => {
        const other = randomUUID()
        await client.onTaskCall(other)
        await Promise.all([store(meta(other, 'SUCCESS', 2)), store(meta(id, 'SUCCESS', 1))])
        await until(async () =>
          (await client.fetchMany([id, other])).every(({ status }) => status === 'SUCCESS'),
        )
        const metas = await client.fetchMany([id, 'unknown', other])
        expect(metas.map(({ result }) => result)).to.deep.equal([1, null, 2])
      })

      it('keeps a SUCCESS whatever comes after', async () => {
        await store(meta(id, 'SUCCESS', 'first'))
        await store(meta(id, 'FAILURE', exception('ValueError', ['late'])))
        await store(meta(id, 'REVOKED', exception('TaskRevokedError', ['revoked'])))
        await until(async () => (await state()) === 'SUCCESS')
        expect((await client.fetch(id)).result).to.equal('first')
      })

      it('lets a later SUCCESS take the place of a FAILURE, as a redelivered task may bring it', async () => {
        await store(meta(id, 'FAILURE', exception('WorkerLostError', ['gone'])))
        await store(meta(id, 'SUCCESS', 'second'))
        await until(async () => (await state()) === 'SUCCESS')
      })

      it('takes any id, or refuses at once what it cannot keep', async () => {
        const odd = `${id} :*?[]\\ "ü\u{1f600}`
        await client.onTaskCall(odd)
        if (pair.oddIds !== undefined) {
          const refused = await store(meta(odd, 'SUCCESS', 1)).catch((error: unknown) => error)
          expect(refused, pair.oddIds).to.include({ code: 'ERR_BACKEND', retryable: false })
          return
        }
        await store(meta(odd, 'SUCCESS', 1))
        await until(async () => (await client.fetch(odd)).status === 'SUCCESS')
      })

      it('refuses what it cannot write, and goes on', async () => {
        const cycle: unknown[] = []
        cycle.push(cycle)
        const refused = await store(meta(id, 'SUCCESS', cycle)).catch((error: unknown) => error)
        expect(refused).to.be.instanceOf(EncodeError)
        await store(meta(id, 'SUCCESS', 1))
        await until(async () => (await state()) === 'SUCCESS')
      })

      it('forgets', async () => {
        await store(meta(id, 'SUCCESS', 1))
        await until(async () => (await state()) === 'SUCCESS')
        await client.forget(id)
        expect(await state()).to.equal('PENDING')
      })
    }

    function tellsWhoWaits(): void {
      it('tells each state as it is stored, in order', async () => {
        const seen: unknown[] = []
        const unsubscribe = client.subscribe(id, ({ status, result }) =>
          seen.push([status, result]),
        )
        expect(seen).to.deep.equal([])
        await store(meta(id, 'STARTED', { pid: 1 }))
        await until(() => seen.length === 1)
        await store(meta(id, 'PROGRESS', { done: 3 }))
        await until(() => seen.length === 2)
        await store(meta(id, 'SUCCESS', 5))
        await until(() => seen.length === 3)
        unsubscribe()
        expect(seen).to.deep.equal([
          ['STARTED', { pid: 1 }],
          ['PROGRESS', { done: 3 }],
          ['SUCCESS', 5],
        ])
      })

      it('tells each who waits, also of what was stored before, until he leaves', async () => {
        const seen: string[] = []
        await store(meta(id, 'PROGRESS', 1))
        const leaves = ['a', 'b'].map((name) =>
          client.subscribe(id, ({ result }) => seen.push(`${name}${String(result)}`)),
        )
        await until(() => seen.length === 2)
        leaves[0]?.()
        leaves[0]?.()
        await store(meta(id, 'SUCCESS', 2))
        await until(() => seen.length === 3)
        leaves[1]?.()
        expect(seen.toSorted()).to.deep.equal(['a1', 'b1', 'b2'])
      })

      it('tells who comes when another waits already', async () => {
        const first = new AsyncResult(id, { backend: client })
        const started = new Promise<void>((resolve) => {
          void first.get({ onMessage: ({ status }) => void (status === 'STARTED' && resolve()) })
        })
        await store(meta(id, 'STARTED'))
        await within(5, started)
        const seen: string[] = []
        const unsubscribe = client.subscribe(id, ({ status }) => seen.push(status))
        await until(() => seen.length === 1)
        await store(meta(id, 'SUCCESS'))
        await until(() => seen.length === 2)
        unsubscribe()
        expect(seen).to.deep.equal(['STARTED', 'SUCCESS'])
      })

      it('serves hundreds who wait at once', async () => {
        const ids = Array.from({ length: 300 }, () => randomUUID())
        await Promise.all(ids.map((each) => client.onTaskCall(each)))
        const results = ids.map((each) => new AsyncResult<number>(each, { backend: client }).get())
        await Promise.all(ids.map((each, index) => store(meta(each, 'SUCCESS', index))))
        expect(await within(10, Promise.all(results))).to.deep.equal(ids.map((_, index) => index))
      })

      it('brings a failure to who waits', async () => {
        const traceback = 'Traceback (most recent call last):\nValueError: boom\n'
        const failure = new AsyncResult(id, { backend: client }).get().then(
          () => undefined,
          (reason: unknown) => reason,
        )
        await store(meta(id, 'FAILURE', exception('ValueError', ['boom', 42]), { traceback }))
        const error = await within(5, failure)
        expect(error).to.be.instanceOf(TaskError)
        expect(error).to.include({ excType: 'ValueError', excModule: 'builtins', traceback })
        expect((error as TaskError).args).to.deep.equal(['boom', 42])
      })
    }

    function ends(): void {
      it('ends who waits when it closes, and who comes later; closing twice is fine', async () => {
        const other = await open()
        const reasons: string[] = []
        const wait = (taskId: string): void =>
          void other.client.subscribe(
            taskId,
            () => {},
            (reason: CeleryError) => reasons.push(reason.code),
          )
        wait('one')
        wait('two')
        await Promise.all([other.client.close(), other.client.close(), other.worker.close()])
        await until(() => reasons.length === 2)
        wait('three')
        await until(() => reasons.length === 3)
        await other.close()
        expect(new Set(reasons)).to.deep.equal(new Set(['ERR_ABORTED']))
      })

      it('can be closed without ever having been used', async () => {
        const other = await open()
        await within(5, Promise.all([other.client.close(), other.worker.close()]))
        await other.close()
      })
    }
  })
}
