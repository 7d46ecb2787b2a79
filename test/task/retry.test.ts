/** Tries of a task: when, how often, and what is sent. */

import { expect } from 'chai'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import { BackendError, Retry } from '../../src/errors.ts'
import type { RetryOptions, TaskContext } from '../../src/task/context.ts'
import type { TaskOptions } from '../../src/task/options.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('self.retry()', () => {
  let app: Fixture
  beforeEach(() => (app = fixture()))

  function retrying(retry: RetryOptions, options: TaskOptions = {}): void {
    app.task('again', { params: ['n'], ...options, bind: true }, (self, _n: number) => {
      throw self.retry(retry)
    })
  }

  it('sends the same task with the same id, one retry more, and itself as the parent', async () => {
    retrying({ countdown: 10, exc: new RangeError('nope') })
    const outcome = await app.run({ task: 'again', args: [1], retries: 1 })
    expect(outcome).to.deep.include({ state: 'RETRY' })
    expect(outcome)
      .to.have.property('message')
      .that.matches(/^Retry in 10s: \w+\('nope'\)$/)
    expect(app.sender.last).to.deep.include({ task: 'again', args: [1] })
    expect(app.sender.last.options).to.deep.equal({
      taskId: 'id-1',
      rootId: 'id-1',
      parentId: 'id-1',
      retries: 2,
      countdown: 10,
      queue: 'celery',
      replyTo: 'client-oid',
      replacedTaskNesting: 0,
    })
  })

  it('stores RETRY with the error, and its own id among the children', async () => {
    retrying({ exc: new RangeError('nope') })
    await app.run({ task: 'again', args: [1] })
    const { status, result, children, dateDone, traceback } = app.backend.last
    expect(status).to.equal('RETRY')
    expect(result).to.deep.include({ exc_message: ['nope'] })
    expect(children).to.deep.equal([[['id-1', null], null]])
    expect(dateDone).to.equal(null)
    expect(traceback).to.include('celery.exceptions.Retry: Retry in 180s')
  })

  it('keeps all that came with the message', async () => {
    retrying({ countdown: 0 })
    const [link, errback, next, chord] = ['l', 'e', 'n', 'c'].map((name) => signature(name))
    await app.run({
      task: 'again',
      kwargs: { n: 5 },
      parentId: 'p',
      rootId: 'r',
      group: 'g',
      groupIndex: 2,
      shadow: 'shown',
      expires: '2030-01-01T00:00:00+00:00',
      timeLimit: 9,
      softTimeLimit: 8,
      origin: 'gen1@there',
      custom: {
        tenant: 'a',
        'x-death': [],
        'x-first-death-queue': 'q',
        'x-celeriac-delivery-count': 2,
      },
      stamps: { stamp: 's' },
      replacedTaskNesting: 1,
      deliveryInfo: { exchange: 'ex', routingKey: 'rk', priority: 3, redelivered: true },
      embed: {
        callbacks: link === undefined ? null : [link],
        errbacks: errback === undefined ? null : [errback],
        chain: next === undefined ? null : [next],
        chord: chord ?? null,
      },
    })
    expect(app.sender.last.options).to.deep.equal({
      taskId: 'id-1',
      parentId: 'p',
      rootId: 'r',
      groupId: 'g',
      groupIndex: 2,
      shadow: 'shown',
      expires: '2030-01-01T00:00:00+00:00',
      timeLimit: 9,
      softTimeLimit: 8,
      origin: 'gen1@there',
      headers: { tenant: 'a' },
      stamps: { stamp: 's' },
      replacedTaskNesting: 1,
      exchange: 'ex',
      routingKey: 'rk',
      priority: 3,
      replyTo: 'client-oid',
      link: [link],
      linkError: [errback],
      chain: [next],
      chord,
      kwargs: { n: 5 },
      countdown: 0,
      retries: 1,
    })
  })

  it('takes other arguments, an eta and options of the call', async () => {
    const eta = new Date('2030-01-02T03:04:05.000Z')
    retrying({ args: [7], eta, queue: 'slow', priority: 9 })
    const outcome = await app.run({ task: 'again', args: [1] })
    expect(outcome).to.have.property('message', 'Retry at 2030-01-02 03:04:05+00:00')
    expect(app.sender.last.args).to.deep.equal([7])
    expect(app.sender.last.options).to.deep.include({ eta, queue: 'slow', priority: 9 })
    expect(app.sender.last.options).not.to.have.property('countdown')
  })

  it('fails with MaxRetriesExceededError when there were enough', async () => {
    retrying({}, { maxRetries: 2 })
    expect(await app.run({ task: 'again', args: [1], retries: 1 })).to.include({ state: 'RETRY' })
    const outcome = await app.run({ task: 'again', args: [1], retries: 2 })
    expect(outcome).to.include({ state: 'FAILURE' })
    expect(app.backend.last.result).to.deep.equal({
      exc_type: 'MaxRetriesExceededError',
      exc_message: ["Can't retry again[id-1] more than 2 times"],
      exc_module: 'celery.exceptions',
    })
  })

  it('fails with its own error then, when it was given one', async () => {
    retrying({ exc: new RangeError('mine'), maxRetries: 0 })
    await app.run({ task: 'again', args: [1] })
    expect(app.backend.last.result).to.deep.include({ exc_message: ['mine'] })
  })

  it('goes on without end when maxRetries is null', async () => {
    retrying({}, { maxRetries: null })
    const outcome = await app.run({ task: 'again', args: [1], retries: 9999 })
    expect(outcome).to.include({ state: 'RETRY' })
  })

  it('gives a late message back when the next try cannot be sent', async () => {
    retrying({}, { acksLate: true })
    app.sender.failWith = new Error('no broker')
    const outcome = await app.run({ task: 'again', args: [1] })
    expect(outcome).to.deep.include({ state: 'REJECTED', requeue: true })
    expect(app.backend.metas.map(({ status }) => status)).to.deep.equal(['RETRY'])
  })

  it('fails when the next try cannot be sent and the message was acked before', async () => {
    retrying({})
    app.sender.failWith = new Error('no broker')
    const outcome = await app.run({ task: 'again', args: [1] })
    expect(outcome).to.have.property('state', 'FAILURE')
    expect(app.backend.last.result).to.deep.include({ exc_message: ['no broker'] })
    expect(app.backend.last.children).to.deep.equal([])
  })

  it('says RETRY before it is sent, for the next try may be over sooner', async () => {
    retrying({})
    const sent: number[] = []
    app.backend.refuse = () => void sent.push(app.sender.sent.length)
    await app.run({ task: 'again', args: [1] })
    expect(sent).to.deep.equal([0])
    expect(app.sender.sent).to.have.length(1)
  })

  it('is sent although the backend does not take RETRY', async () => {
    retrying({})
    app.backend.refuse = () => {
      throw new BackendError('down')
    }
    const outcome = await app.run({ task: 'again', args: [1] })
    expect(outcome).to.have.property('state', 'RETRY')
    expect(app.sender.last).to.include({ task: 'again' })
  })

  it('throws its error, or a Retry, when the task was called as a function', async () => {
    const boom = new Error('boom')
    const task = app.task('direct', { bind: true }, (self, exc?: Error) =>
      self.retry(exc === undefined ? {} : { exc }),
    )
    expect(await rejection(task(boom))).to.equal(boom)
    expect(await rejection(task(undefined))).to.be.instanceOf(Retry)
    expect(app.sender.sent).to.deep.equal([])
  })

  it('gives the error instead of throwing it, when asked to', async () => {
    app.task('kept', { bind: true }, (self) => {
      const retry = self.retry({ throw: false, countdown: 1 })
      return retry.message
    })
    expect(await app.run({ task: 'kept' })).to.include({ resultRepr: "'Retry in 1s'" })
    expect(app.sender.sent).to.deep.equal([])
  })

  it('publishes with the defaults of the task', async () => {
    retrying({}, { serializer: 'msgpack' })
    await app.run({ task: 'again', args: [1] })
    expect(app.sender.last.options).to.deep.include({ serializer: 'msgpack', countdown: 180 })
  })
})

describe('autoretryFor', () => {
  let app: Fixture
  beforeEach(() => (app = fixture()))

  function failing(error: unknown, options: TaskOptions): void {
    app.task('auto', { ...options, bind: false }, () => {
      throw error
    })
  }

  it('retries an error of its classes, after the default delay', async () => {
    failing(new RangeError('no'), { autoretryFor: [RangeError], defaultRetryDelay: { minutes: 1 } })
    expect(await app.run({ task: 'auto' })).to.include({ state: 'RETRY' })
    expect(app.sender.last.options).to.include({ countdown: 60, retries: 1 })
  })

  it('takes functions for classes, and leaves out what dontAutoretryFor names', async () => {
    failing(new RangeError('no'), {
      autoretryFor: [(error) => error instanceof Error],
      dontAutoretryFor: [RangeError],
    })
    expect(await app.run({ task: 'auto' })).to.include({ state: 'FAILURE' })
    app = fixture()
    failing('a text', { autoretryFor: [(error) => error === 'a text'] })
    expect(await app.run({ task: 'auto' })).to.include({ state: 'RETRY' })
  })

  it('waits twice as long each time, up to retryBackoffMax', async () => {
    const waits: unknown[] = []
    failing(new Error('no'), {
      autoretryFor: [Error],
      retryBackoff: 2,
      retryBackoffMax: 10,
      retryJitter: false,
      maxRetries: null,
    })
    for (const retries of [0, 1, 2, 3, 50]) {
      await app.run({ task: 'auto', retries })
      waits.push(app.sender.last.options.countdown)
    }
    expect(waits).to.deep.equal([2, 4, 8, 10, 10])
  })

  it('waits a random time up to that with jitter', async () => {
    failing(new Error('no'), { autoretryFor: [Error], retryBackoff: true })
    await app.run({ task: 'auto', retries: 2 })
    expect(app.sender.last.options.countdown).to.equal(2) // floor(0.5 * (4 + 1))
  })

  it('fails with the error itself when there were enough', async () => {
    failing(new RangeError('mine'), { autoretryFor: [Error], retryKwargs: { maxRetries: 1 } })
    await app.run({ task: 'auto', retries: 1 })
    expect(app.backend.last.result).to.deep.include({ exc_message: ['mine'] })
  })

  it('lets a retry that the task asked for pass, and one more maxRetries', async () => {
    app.task('both', { bind: true, autoretryFor: [Error], maxRetries: 9 }, (self) =>
      self.retry({ maxRetries: 1, countdown: 5, exc: new Error('enough') }),
    )
    expect(await app.run({ task: 'both' })).to.include({ state: 'RETRY' })
    expect(app.sender.sent).to.have.length(1)
    expect(await app.run({ task: 'both', retries: 1 })).to.include({ state: 'FAILURE' })
  })

  it('does not retry arguments that do not fit', async () => {
    app.task('typed', { autoretryFor: [Error] }, (x: number) => x)
    expect(await app.run({ task: 'typed', args: [] })).to.include({ state: 'FAILURE' })
  })
})

describe('self.updateState()', () => {
  it('stores a state of one’s own with its meta', async () => {
    const app = fixture()
    app.task('t', { bind: true }, async (self) => {
      await self.updateState('PROGRESS', { done: 1 })
      await self.updateState('FAILURE', new RangeError('x'), { taskId: 'other' })
    })
    await app.run({ task: 't' })
    const [progress, other] = app.backend.metas
    expect(progress).to.deep.include({ status: 'PROGRESS', result: { done: 1 }, dateDone: null })
    expect(other).to.deep.include({ taskId: 'other', status: 'FAILURE' })
    expect(other?.result).to.deep.include({ exc_message: ['x'] })
  })
})

describe('self.replace()', () => {
  let app: Fixture
  beforeEach(() => {
    app = fixture()
    app.task('t.add', (x: number, y: number) => x + y)
  })

  it('sends the other with this id, callbacks and lineage, and stores nothing (562.redis.task-replaced)', async () => {
    const callbacks = [signature('after')]
    const errbacks = [signature('oops')]
    app.task('t', { bind: true }, (self) => self.replace(signature('t.add', [4, 1])))
    const outcome = await app.run({
      task: 't',
      id: 'me',
      rootId: 'root',
      group: 'g',
      groupIndex: 1,
      embed: { ...NO_EMBED, callbacks, errbacks },
    })
    expect(outcome).to.include({ state: 'IGNORED' })
    expect(app.backend.metas).to.deep.equal([])
    expect(app.sender.last).to.deep.include({ task: 't.add', args: [4, 1] })
    expect(app.sender.last.options).to.deep.equal({
      taskId: 'me',
      rootId: 'root',
      parentId: 'me',
      groupId: 'g',
      groupIndex: 1,
      replyTo: 'the-oid',
      replacedTaskNesting: 1,
      link: callbacks,
      linkError: errbacks,
    })
  })

  it('goes on with the rest of the chain', async () => {
    const rest = [
      signature('last', [], {}, { options: { task_id: 'z' } }),
      signature('next', [], {}, { options: { task_id: 'y' } }),
    ]
    app.task('t', { bind: true }, (self) => self.replace(signature('t.add', [4, 1])))
    await app.run({ task: 't', embed: { ...NO_EMBED, chain: rest } })
    const { taskId, chain } = app.sender.last.options
    expect(taskId).to.equal('id-1')
    expect(chain?.map(({ options }) => options['task_id'])).to.deep.equal(['z', 'y'])
    expect(chain?.map(({ options }) => options['replaced_task_nesting'])).to.deep.equal([1, 1])
  })

  it('gives its id to the last task of a chain', async () => {
    const tasks = [signature('t.add', [1, 1]), signature('t.add', [2])]
    const chain = signature('celery.chain', [], { tasks }, { subtask_type: 'chain' })
    app.task('t', { bind: true }, (self) => self.replace(chain))
    await app.run({ task: 't' })
    expect(app.sender.last.options.taskId).not.to.equal('id-1')
    expect(app.sender.last.options.chain?.[0]?.options).to.include({ task_id: 'id-1' })
  })

  it('tells onReplace what replaces it, before that is sent; an error there fails the run', async () => {
    const told: unknown[] = []
    const onReplace = ({ name }: TaskContext, by: SignatureDict): void => {
      told.push(name, by.task, by.options['task_id'], app.sender.sent.length)
      if (by.args.length === 0) throw new RangeError('no')
    }
    app.task('t', { bind: true, onReplace }, (self, ...args: number[]) =>
      self.replace(signature('t.add', args)),
    )
    expect(await app.run({ task: 't', args: [4, 1] })).to.include({ state: 'IGNORED' })
    expect(told).to.deep.equal(['t', 't.add', 'id-1', 0])
    expect(await app.run({ task: 't' })).to.include({ state: 'FAILURE' })
    expect(app.sender.sent).to.have.length(1)
  })

  it('refuses an empty chain and a part of a chord', async () => {
    const empty = signature('celery.chain', [], { tasks: [] }, { subtask_type: 'chain' })
    const part = signature('t.add', [], {}, { options: { chord: signature('sum') } })
    for (const [by, type] of [
      [empty, 'ImproperlyConfigured'],
      [part, 'ImproperlyConfigured'],
    ] as const) {
      app.task(`t.${by.task}`, { bind: true }, (self) => self.replace(by))
      expect(await app.run({ task: `t.${by.task}` })).to.include({ state: 'FAILURE' })
      expect(app.backend.last.result).to.deep.include({ exc_type: type })
    }
  })
})

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it did not reject'),
    (error: unknown) => error,
  )
}
