/** The app: what it opens when, what its settings may be, and how it ends. */

import { inspect } from 'node:util'
import { expect } from 'chai'
import { isCelery } from '../../src/app/celery.ts'
import { Celery } from '../../src/celery.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { SILENT, type Logger } from '../../src/runtime/log.ts'
import { createTestApp, startTestWorker } from '../../src/testing.ts'
import { sent } from './sent.ts'

describe('an app', () => {
  it('opens nothing when it is made, and closes twice', async () => {
    const app = new Celery('shop', { brokerUrl: 'amqp://nowhere.invalid' }, { logger: SILENT })
    app.task('shop.add', (x: number, y: number) => x + y)
    expect(app.asyncResult('id').id).to.equal('id')
    await app.close()
    await app.close()
  })

  it('has a name, an origin and an oid', () => {
    const app = createTestApp()
    expect(new Celery().main).to.equal('__main__')
    expect(app.origin).to.match(new RegExp(`^gen${process.pid}@.`))
    expect(app.oid).to.match(/^[0-9a-f-]{36}$/)
    expect(app.oid).not.to.equal(createTestApp().oid)
    expect(isCelery(app)).to.equal(true)
    expect(isCelery({})).to.equal(false)
  })

  it('keeps its passwords to itself when it is logged', () => {
    const brokerUrl = 'redis://:secret@localhost/0'
    const app = createTestApp({ brokerUrl, resultBackend: brokerUrl })
    expect(JSON.stringify({ app })).to.equal(`{"app":"<Celery ${app.main}>"}`)
    expect(inspect([app, app.backend], { depth: 10 })).to.not.include('secret')
  })

  it('warns of settings without effect, and not of their values', () => {
    const lines: string[] = []
    const logger: Logger = { ...SILENT, warning: (line) => void lines.push(line) }
    const app = new Celery('shop', {}, { logger, env: {} })
    app.configFromObject({ worker_timer: 'secret', worker_pool_putlocks: true })
    expect(lines).to.deep.equal(['these settings have no effect in celeriac: worker_timer'])
    expect(app.configured()).to.deep.equal(['worker_timer', 'worker_pool_putlocks'])
  })

  it('reads settings of a namespace', () => {
    const app = createTestApp().configFromObject(
      { CELERY_TASK_SERIALIZER: 'yaml', SECRET_KEY: 'x' },
      { namespace: 'CELERY' },
    )
    expect(app.conf.taskSerializer).to.equal('yaml')
  })

  it('refuses a second task of the same name', () => {
    const app = createTestApp()
    app.task('add', () => 1)
    expect(() => app.task('add', () => 2)).to.throw(ImproperlyConfigured, "'add'")
  })

  it('gives tasks the options that the settings annotate', () => {
    const app = createTestApp({
      taskAnnotations: { '*': { rate_limit: '10/s' }, add: { acks_late: true } },
    })
    const add = app.task('add', { rateLimit: '1/m' }, () => 1)
    expect(add.options.rateLimit).to.equal('10/s')
    expect(add.options.acksLate).to.equal(true)
    app.conf.taskAnnotations = (name) => (name === 'b' ? { maxRetries: 9 } : null)
    expect(app.task('b', () => 1).options.maxRetries).to.equal(9)
    expect(app.task('c', () => 1).options.maxRetries).to.equal(3)
  })

  it('gives them also to tasks that were there first, and takes several, the later over the earlier', () => {
    const app = createTestApp()
    const add = app.task('add', { rateLimit: '1/m' }, () => 1)
    app.conf.taskAnnotations = [
      { '*': { rate_limit: '10/s', max_retries: 1 } },
      () => undefined,
      { add: { max_retries: 2 } },
    ]
    expect(add.options).to.include({ rateLimit: '10/s', maxRetries: 2 })
  })

  it('refuses annotations that are no options of a task', () => {
    const app = createTestApp({ taskAnnotations: { add: { rate_limitt: 1 } } })
    expect(() => app.task('add', () => 1)).to.throw(ImproperlyConfigured, /rateLimit/)
  })

  it('follows settings that are assigned before they are used', async () => {
    await using app = createTestApp()
    expect(app.queues.default.queue.name).to.equal('celery')
    app.conf.taskDefaultQueue = 'math'
    app.conf.taskRoutes = { 'a.*': 'routed' }
    await app.sendTask('t')
    expect((await sent(app, 'math')).queue).to.equal('math')
    await app.sendTask('a.b')
    expect((await sent(app, 'routed')).queue).to.equal('routed')
    app.conf.taskRoutes = null
    await app.sendTask('a.b')
    expect((await sent(app, 'math')).queue).to.equal('math')
  })

  it('refuses settings of what is in use already', async () => {
    await using app = createTestApp()
    await app.sendTask('t')
    expect(() => (app.conf.brokerUrl = 'redis://')).to.throw(ImproperlyConfigured, 'broker')
    expect(() => (app.conf.resultExpires = 1)).to.throw(ImproperlyConfigured, 'backend')
    expect(() => app.configFromObject({ limits: { max_depth: 1 } })).to.throw('codec')
    expect(app.conf.brokerUrl).to.match(/^memory:/)
  })

  it('sends with the limits of the settings', async () => {
    await using app = createTestApp({ limits: { maxDepth: 3 } })
    expect(app.codec.limits.maxDepth).to.equal(3)
    expect(app.codec.limits.maxBodyBytes).to.be.greaterThan(0)
  })

  it('refuses a backend that it does not have', () => {
    const app = createTestApp({ resultBackend: 'mongodb://host/x' })
    expect(() => app.backend).to.throw(ImproperlyConfigured, "Celery's result backend 'mongodb")
  })
})

describe('remote control of an app', () => {
  it('is not opened by being looked at, and refuses queues that cannot be', () => {
    expect(createTestApp().control.mailbox.exchange.name).to.equal('celery.pidbox')
    const app = createTestApp({ controlQueueDurable: true, controlQueueExclusive: true })
    expect(() => app.control).to.throw(ImproperlyConfigured, 'cannot both be true')
  })

  it('refuses to change once it is in use', () => {
    const app = createTestApp({ controlExchange: 'mine' })
    expect(app.control.mailbox.exchange.name).to.equal('mine.pidbox')
    expect(() => (app.conf.controlExchange = 'other')).to.throw(ImproperlyConfigured)
  })
})

interface PythonTasks {
  'ml.embed'(text: string, dimensions?: number): number[]
  'shop.add'(x: number, y: number): number
}

describe('remote tasks', () => {
  it('are sent by name, typed by an interface', async () => {
    await using app = createTestApp()
    const py = app.remote<PythonTasks>()
    const result = await py['ml.embed'].delay('some text')
    const value: Promise<number[]> | undefined = undefined as typeof value
    expect(value).to.equal(undefined)
    expect(result.id).to.be.a('string')
    const { message } = await sent(app)
    expect(message.headers['task']).to.equal('ml.embed')
    expect(message.headers['argsrepr']).to.equal("('some text',)")
    await py['ml.embed'].applyAsync(['x'], { kwargs: { dimensions: 3 }, queue: 'gpu' })
    expect((await sent(app, 'gpu')).message.headers['kwargsrepr']).to.equal("{'dimensions': 3}")
    // @ts-expect-error -- a wrong argument does not compile
    await py['shop.add'].delay('2', 2)
  })

  it('make signatures', () => {
    const py = createTestApp().remote<PythonTasks>()
    expect(py['shop.add'].s(2).toJSON()).to.deep.include({ task: 'shop.add', args: [2] })
    expect(py['shop.add'].si(2, 2).toJSON().immutable).to.equal(true)
    const options = { queue: 'q', kwargs: { y: 1 } }
    expect(py['shop.add'].signature([2], options).toJSON()).to.deep.equal({
      task: 'shop.add',
      args: [2],
      kwargs: { y: 1 },
      options: { queue: 'q' },
      subtask_type: null,
      immutable: false,
    })
  })

  it('are no promise', async () => {
    const py = createTestApp().remote<PythonTasks>()
    expect(await Promise.resolve(py)).to.equal(py)
  })
})

describe('a task of an app', () => {
  it('is sent, run by a worker, and its result comes back', async () => {
    await using app = createTestApp()
    const add = app.task('add', (x: number, y: number) => x + y)
    await using worker = await startTestWorker(app)
    expect(worker.hostname).to.match(/^celery@/)
    const result = await add.delay(2, 2)
    const value: number = await result.get({ timeout: 5 })
    expect(value).to.equal(4)
  })

  it('keeps what it sends as its children, and they know it as their parent', async () => {
    await using app = createTestApp()
    app.task('child', () => 1)
    const parent = app.task('parent', { bind: true }, async () => {
      return (await app.sendTask('child')).id
    })
    const worker = await startTestWorker(app)
    const result = await parent.delay()
    const childId = await result.get({ timeout: 5 })
    await worker.stop()
    expect((await result.children())?.map(({ id }) => id)).to.deep.equal([childId])
  })

  it('is sent by a signature of its name', async () => {
    await using app = createTestApp()
    await app.signature('shop.add', [2], { kwargs: { y: 2 }, queue: 'math' }).delay()
    expect((await sent(app, 'math')).message.headers['kwargsrepr']).to.equal("{'y': 2}")
  })
})
