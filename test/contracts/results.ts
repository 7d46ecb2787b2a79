/** What many results as one must do, whatever backend they are on. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { ResultTuple } from '../../protocol/result.ts'
import {
  ChordError,
  IncompleteStream,
  NotSupported,
  TaskError,
  TaskRevokedError,
  TimeoutError,
  type CeleryError,
} from '../../src/errors.ts'
import { AsyncResult, resultFromTuple } from '../../src/results/async-result.ts'
import type { ResultBackend } from '../../src/results/backend.ts'
import { EagerResult } from '../../src/results/eager-result.ts'
import { GroupResult } from '../../src/results/group-result.ts'
import { restoreGroup } from '../../src/results/restore.ts'
import { ResultSet } from '../../src/results/result-set.ts'
import type { ResultSource } from '../../src/results/source.ts'
import type { ResultNode } from '../../src/results/tree.ts'
import { exception, meta } from '../support/backend.ts'
import { until, within } from '../support/until.ts'

/** How often a backend was asked and subscribed to, and what for. */
interface Asked {
  fetches: number
  many: string[][]
  open: number
}

export function resultsContract(open: () => Promise<ResultBackend>): void {
  let backend: ResultBackend
  let asked: Asked
  let revoked: unknown[]
  let source: ResultSource
  let id: string
  let a: AsyncResult<number>
  let b: AsyncResult<string>
  let c: AsyncResult<number>
  let group: GroupResult<[number, string, number]>

  before(async () => (backend = await open()))
  after(() => backend.close())
  beforeEach(() => {
    asked = { fetches: 0, many: [], open: 0 }
    revoked = []
    source = {
      backend: counting(backend, asked),
      revoke: async (...given) => void revoked.push(given),
    }
    id = randomUUID()
    a = task('a')
    b = task('b')
    c = task('c')
    group = new GroupResult(id, [a, b, c])
  })

  function task<R>(name: string, parent?: ResultNode): AsyncResult<R> {
    return new AsyncResult<R>(`${id}-${name}`, source, { parent })
  }
  const succeed = (node: { readonly id: string }, value: unknown): Promise<void> =>
    backend.store(meta(node.id, 'SUCCESS', value))
  const fail = (
    node: { readonly id: string },
    text: string,
    type = 'ValueError',
    module?: string,
  ): Promise<void> => backend.store(meta(node.id, 'FAILURE', exception(type, [text], module)))
  const reason = (answer: Promise<unknown>): Promise<CeleryError> =>
    within(
      10,
      answer.then(
        () => Promise.reject(new Error('it resolved')),
        (error: unknown) => error as CeleryError,
      ),
    )
  const succeedAll = (): Promise<unknown> =>
    Promise.all([succeed(c, 3), succeed(a, 1), succeed(b, 'two')])

  waits()
  waitsForGroupsInGroups()
  followsParents()
  iterates()
  answers()
  changes()
  acts()
  keeps()
  walks()

  function waits(): void {
    it('gives the results of all members in their order, however they come', async () => {
      const answer = group.get({ timeout: 10 })
      await succeedAll()
      expect(await answer).to.deep.equal([1, 'two', 3])
      expect(await group.join()).to.deep.equal([1, 'two', 3])
      expect(await group.joinNative()).to.deep.equal([1, 'two', 3])
    })

    it('subscribes to each member once, asks nothing more, and leaves when it has them', async () => {
      const answer = group.get()
      expect(asked.open).to.equal(3)
      await succeedAll()
      await within(10, answer)
      expect(asked).to.deep.equal({ fetches: 0, many: [], open: 0 })
    })

    it('keeps what it has seen, and subscribes to the rest alone', async () => {
      await succeed(a, 1)
      expect(await a.get()).to.equal(1)
      const answer = group.get()
      expect(asked.open).to.equal(2)
      await Promise.all([succeed(b, 'two'), succeed(c, 3)])
      expect(await within(10, answer)).to.deep.equal([1, 'two', 3])
    })

    it('rejects with the first failure that comes, and waits for no other', async () => {
      const answer = reason(group.get())
      await fail(b, 'boom')
      expect(await answer)
        .to.be.instanceOf(TaskError)
        .and.to.include({ taskId: b.id })
      expect(asked.open).to.equal(0)
    })

    it('rejects when one was revoked', async () => {
      const stored = exception('TaskRevokedError', ['terminated'], 'celery.exceptions')
      await backend.store(meta(c.id, 'REVOKED', stored))
      expect(await reason(group.get())).to.be.instanceOf(TaskRevokedError)
    })

    it('puts errors at their places when it shall not propagate', async () => {
      const answer = group.get({ propagate: false })
      await Promise.all([succeed(a, 1), fail(b, 'boom'), succeed(c, 3)])
      const [one, error, three] = await within(10, answer)
      expect([one, three]).to.deep.equal([1, 3])
      expect(error).to.be.instanceOf(TaskError).and.to.include({ taskId: b.id })
    })

    it('gives all of them one time together', async () => {
      const answer = reason(group.get({ timeout: 0.3 }))
      await Promise.all([succeed(a, 1), succeed(b, 'two')])
      expect(await answer).to.be.instanceOf(TimeoutError)
      expect(asked.open).to.equal(0)
    })

    it('ends with the signal', async () => {
      const controller = new AbortController()
      const answer = reason(group.get({ signal: controller.signal }))
      controller.abort()
      expect(await answer).to.include({ code: 'ERR_ABORTED' })
      expect(await reason(group.get({ signal: controller.signal }))).to.include({
        code: 'ERR_ABORTED',
      })
      expect(asked.open).to.equal(0)
    })

    it('tells each result to a callback as it comes, and then gives nothing', async () => {
      const seen: unknown[] = []
      const answer = group.get({ callback: (taskId, value) => seen.push([taskId, value]) })
      await succeedAll()
      expect(await within(10, answer)).to.equal(undefined)
      expect(seen).to.have.deep.members([
        [a.id, 1],
        [b.id, 'two'],
        [c.id, 3],
      ])
    })

    it('rejects with what a callback throws', async () => {
      const answer = reason(
        group.get({
          callback: () => {
            throw new Error('mine')
          },
        }),
      )
      await succeed(b, 'two')
      expect(await answer).to.include({ message: 'mine' })
      expect(asked.open).to.equal(0)
    })

    it('tells every meta on the way', async () => {
      const seen = new Set<string>()
      const answer = group.get({
        onMessage: ({ taskId, status }) => seen.add(`${taskId} ${status}`),
      })
      await backend.store(meta(b.id, 'PROGRESS', { done: 1 }))
      await until(() => seen.has(`${b.id} PROGRESS`))
      await succeedAll()
      await within(10, answer)
      expect([...seen]).to.include.members([`${a.id} SUCCESS`, `${b.id} SUCCESS`])
    })

    it('is an empty list at once when it has no members', async () => {
      const empty = new GroupResult<[]>(id, [])
      expect(await empty.get()).to.deep.equal([])
      expect([
        await empty.ready(),
        await empty.successful(),
        await empty.failed(),
        await empty.waiting(),
        await empty.completedCount(),
      ]).to.deep.equal([true, true, false, false, 0])
      for await (const { index } of empty.iterate()) expect.fail(`there is no ${index}`)
    })

    it('does not wait for a member whose result nobody stores', async () => {
      const silent = new AsyncResult<undefined>(`${id}-silent`, source, { ignored: true })
      const set = new ResultSet<[number, undefined]>([a, silent])
      await succeed(a, 1)
      expect(await within(10, set.get())).to.deep.equal([1, undefined])
    })

    it('takes a member that is in it twice', async () => {
      const twice = new ResultSet<[number, number]>([a, a])
      const answer = twice.get()
      await succeed(a, 1)
      expect(await within(10, answer)).to.deep.equal([1, 1])
    })

    it('takes results that were there from the start', async () => {
      const eager = new EagerResult<number>('eager', { state: 'SUCCESS', result: 7 })
      const set = new ResultSet<[number, number]>([a, eager])
      await succeed(a, 1)
      expect(await within(10, set.get())).to.deep.equal([1, 7])
      expect([await set.ready(), await set.completedCount()]).to.deep.equal([true, 2])
    })

    it('ends when the backend closes', async () => {
      const other = await open()
      const lone = new AsyncResult('never', { backend: other })
      const answer = reason(new ResultSet([lone]).get())
      await other.close()
      expect(await answer).to.include({ code: 'ERR_ABORTED' })
    })
  }

  function waitsForGroupsInGroups(): void {
    it('gives lists in the list for groups in it, also empty ones', async () => {
      const inner = new GroupResult(`${id}-inner`, [b, new GroupResult(`${id}-none`, [])])
      const outer = new GroupResult<unknown[]>(id, [a, inner, c])
      const answer = outer.get()
      await succeedAll()
      expect(await within(10, answer)).to.deep.equal([1, ['two', []], 3])
      expect(await outer.completedCount()).to.equal(3)
    })

    it('rejects with a failure deep in it', async () => {
      const inner = new GroupResult(`${id}-inner`, [b])
      const answer = reason(new GroupResult<unknown[]>(id, [a, inner]).get())
      await fail(b, 'deep')
      expect(await answer).to.include({ taskId: b.id })
    })

    it('counts a group that is a member when all in it succeeded', async () => {
      const inner = new GroupResult(`${id}-inner`, [b, c])
      const outer = new GroupResult<unknown[]>(id, [a, inner])
      await Promise.all([succeed(a, 1), succeed(b, 'two')])
      expect([await outer.completedCount(), await outer.ready()]).to.deep.equal([1, false])
      await succeed(c, 3)
      expect([await outer.completedCount(), await outer.ready()]).to.deep.equal([2, true])
    })
  }

  function followsParents(): void {
    it('rejects when what ran before the group failed', async () => {
      const root = task('root')
      const after = new GroupResult<number[]>(id, [a, c], { parent: root })
      const answer = reason(after.get())
      await fail(root, 'first')
      expect(await answer).to.include({ taskId: root.id })
      expect(asked.open).to.equal(0)
    })

    it("rejects when what ran before a member failed, with the first one's error", async () => {
      const root = task('root')
      const middle = task('middle', root)
      const last = task('last', middle)
      const answer = reason(new ResultSet([a, last]).get())
      await fail(root, 'first')
      expect(await answer).to.include({ taskId: root.id })
    })

    it("has the body of a chord raise its header's error, before and after it was seen", async () => {
      const body = task('body', group)
      await fail(b, 'header')
      await fail(body, 'Dependency raised', 'ChordError', 'celery.exceptions')
      expect(await reason(body.get())).to.include({ taskId: b.id, excType: 'ValueError' })
      expect(await body.failed()).to.equal(true)
      expect(await reason(body.get())).to.include({ taskId: b.id })
      expect(await reason(body.get({ followParents: false }))).to.be.instanceOf(ChordError)
      expect(await body.get({ propagate: false })).to.be.instanceOf(ChordError)
    })
  }

  function iterates(): void {
    it('tells each member as it completes', async () => {
      const seen: unknown[] = []
      const iterating = (async () => {
        for await (const { index, value } of group.iterate()) seen.push([index, value])
      })()
      await succeed(c, 3)
      await until(() => seen.length === 1)
      await succeed(a, 1)
      await until(() => seen.length === 2)
      await succeed(b, 'two')
      await within(10, iterating)
      expect(seen).to.deep.equal([
        [2, 3],
        [0, 1],
        [1, 'two'],
      ])
      expect(asked.open).to.equal(0)
    })

    it('throws the first failure, or tells it at its place', async () => {
      await Promise.all([succeed(a, 1), fail(b, 'boom'), succeed(c, 3)])
      const drain = async (): Promise<void> => {
        for await (const completed of group.iterate()) expect(completed.index).to.not.equal(1)
      }
      expect(await reason(drain())).to.include({ taskId: b.id })
      const seen: unknown[] = []
      for await (const { index, value } of group.iterate({ propagate: false }))
        seen[index] = value instanceof Error ? value.message : value
      expect(seen).to.deep.equal([1, 'ValueError: boom', 3])
    })

    it('leaves when the loop is left, and ends with timeout and signal', async () => {
      await succeed(a, 1)
      for await (const { value } of group.iterate()) {
        expect(value).to.equal(1)
        break
      }
      await until(() => asked.open === 0)
      const drain = async (): Promise<void> => {
        for await (const { index } of group.iterate({ timeout: 0.3 })) expect(index).to.equal(0)
      }
      expect(await reason(drain())).to.be.instanceOf(TimeoutError)
      const controller = new AbortController()
      const set = new ResultSet([b])
      const pull = reason(set.iterate({ signal: controller.signal }).next())
      controller.abort()
      expect(await pull).to.include({ code: 'ERR_ABORTED' })
      await until(() => asked.open === 0)
    })

    it('tells the meta of each task as it is ready, also of those that failed', async () => {
      const nested = new ResultSet([a, new GroupResult(`${id}-inner`, [b])])
      await Promise.all([succeed(a, 1), fail(b, 'boom')])
      const seen = new Map<string, string>()
      for await (const { taskId, status } of nested.iterNative()) seen.set(taskId, status)
      expect(Object.fromEntries(seen)).to.deep.equal({ [a.id]: 'SUCCESS', [b.id]: 'FAILURE' })
    })
  }

  function answers(): void {
    it('answers each question with one question to the backend', async () => {
      await Promise.all([succeed(a, 1), fail(b, 'boom')])
      expect(await group.completedCount()).to.equal(1)
      expect(asked.many).to.deep.equal([[a.id, b.id, c.id]])
      expect(await group.failed()).to.equal(true)
      expect(asked.many[1]).to.deep.equal([c.id]) // what is ready is kept
      expect([await group.ready(), await group.waiting(), await group.successful()]).to.deep.equal([
        false,
        true,
        false,
      ])
      await succeed(c, 3)
      expect(await group.ready()).to.equal(true)
      const before = asked.many.length
      expect([await group.ready(), await group.waiting()]).to.deep.equal([true, false])
      expect([asked.many.length, asked.fetches]).to.deep.equal([before, 0])
    })

    it('has succeeded when all have', async () => {
      await succeedAll()
      expect([
        await group.successful(),
        await group.failed(),
        await group.completedCount(),
      ]).to.deep.equal([true, false, 3])
    })

    it('throws what failed first in order, without waiting, and tells what is known', async () => {
      await succeed(a, 1)
      const seen: unknown[] = []
      const callback = (taskId: string, value: unknown): void => void seen.push([taskId, value])
      await group.maybeThrow({ callback })
      expect(seen).to.deep.equal([
        [a.id, 1],
        [b.id, null],
        [c.id, null],
      ])
      await Promise.all([fail(c, 'later'), fail(b, 'earlier')])
      expect(await reason(group.maybeThrow())).to.include({ taskId: b.id })
      await group.maybeThrow({ propagate: false })
      expect(await reason(b.maybeThrow())).to.include({ taskId: b.id })
      expect(await b.maybeThrow({ propagate: false })).to.be.instanceOf(TaskError)
      expect(await a.maybeThrow()).to.equal(1)
    })
  }

  function changes(): void {
    it('takes members, and gives them up', async () => {
      const set = new ResultSet<number[]>([a])
      set.add(c)
      set.add(task(`c`))
      expect([...set].map((one) => one.id)).to.deep.equal([a.id, c.id])
      set.update([a, task('d'), c])
      expect(set.length).to.equal(3)
      set.discard('unknown')
      set.discard(a)
      set.remove(`${id}-d`)
      expect(set.results.map((one) => one.id)).to.deep.equal([c.id])
      expect(() => set.remove(a)).to.throw(RangeError, a.id)
      set.clear()
      expect(set.length).to.equal(0)
    })

    it('is equal to one of the same members; a group by its id, too', () => {
      expect(new ResultSet([a, b]).equals(new ResultSet([a, task('b')]))).to.equal(true)
      expect(new ResultSet([a, b]).equals(new ResultSet([b, a]))).to.equal(false)
      expect(group.equals(new GroupResult(id, [a, b, c]))).to.equal(true)
      expect(group.equals(new GroupResult(id, [a, b, c], { parent: a }))).to.equal(false)
      expect(group.equals(new GroupResult('other', [a, b, c]))).to.equal(false)
      expect([group.equals(id), a.equals(a.id), a.equals(task('a')), a.equals(b)]).to.deep.equal([
        true,
        true,
        true,
        false,
      ])
    })
  }

  function acts(): void {
    it('revokes all with one word', async () => {
      const inner = new GroupResult(`${id}-inner`, [b])
      await new ResultSet([a, inner, c]).revoke({ terminate: true })
      expect(revoked).to.deep.equal([[[a.id, b.id, c.id], { terminate: true }]])
      const alone = new ResultSet([new AsyncResult('x', { backend })])
      expect(await reason(alone.revoke())).to.be.instanceOf(NotSupported)
      const eager = new EagerResult('eager', { state: 'SUCCESS', result: 7 })
      await new ResultSet([eager]).revoke()
      expect(await eager.state()).to.equal('REVOKED')
    })

    it('forgets its members, and what ran before each', async () => {
      const last = task('last', a)
      await Promise.all([succeed(a, 1), succeed(last, 2)])
      const set = new ResultSet([last, b])
      expect(await last.get()).to.equal(2)
      await set.forget()
      expect([await a.state(), await last.state()]).to.deep.equal(['PENDING', 'PENDING'])
    })
  }

  function keeps(): void {
    it('is kept, restored and deleted under its id', async () => {
      const root = task('root')
      const saved = new GroupResult<number[]>(id, [a, c], { parent: root })
      expect(await restoreGroup(id, source)).to.equal(undefined)
      await saved.save()
      const restored = await restoreGroup(id, source)
      expect(restored?.equals(saved)).to.equal(true)
      await Promise.all([succeed(root, 0), succeed(a, 1), succeed(c, 3)])
      expect(await within(10, restored?.get() ?? Promise.reject())).to.deep.equal([1, 3])
      const app = { groupResult: (of: string) => restoreGroup(of, source) }
      expect((await GroupResult.restore(id, app))?.length).to.equal(2)
      await restored?.delete()
      expect(await GroupResult.restore(id, app)).to.equal(undefined)
    })

    it('says what is wrong when what was saved is no group', async () => {
      await backend.groups.save([[id, null], null])
      expect(await reason(restoreGroup(id, source))).to.include({ code: 'ERR_DECODE' })
    })
  }

  function walks(): void {
    const sent = (node: ResultNode, value: unknown, children: readonly ResultTuple[]) =>
      backend.store(meta(node.id, 'SUCCESS', value, { children }))

    it('has groups as real groups among its children and parents', async () => {
      await sent(a, 1, [group.asTuple(), c.asTuple()])
      const [child, plain] = (await a.children()) ?? []
      expect(child).to.be.instanceOf(GroupResult)
      expect(plain).to.be.instanceOf(AsyncResult)
      expect(child?.asTuple()).to.deep.equal(group.asTuple())
      const after = resultFromTuple([['x', group.asTuple()], null], source)
      expect(after.parent).to.be.instanceOf(GroupResult)
      expect(after.asList()).to.deep.equal(['x', a.id, b.id, c.id])
    })

    it('collects what it leads to, and what each gives', async () => {
      await sent(a, 'root', [b.asTuple(), new GroupResult(id, [c, task('d')]).asTuple()])
      await Promise.all([succeed(b, 'b'), succeed(c, 'c'), succeed(task('d'), 'd')])
      const seen: unknown[] = []
      for await (const [node, value] of a.collect()) seen.push([node.id, value])
      expect(seen).to.deep.equal([
        [a.id, 'root'],
        [b.id, 'b'],
        [id, ['c', 'd']],
        [c.id, 'c'],
        [`${id}-d`, 'd'],
      ])
      expect(await a.getLeaf()).to.equal('d')
      const graph = await a.graph()
      expect([...graph].map(String)).to.deep.equal([a.id, b.id, id, c.id, `${id}-d`])
      expect(graph.topsort().map(String).at(-1)).to.equal(a.id)
    })

    it('says that something is not ready, unless it was asked for that, too, or waits for it', async () => {
      await sent(a, 1, [b.asTuple()])
      const walk = async (intermediate: boolean): Promise<readonly unknown[]> => {
        const seen: unknown[] = []
        for await (const [parent, node] of a.iterdeps({ intermediate }))
          seen.push([parent?.id, node.id])
        return seen
      }
      const error = await reason(walk(false))
      expect(error).to.be.instanceOf(IncompleteStream)
      expect(error.message).to.include(b.id)
      expect(await reason(a.graph())).to.be.instanceOf(IncompleteStream)
      expect(await walk(true)).to.deep.equal([
        [undefined, a.id],
        [a.id, b.id],
      ])
      const leaf = a.getLeaf()
      await succeed(b, 'b')
      expect(await within(10, leaf)).to.equal('b')
      expect((await a.graph()).size).to.equal(2)
    })

    it('does not walk in circles', async () => {
      await sent(a, 1, [b.asTuple()])
      await sent(b, 2, [a.asTuple()])
      const seen: string[] = []
      for await (const [node] of a.collect()) seen.push(node.id)
      expect(seen).to.deep.equal([a.id, b.id, a.id])
    })
  }
}

function counting(backend: ResultBackend, asked: Asked): ResultBackend {
  return Object.create(backend, {
    groups: { get: () => backend.groups },
    fetch: {
      value: (id: string) => {
        asked.fetches += 1
        return backend.fetch(id)
      },
    },
    fetchMany: {
      value: (ids: string[]) => {
        asked.many.push(ids)
        return backend.fetchMany(ids)
      },
    },
    forget: { value: (id: string) => backend.forget(id) },
    subscribe: {
      value: (...given: Parameters<ResultBackend['subscribe']>) => {
        const unsubscribe = backend.subscribe(...given)
        let left = false
        asked.open += 1
        return () => {
          if (!left) asked.open -= 1
          left = true
          unsubscribe()
        }
      },
    },
  }) as ResultBackend
}
