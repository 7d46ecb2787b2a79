/** Calls that are not yet made: changed, linked, chained, sent. */

import { expect } from 'chai'
import { DateTime } from 'luxon'
import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { NotSupported } from '../../src/errors.ts'
import { chain, chord, group } from '../../src/task/compose.ts'
import { Signature } from '../../src/task/signature.ts'
import type { Task } from '../../src/task/task.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('a signature', () => {
  let app: Fixture
  let add: Task<[x: number, y: number], number>
  beforeEach(() => {
    app = fixture()
    add = app.task('shop.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
  })

  it('is on the wire what Celery writes', () => {
    expect(JSON.stringify(add.s(1, 2))).to.equal(
      '{"task":"shop.add","args":[1,2],"kwargs":{},"options":{},"subtask_type":null,"immutable":false}',
    )
    expect(add.si(1, 2).set({ countdown: 10, queue: 'q', priority: 3 }).toJSON()).to.deep.equal({
      task: 'shop.add',
      args: [1, 2],
      kwargs: {},
      options: { countdown: 10, queue: 'q', priority: 3 },
      subtask_type: null,
      immutable: true,
    })
    expect(JSON.stringify(add.map([1]))).to.equal(
      '{"task":"celery.map","args":[],"kwargs":{"task":{"task":"shop.add","args":[],"kwargs":{},"options":{},"subtask_type":null,"immutable":false},"it":[1]},"options":{},"subtask_type":null,"immutable":true}',
    )
  })

  it('has durations as seconds and stamps as options, as Python reads them', () => {
    const sig = add.s(1, 2).set({ countdown: { minutes: 2 }, expires: { hours: 1 } })
    expect(sig.options).to.deep.equal({ countdown: 120, expires: 3600 })
    sig.set({ stamps: { tenant: 'a' }, properties: { priority_hint: 1 } })
    expect(sig.options).to.deep.include({
      tenant: 'a',
      stamped_headers: ['tenant'],
      priority_hint: 1,
    })
  })

  it('is sent with given arguments before its own, and given options over its own', async () => {
    await add.s(2).set({ queue: 'a', priority: 1 }).applyAsync([1], { queue: 'b' })
    expect(app.sender.last).to.deep.include({ task: 'shop.add', args: [1, 2] })
    expect(app.sender.last.options).to.deep.include({ queue: 'b', priority: 1 })
    await add.signature([], { kwargs: { x: 1, y: 2 } }).delay()
    expect(app.sender.last.options.kwargs).to.deep.equal({ x: 1, y: 2 })
  })

  it('is sent as the task that it was frozen as, also when that is not known here', async () => {
    const sig = new Signature(app.host, makeSignature('py.task', [1]))
    const result = sig.freeze('fixed')
    expect(result.id).to.equal('fixed')
    expect(sig.id).to.equal('fixed')
    expect((await sig.applyAsync()).id).to.equal('fixed')
    expect(app.sender.last.options).to.deep.equal({ taskId: 'fixed', replyTo: 'the-oid' })
  })

  it('has links added once, and gives back what it was given', () => {
    const sig = add.s(1, 2)
    const other = add.s(3)
    expect(sig.link(other)).to.equal(other)
    sig.link(other)
    expect(sig.onError(other)).to.equal(sig)
    expect(sig.options).to.deep.equal({ link: [other.toJSON()], link_error: [other.toJSON()] })
  })

  it('is not changed by changes to its clone', () => {
    const sig = add.s(2).set({ queue: 'a' })
    const copy = sig.clone([1], { priority: 5 })
    copy.set({ queue: 'b' })
    copy.link(add.s(1))
    expect(sig.toJSON()).to.deep.include({ args: [2], options: { queue: 'a' } })
    expect(copy.args).to.deep.equal([1, 2])
    expect(copy.options).to.deep.include({ queue: 'b', priority: 5 })
  })

  it('has its arguments, keywords or options replaced, each when it is given', () => {
    const sig = add.signature([1], { kwargs: { y: 2 }, queue: 'a' })
    expect(sig.replace([5]).toJSON()).to.deep.include({ args: [5], options: { queue: 'a' } })
    expect(sig.replace(undefined, { kwargs: {} }).toJSON()).to.deep.include({
      args: [1],
      kwargs: {},
      options: { queue: 'a' },
    })
    expect(sig.replace(undefined, { priority: 3 }).options).to.deep.equal({ priority: 3 })
    expect(sig.replace(undefined, {}).options).to.deep.equal({})
    expect(sig.toJSON()).to.deep.include({ args: [1], kwargs: { y: 2 }, options: { queue: 'a' } })
  })

  it('tells what will be called after it', () => {
    const sig = add.s(1, 2)
    const next = add.s(3)
    next.link(add.s(4))
    sig.link(next)
    expect(sig.flattenLinks().map(({ args }) => args)).to.deep.equal([[1, 2], [3], [4]])
  })

  it('has stamps, as have its links', () => {
    const sig = add.s(1, 2)
    sig.link(add.s(3))
    expect(sig.stamp({ tenant: 'a' })).to.equal(sig)
    expect(sig.options).to.deep.include({ tenant: 'a', stamped_headers: ['tenant'] })
    expect(sig.flattenLinks()[1]?.options).to.deep.include({ tenant: 'a' })
    sig.stamp({ onSignature: () => ({ by: 'me' }) })
    expect(sig.options).to.deep.include({ tenant: 'a', by: 'me' })
  })

  it('keeps points in time as such, an eta as text that all of Celery reads, and durations as seconds', () => {
    const at = DateTime.fromISO('2026-11-22T08:00:00Z')
    const sig = add
      .s(1, 2)
      .set({ eta: at, expires: at, timeLimit: { minutes: 1 }, timeout: { minutes: 2 } })
    expect(sig.options).to.deep.equal({
      eta: '2026-11-22T08:00:00+00:00',
      expires: new Date('2026-11-22T08:00:00Z'),
      time_limit: 60,
      timeout: 120,
    })
  })

  it('is not sent with arguments that do not fit', async () => {
    const sig = add.s(1) as unknown as Signature
    expect(await sig.applyAsync().catch((error: unknown) => error)).to.be.instanceOf(TypeError)
    expect(app.sender.sent).to.deep.equal([])
  })

  it('passes the abort signal on, and keeps it out of what goes on the wire', async () => {
    const { signal } = new AbortController()
    await add.s(1, 2).applyAsync([], { signal })
    expect(app.sender.last.options.signal).to.equal(signal)
  })

  it('that a message holds is refused when it is none', async () => {
    const link = { task: 'x' } as never
    const error: unknown = await add.applyAsync([1, 2], { link }).catch((bad: unknown) => bad)
    expect(error).to.have.property('code', 'ERR_INVALID_TASK')
  })
})

describe('a chain', () => {
  let app: Fixture
  let add: Task<[x: number, y: number], number>
  beforeEach(() => {
    app = fixture()
    add = app.task('shop.add', (x: number, y: number) => x + y)
  })

  it('is one message; its result is that of the last, with the others as parents', async () => {
    const result = await chain(add.s(1, 2), add.s(3), add.s(4)).applyAsync()
    expect(app.sender.sent).to.have.length(1)
    const { taskId, chain: rest } = app.sender.last.options
    expect(rest?.map(({ args }) => args)).to.deep.equal([[4], [3]])
    expect(result.id).to.equal(rest?.[0]?.options['task_id'])
    expect(result.parent?.id).to.equal(rest?.[1]?.options['task_id'])
    expect(result.parent?.parent?.id).to.equal(taskId)
    expect(result.parent?.parent?.parent).to.equal(undefined)
  })

  it('is the same by pipe, and flat', () => {
    const piped = add.s(1, 2).pipe(add.s(3)).pipe(add.s(4))
    expect(piped.toJSON()).to.deep.equal(chain(add.s(1, 2), add.s(3), add.s(4)).toJSON())
    expect(chain(piped, add.s(5)).toJSON().kwargs['tasks']).to.have.length(4)
  })

  it('of one is that one; of none is refused', () => {
    const one = add.s(1, 2)
    expect(chain(one)).to.equal(one)
    expect(chain([one])).to.equal(one)
    expect(() => chain([])).to.throw(/at least one/)
  })

  it('takes options for its last, and arguments for its first', async () => {
    const sig = add.s(2).pipe(add.s(3))
    const result = await sig.applyAsync([1], { taskId: 'last', queue: 'q' })
    expect(result.id).to.equal('last')
    expect(app.sender.last.args).to.deep.equal([1, 2])
    expect(app.sender.last.options.queue).to.equal('q')
  })

  it('runs here and now by apply, and with taskAlwaysEager', async () => {
    expect(await (await chain(add.s(1, 2), add.s(3)).apply()).get()).to.equal(6)
    app = fixture({ taskAlwaysEager: true })
    add = app.task('shop.add', (x: number, y: number) => x + y)
    expect(await (await add.s(2).pipe(add.s(3)).applyAsync([1])).get()).to.equal(6)
    expect(app.sender.sent).to.deep.equal([])
  })

  it('of groups and chords runs here and now, one task after another', async () => {
    app.task('echo', (...args: unknown[]) => args)
    const part = (...args: unknown[]): SignatureDict => makeSignature('shop.add', args)
    const both = groupOf([part(1), part(2)])
    const echo = makeSignature('echo')
    const runs = async (dict: SignatureDict, ...args: unknown[]): Promise<unknown> =>
      (await new Signature(app.host, dict).apply(args)).get()
    expect(await runs(both, 10)).to.deep.equal([11, 12])
    expect(await runs(chordOf(both, echo), 10)).to.deep.equal([[11, 12]])
    expect(await runs(chainOf([part(1, 1), both, echo]))).to.deep.equal([[3, 4]])
    const header = [chainOf([part(1), both]), chordOf(both, echo)]
    expect(await runs(chordOf(header, echo), 1)).to.deep.equal([[[3, 4], [[2, 3]]]])
  })

  it('that has failed here and now rejects with what its task threw', async () => {
    const bad = app.task('bad', () => {
      throw new RangeError('no')
    })
    const error: unknown = await chain(bad.si(), add.si(1, 2))
      .apply()
      .catch((failed: unknown) => failed)
    expect(error).to.be.instanceOf(RangeError)
  })

  it('is refused with NotSupported when it leads to a chord that the backend cannot count', async () => {
    const tasks = [add.s(1, 1).toJSON(), add.s(2, 2).toJSON()]
    const header = makeSignature('celery.group', [], { tasks }, { subtask_type: 'group' })
    const sig = chain([
      add.s(1, 2),
      new Signature(app.host, header),
      new Signature(app.host, makeSignature('sum')),
    ])
    expect(await sig.applyAsync().catch((error: unknown) => error)).to.be.instanceOf(NotSupported)
    expect(app.sender.sent).to.deep.equal([])
  })
})

describe('a group and a chord', () => {
  const { task } = fixture()
  const add = task('shop.add', (x: number, y: number) => x + y)
  const total = task('shop.total', (numbers: readonly number[]) => numbers.length)

  it('show what they are made of', () => {
    const members = group([add.si(1, 1), add.si(2, 2)])
    expect([members.subtaskType, members.size]).to.deep.equal(['group', 2])
    expect(members.tasks.map(({ args }) => args)).to.deep.equal([
      [1, 1],
      [2, 2],
    ])
    const sum = chord([members, chain(add.s(1, 1), members)], total.s() as never)
    expect([sum.subtaskType, sum.size, sum.tasks.length]).to.deep.equal(['chord', 4, 2])
    expect(sum.body?.task).to.equal('shop.total')
    expect([add.s(1).size, add.s(1).tasks, add.s(1).body]).to.deep.equal([1, [], undefined])
  })

  it('are immutable in all of their members', () => {
    const members = group([add.s(1), add.s(2)]).set({ immutable: true })
    expect(members.tasks.map(({ immutable }) => immutable)).to.deep.equal([true, true])
    const sum = chord([add.s(1)], total.s()).set({ immutable: true })
    expect([sum.tasks[0]?.immutable, sum.body?.immutable]).to.deep.equal([true, false])
  })

  it('pass links on: a group to its first task, which keeps its result, a chord to its body', () => {
    const members = group([add.s(1, 1), add.s(2, 2)])
    members.link(add.s(9, 9))
    const [first, second] = members.tasks
    expect(first?.flattenLinks()[1]).to.include({ immutable: true })
    expect(second?.flattenLinks()).to.have.length(1)
    const sum = chord([add.s(1, 1)], total.s())
    sum.link(add.s(9))
    expect(sum.body?.flattenLinks()).to.have.length(2)
  })

  it('pass errbacks on: a group to all of its tasks', () => {
    const members = group([add.s(1, 1), add.s(2, 2)])
    members.linkError(add.s(9, 9))
    for (const { options } of members.tasks) expect(options['link_error']).to.have.length(1)
  })

  it('refuse what is no signature, and say what to take in place of a task', () => {
    const given = add as never
    for (const make of [
      () => group([given]),
      () => group([add.s(1, 2), given]),
      () => chord([add.s(1, 2)], given),
      () => chain(add.s(1, 2), given),
      () => add.s(1, 2).pipe(given),
      () => add.s(1, 2).link(given),
    ])
      expect(make).to.throw("not the task 'shop.add': take its s(…) or si(…)")
    for (const make of [
      () => chain(5 as never),
      () => group(undefined as never, add.s(1, 2)),
      () => add.s(1, 2).pipe({} as never),
      () => add.s(1, 2).linkError(null as never),
    ])
      expect(make).to.throw(/a signature/)
  })

  it('refuse chunks of no size', () => {
    expect(() => add.chunks([[1, 1]], 0)).to.throw(/1 item or more/)
    expect(
      add
        .chunks(
          [
            [1, 1],
            [2, 2],
            [3, 3],
          ],
          2,
        )
        .group().size,
    ).to.equal(2)
  })
})
