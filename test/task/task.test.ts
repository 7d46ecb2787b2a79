/** A task as its users have it: called, sent, applied. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { Task } from '../../src/task/task.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('a task', () => {
  let app: Fixture
  beforeEach(() => (app = fixture()))

  it('is a function that runs here and now, without a message', async () => {
    const add = app.task('shop.add', (x: number, y: number) => x + y)
    expect(await add(2, 3)).to.equal(5)
    expect(app.sender.sent).to.deep.equal([])
    expect(app.backend.metas).to.deep.equal([])
    expect(add).to.be.instanceOf(Task).and.instanceOf(Function)
    expect(add.name).to.equal('shop.add')
    expect(add.length).to.equal(0)
  })

  it('rejects, and does not throw, when its function throws', async () => {
    const bad = app.task('bad', () => {
      throw new RangeError('no')
    })
    const failed = bad()
    expect(await failed.catch((error: unknown) => error)).to.be.instanceOf(RangeError)
  })

  it('passes self when it is bound, also when called as a function', async () => {
    const who = app.task('who', { bind: true }, (self, suffix: string) => self.name + suffix)
    expect(await who('!')).to.equal('who!')
    expect(await app.run({ task: 'who', args: ['?'] })).to.include({ resultRepr: "'who?'" })
  })

  it('is sent by delay and applyAsync', async () => {
    const add = app.task('shop.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
    const result = await add.delay(1, 2)
    expect(result.id).to.be.a('string')
    await add.applyAsync([1], { kwargs: { y: 2 }, countdown: 10, taskId: 'mine' })
    expect(app.sender.sent).to.deep.equal([
      { task: 'shop.add', args: [1, 2], options: {} },
      {
        task: 'shop.add',
        args: [1],
        options: { kwargs: { y: 2 }, countdown: 10, taskId: 'mine' },
      },
    ])
  })

  it('has defaults for its calls, which a call’s own options win over', async () => {
    const options = { queue: 'slow', priority: 3, serializer: 'msgpack', ignoreResult: true }
    const task = app.task('t', options, () => 1)
    await task.delay()
    expect(app.sender.last.options).to.deep.equal(options)
    await task.applyAsync([], { queue: 'fast', ignoreResult: false })
    expect(app.sender.last.options).to.deep.equal({
      ...options,
      queue: 'fast',
      ignoreResult: false,
    })
  })

  it('is shown by a name of its own making, unless the call names one', async () => {
    const shadowName = (args: readonly unknown[], kwargs: object): string | null =>
      args.length === 0 ? null : `t.${String(args[0])}.${Object.keys(kwargs).join()}`
    const task = app.task(
      't.long',
      { shadowName, params: ['a?', 'b?'] },
      (_a?: string, _b?: number) => 1,
    )
    await task.applyAsync(['x'], { kwargs: { b: 1 } })
    expect(app.sender.last.options.shadow).to.equal('t.x.b')
    await task.applyAsync(['x'], { shadow: 'mine' })
    expect(app.sender.last.options.shadow).to.equal('mine')
    await task.delay()
    expect(app.sender.last.options).not.to.have.property('shadow')
  })

  it('gives signatures in link and linkError as plain data', async () => {
    const add = app.task('shop.add', (x: number, y: number) => x + y)
    await add.applyAsync([1, 2], { link: add.s(3), linkError: [signature('alarm')] })
    expect(app.sender.last.options.link).to.deep.equal([signature('shop.add', [3])])
    expect(app.sender.last.options.linkError).to.deep.equal([signature('alarm')])
  })

  it('is not sent with arguments that do not fit', async () => {
    const add = app.task('shop.add', (x: number, y: number) => x + y)
    const wrong = [1] as unknown as [number, number]
    const error: unknown = await add.delay(...wrong).catch((refused: unknown) => refused)
    expect(error).to.be.instanceOf(TypeError)
    expect(app.sender.sent).to.deep.equal([])
  })

  it('needs a name that is free, and a function', () => {
    app.task('taken', () => 1)
    expect(() => app.task('taken', () => 1)).to.throw(ImproperlyConfigured, /already/)
    expect(() => app.task('', () => 1)).to.throw(ImproperlyConfigured, /needs a name/)
    expect(() => app.task('x', {}, undefined as unknown as () => void)).to.throw(
      ImproperlyConfigured,
      /needs a function/,
    )
  })

  it('reads the settings when its options are first asked for', () => {
    const conf = { taskAcksLate: false }
    app = fixture()
    Object.assign(app.host.conf, conf)
    const task = app.task('t', () => 1)
    Object.assign(app.host.conf, { taskAcksLate: true })
    expect(task.options.acksLate).to.equal(true)
    Object.assign(app.host.conf, { taskAcksLate: false })
    expect(task.options.acksLate).to.equal(true)
  })
})

describe('apply()', () => {
  let app: Fixture
  beforeEach(() => (app = fixture()))

  it('runs a task as a worker would, and stores nothing', async () => {
    const add = app.task('shop.add', { bind: true }, (self, x: number, y: number) => {
      expect(self.request).to.include({ isEager: true, calledDirectly: false })
      return x + y
    })
    const result = await add.apply([1, 2])
    expect(await result.get()).to.equal(3)
    expect(await result.state()).to.equal('SUCCESS')
    expect(app.backend.metas).to.deep.equal([])
  })

  it('keeps what the task threw, or rejects with it when asked to', async () => {
    const boom = new RangeError('boom')
    const bad = app.task('bad', () => {
      throw boom
    })
    const result = await bad.apply([])
    expect(await result.state()).to.equal('FAILURE')
    expect(await result.traceback()).to.match(/^Traceback/)
    expect(await result.get().catch((error: unknown) => error)).to.equal(boom)
    expect(await bad.apply([], { throw: true }).catch((error: unknown) => error)).to.equal(boom)
  })

  it('retries at once', async () => {
    const seen: number[] = []
    const again = app.task('again', { bind: true }, (self, n: number) => {
      seen.push(self.request.retries)
      if (self.request.retries < 2) throw self.retry({ countdown: 3600 })
      return n
    })
    expect(await (await again.apply([7])).get()).to.equal(7)
    expect(seen).to.deep.equal([0, 1, 2])
    expect(app.sender.sent).to.deep.equal([])
  })

  it('runs what a task is replaced by', async () => {
    const add = app.task('shop.add', (x: number, y: number) => x + y)
    const outer = app.task('outer', { bind: true }, (self) => self.replace(add.s(2, 3)))
    expect(await (await outer.apply()).get()).to.equal(5)
  })

  it('stores with taskStoreEagerResult', async () => {
    app = fixture({ taskStoreEagerResult: true })
    await app.task('t', () => 1).apply()
    expect(app.backend.last).to.deep.include({ status: 'SUCCESS', result: 1 })
  })
})
