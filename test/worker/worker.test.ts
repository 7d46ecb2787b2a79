/** A worker in all its states: running, waiting, stopping, cut off. */

import { expect } from 'chai'
import type { AsyncResult } from '../../src/results/async-result.ts'
import { LeaseLostError, Reject, WorkerLostError, WorkerShutdown } from '../../src/errors.ts'
import {
  celerydAfterSetup,
  taskReceived,
  taskRejected,
  taskRevoked,
  taskUnknown,
  workerInit,
  workerReady,
  workerShutdown,
  workerShuttingDown,
} from '../../src/worker/signals.ts'
import { until, within } from '../support/until.ts'
import { Gate, Harness } from './harness.ts'

const PAST = '2020-01-01T00:00:00+00:00'

describe('worker/worker', () => {
  let harness: Harness
  let gate: Gate

  beforeEach(() => {
    harness = new Harness()
    gate = new Gate()
  })
  afterEach(() => harness.close())

  /** A task that waits at the gate. */
  const waiting = (options = {}) =>
    harness.app.task('t.wait', { ...options, bind: true }, (self, name: string) =>
      gate.pass(name, self.signal),
    )

  describe('running', () => {
    it('consumes when it has started, and runs what comes', async () => {
      const add = harness.app.task('t.add', (x: number, y: number) => x + y)
      await harness.started()
      expect(await (await add.delay(2, 3)).get({ timeout: 5 })).to.equal(5)
    })

    it('says what it does in the words of Celery', async () => {
      const add = harness.app.task('t.add', (x: number, y: number) => x + y)
      await harness.started()
      const { id } = await add.delay(2, 3)
      await until(() => harness.logs('info').some((line) => line.includes('succeeded')))
      const [connected, ready, received, succeeded] = harness.logs('info')
      expect(connected).to.match(/^Connected to memory:\/\//)
      expect(ready).to.equal('w1@host ready.')
      expect(received).to.equal(`Task t.add[${id}] received`)
      expect(succeeded).to.match(/^Task t\.add\[[-0-9a-f]{36}\] succeeded in 0\.\d+s: 5$/)
    })

    it('runs as many at a time as it may', async () => {
      const wait = waiting()
      await harness.started({ concurrency: 2 })
      for (const name of ['a', 'b', 'c']) await wait.delay(name)
      await until(() => gate.started.length === 2)
      gate.open('a')
      await until(() => gate.started.length === 3)
      expect(gate.started).to.deep.equal(['a', 'b', 'c'])
    })

    it('consumes only the queues that it is told to, and makes those that are missing', async () => {
      const done: string[] = []
      const note = harness.app.task('t.note', (name: string) => void done.push(name))
      const worker = await harness.started({ queues: ['a', 'b', 'c'], excludeQueues: ['c'] })
      expect(worker.queues.map(({ name }) => name)).to.deep.equal(['a', 'b'])
      for (const queue of ['celery', 'c', 'a', 'b']) await note.applyAsync([queue], { queue })
      await until(() => done.length === 2)
      expect(done.toSorted()).to.deep.equal(['a', 'b'])
    })

    it('takes what tasks throw that is no error, or no good one, and goes on', async () => {
      const evil = {
        get message(): string {
          throw new Error('getter')
        },
      }
      const circular: Record<string, unknown> = {}
      circular['self'] = circular
      const nasty = Object.defineProperties(new Error('x'), {
        stack: { get: () => evil.message },
        message: { get: () => evil.message },
      })
      const huge = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, n]))
      const frozen = Object.freeze(new RangeError('frozen'))
      const odd = [undefined, null, 'text', 42n, Object.freeze({}), Symbol('s')]
      const things = [...odd, evil, circular, nasty, huge, frozen]
      const boom = harness.app.task('t.boom', (index: number) => {
        throw things[index]
      })
      const give = harness.app.task('t.give', (index: number) => things[index] as never)
      await harness.started()
      for (const task of [boom, give]) {
        for (const index of things.keys()) {
          const result = await task.delay(index)
          await result.get({ timeout: 5 }).catch(() => {})
          expect(await result.ready(), `${task.name} ${index}`).to.equal(true)
        }
      }
    })

    it('survives a logger that throws', async () => {
      const add = harness.app.task('t.add', (x: number, y: number) => x + y)
      const log = Object.fromEntries(
        ['debug', 'info', 'warning', 'error', 'critical'].map((level) => [
          level,
          () => {
            throw new Error('disk full')
          },
        ]),
      ) as never
      const warned = new Promise((resolve) => process.once('warning', resolve))
      await harness.started({ log })
      expect(await (await add.delay(2, 3)).get({ timeout: 5 })).to.equal(5)
      expect(await warned).to.have.property('message', 'disk full')
    })

    it('tells who listens of its start, its tasks and its end', async () => {
      const told: string[] = []
      const off = [
        workerInit.connect(() => void told.push('init'), { sender: 'w1@host' }),
        celerydAfterSetup.connect(({ instance, conf }) => {
          told.push(
            `setup ${instance.queues.map(({ name }) => name).join()} ${conf.taskDefaultQueue}`,
          )
        }),
        workerReady.connect(({ instance }) => void told.push(`ready ${instance.hostname}`)),
        taskReceived.connect(({ request }) => void told.push(`received ${request.task}`)),
        taskUnknown.connect(({ name, id }) => void told.push(`unknown ${name} ${id}`)),
        taskRejected.connect(({ exc }) => void told.push(`rejected ${exc.name}`)),
        taskRevoked.connect(({ expired }) => void told.push(`revoked ${expired}`)),
        workerShuttingDown.connect(({ how, exitcode }) => void told.push(`${how} ${exitcode}`)),
        workerShutdown.connect(() => void told.push('shutdown')),
      ]
      const nothing = harness.app.task('t.nothing', () => null)
      const worker = await harness.started()
      await (await nothing.delay()).get({ timeout: 5 })
      await harness.publish({ headers: { task: 't.nothing', id: 'id-0', expires: PAST } })
      await until(() => told.length === 5)
      await harness.app.sendTask('t.nosuch', [], { taskId: 'id-1' })
      await harness.publish({ headers: {} })
      await until(() => told.length === 7)
      await worker.stop()
      for (const disconnect of off) disconnect()
      expect(told).to.deep.equal([
        'init',
        'setup celery celery',
        'ready w1@host',
        'received t.nothing',
        'revoked true',
        'unknown t.nosuch id-1',
        'rejected UnknownMessageError',
        'Warm 0',
        'shutdown',
      ])
    })
  })

  describe('eta and expires', () => {
    it('is never early, and runs others meanwhile though its prefetch window is small', async () => {
      const ran = new Map<string, number>()
      const note = harness.app.task('t.note', (name: string) => void ran.set(name, Date.now()))
      const worker = await harness.started({ concurrency: 1, prefetchMultiplier: 1 })
      const eta = new Date(Date.now() + 300)
      for (const name of ['a', 'b', 'c']) await note.applyAsync([name], { eta })
      await until(() => worker.state.scheduled.size === 3)
      await note.delay('now')
      await until(() => ran.has('now'))
      expect([...ran.keys()]).to.deep.equal(['now'])
      await until(() => ran.size === 4)
      for (const name of ['a', 'b', 'c']) expect(ran.get(name)).to.be.at.least(eta.getTime())
      expect(worker.state.scheduled.size).to.equal(0)
    })

    it('discards what has expired when it comes', async () => {
      const ran: string[] = []
      harness.app.task('t.note', (name: string) => void ran.push(name))
      await harness.started()
      // A sender that names its time to live would have it dropped by the broker.
      await harness.publish({ headers: { task: 't.note', id: 'id-expired', expires: PAST } })
      const result = harness.app.asyncResult('id-expired')
      const error = await result.get({ timeout: 5 }).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'ERR_TASK_REVOKED')
      expect(await result.state()).to.equal('REVOKED')
      expect(ran).to.deep.equal([])
      expect(harness.logs('info')).to.include(`Discarding revoked task: t.note[${result.id}]`)
      expect(await harness.waiting()).to.equal(0)
    })

    it('discards what has expired while it waited for a slot', async () => {
      const wait = waiting()
      await harness.started({ concurrency: 1 })
      await wait.delay('first')
      const result = await wait.applyAsync(['second'], { expires: 0.05 })
      await until(() => harness.logs('info').includes(`Task t.wait[${result.id}] received`))
      await new Promise((resolve) => setTimeout(resolve, 60))
      gate.open('first')
      await until(async () => (await result.state()) === 'REVOKED')
      expect(gate.started).to.deep.equal(['first'])
    })

    it('discards what was revoked', async () => {
      const note = harness.app.task('t.note', () => null)
      const worker = await harness.started()
      worker.state.revoked.add('gone')
      const result = await note.applyAsync([], { taskId: 'gone' })
      await until(async () => (await result.state()) === 'REVOKED')
    })
  })

  describe('acknowledging', () => {
    it('acks before the run, or after it when the task says so', async () => {
      const early = waiting()
      const late = harness.app.task('t.late', { acksLate: true }, (name: string) => gate.pass(name))
      const worker = await harness.started()
      await early.delay('early')
      await late.delay('late')
      await until(() => gate.started.length === 2)
      const settled = [...worker.state.active].map((request) => [request.taskName, request.settled])
      expect(settled).to.deep.equal([
        ['t.wait', true],
        ['t.late', false],
      ])
      gate.open('late')
      await until(() => worker.state.active.size === 1)
    })

    it('counts no lost connection of its own, be it of what ran or of what waited', async () => {
      harness.app.conf.maxDeliveries = 2
      const wait = waiting({ acksLate: true })
      const worker = await harness.started({ concurrency: 1 })
      const results = [await wait.delay('a'), await wait.delay('b')]
      for (const connection of [1, 2, 3, 4, 5]) {
        const connected = harness.logs('info').filter((line) => line.startsWith('Connected'))
        expect(connected).to.have.length(connection)
        await until(() => worker.state.active.size === 1 && worker.state.reserved.size >= 2)
        await harness.breakConnections()
        await until(
          () =>
            harness.logs('info').filter((line) => line.startsWith('Connected')).length > connection,
        )
      }
      const pass = setInterval(() => ['a', 'b'].forEach((name) => gate.open(name)), 10)
      try {
        for (const result of results) await result.get({ timeout: 10 })
      } finally {
        clearInterval(pass)
      }
    })

    it('gives up on a task whose worker was lost too often, and runs it no more', async () => {
      harness.app.conf.maxDeliveries = 2
      const wait = waiting({ acksLate: true })
      await harness.started({ concurrency: 4 })
      const headers = { 'x-celeriac-delivery-count': 2 }
      const result = await wait.applyAsync(['a'], { headers })
      const error = await result.get({ timeout: 10 }).catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(WorkerLostError)
      expect(String(error)).to.include('Gave up after 2 deliveries.')
      expect(gate.started).to.deep.equal([])
    })

    it('counts nothing of a task that asks to be run again, however often', async () => {
      harness.app.conf.maxDeliveries = 2
      let runs = 0
      const poll = harness.app.task('t.poll', { acksLate: true }, () => {
        runs += 1
        if (runs < 6) throw new Reject('not yet', { requeue: true })
        return runs
      })
      await harness.started()
      expect(await (await poll.delay()).get({ timeout: 5 })).to.equal(6)
    })

    it('puts back what a late task rejects with requeue, and drops it without', async () => {
      const seen: boolean[] = []
      const reject = harness.app.task('t.reject', { bind: true, acksLate: true }, (self) => {
        seen.push(self.request.deliveryInfo.redelivered)
        throw new Reject('not me', { requeue: seen.length === 1 })
      })
      await harness.started()
      const { id } = await reject.delay()
      await until(() => seen.length === 2)
      await until(() => harness.logs('warning').length === 2)
      expect(seen).to.deep.equal([false, true])
      expect(harness.logs('warning')).to.deep.equal([
        `Task t.reject[${id}] reject requeue=True: not me`,
        `Task t.reject[${id}] reject requeue=False: not me`,
      ])
      expect(await harness.waiting()).to.equal(0)
    })
  })

  describe('time limits', () => {
    it('tells a task that its soft limit has passed', async () => {
      const wait = waiting({ softTimeLimit: 0.05 })
      await harness.started()
      const result = await wait.delay('a')
      const error = await result.get({ timeout: 5 }).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'ERR_SOFT_TIME_LIMIT_EXCEEDED')
      expect(harness.logs('warning')).to.deep.equal([
        `Soft time limit (0.05s) exceeded for t.wait[${result.id}]`,
      ])
    })

    it('does not wait for a task that does not heed it, when the hard limit has passed too', async () => {
      const deaf = harness.app.task('t.deaf', () => gate.pass('deaf'))
      await harness.started({ concurrency: 1 })
      const result = await deaf.applyAsync([], { softTimeLimit: 0.02, timeLimit: 0.06 })
      const error = await result.get({ timeout: 5 }).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'ERR_TIME_LIMIT_EXCEEDED')
      expect(harness.logs('error')).to.include(
        `Hard time limit (0.06s) exceeded for t.deaf[${result.id}]`,
      )
      const next = harness.app.task('t.next', () => 1)
      expect(await (await next.delay()).get({ timeout: 5 })).to.equal(1)
    })
  })

  describe('time limits of 0', () => {
    it('are none, wherever they are given', async () => {
      const nap = harness.app.task('t.nap', { timeLimit: 0, softTimeLimit: 0 }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return 'rested'
      })
      await harness.started({ timeLimit: 0, softTimeLimit: 0 })
      const results = [await nap.delay(), await nap.applyAsync([], { timeLimit: 0 })]
      for (const result of results) expect(await result.get({ timeout: 5 })).to.equal('rested')
    })
  })

  describe('a message that came twice', () => {
    it('has two runs, and the limit of one does not end the other', async () => {
      const wait = waiting()
      await harness.started()
      const first = await wait.applyAsync(['short'], { taskId: 'twin', timeLimit: 0.03 })
      await wait.applyAsync(['long'], { taskId: 'twin' })
      await until(() => gate.started.length === 2)
      expect(await first.state()).to.equal('PENDING')
      await until(() => gate.reasons.length > 0)
      expect(gate.reasons).to.have.length(1)
      gate.open('long')
      expect(await within(5, succeeded(first))).to.equal('long')
    })

    /** A later SUCCESS takes the place of the FAILURE. */
    async function succeeded(result: AsyncResult<string>): Promise<string> {
      await until(async () => (await harness.app.asyncResult(result.id).state()) === 'SUCCESS')
      return harness.app.asyncResult<string>(result.id).get()
    }
  })

  describe('a warm shutdown', () => {
    it('finishes what runs, and gives back at once what has not started', async () => {
      const wait = waiting()
      const worker = await harness.started({ concurrency: 1 })
      for (const name of ['a', 'b', 'c']) await wait.delay(name)
      const eta = await wait.applyAsync(['eta'], { countdown: 60 })
      await until(() => harness.logs('info').includes(`Task t.wait[${eta.id}] received`))
      const stopped = worker.stop()
      await until(async () => (await harness.waiting()) === 3, { seconds: 1 })
      gate.open('a')
      await within(5, stopped)
      expect(gate.ended).to.deep.equal(['a'])
      expect(gate.started).to.deep.equal(['a'])
      expect(await harness.waiting()).to.equal(3)
      expect(await worker.closed).to.equal(undefined)
    })

    it('acks late what finishes meanwhile', async () => {
      const wait = waiting({ acksLate: true })
      const worker = await harness.started()
      const result = await wait.delay('a')
      await until(() => gate.started.length === 1)
      const stopped = worker.stop()
      gate.open('a')
      await within(5, stopped)
      expect(await result.state()).to.equal('SUCCESS')
      expect(await harness.waiting()).to.equal(0)
    })

    it('is fine twice, before the start, and at the end of a block', async () => {
      const worker = harness.worker()
      await worker.stop()
      await worker.stop()
      await worker.start()
      const add = harness.app.task('t.add', (x: number, y: number) => x + y)
      {
        await using other = harness.worker()
        await other.start()
        await (await add.delay(1, 1)).get({ timeout: 5 })
      }
      await add.delay(1, 1)
      expect(await harness.waiting()).to.equal(1)
    })
  })

  describe('a cold shutdown', () => {
    it('tells tasks to end, gives back those that are acked late, and ends within seconds', async () => {
      const late = waiting({ acksLate: true })
      const deaf = harness.app.task('t.deaf', () => gate.pass('deaf'))
      const worker = await harness.started()
      const result = await late.delay('late')
      await deaf.delay()
      await until(() => gate.started.length === 2)
      await within(5, worker.terminate())
      expect(gate.reasons).to.have.length(1)
      expect(gate.reasons[0]).to.be.instanceOf(WorkerShutdown)
      expect(await harness.waiting()).to.equal(1)
      expect(await result.state()).to.equal('PENDING')
    })

    it('leaves a RETRY of what was acked before it ran: nobody runs it again', async () => {
      const wait = waiting()
      const worker = await harness.started()
      const result = await wait.delay('a')
      await until(() => gate.started.length === 1)
      await within(5, worker.terminate())
      expect(await result.state()).to.equal('RETRY')
      const { result: reason, traceback } = await harness.app.backend.fetch(result.id)
      expect(reason).to.deep.include({ exc_type: 'Retry', exc_module: 'celery.exceptions' })
      expect(traceback).to.equal(null)
      expect(await harness.waiting()).to.equal(0)
    })

    it('takes what has succeeded meanwhile for a success', async () => {
      const deaf = harness.app.task('t.deaf', { acksLate: true }, () => 'done')
      let stored: () => void = () => {}
      const backend = harness.app.backend
      const store = backend.store.bind(backend)
      backend.store = async (meta, options) => {
        await new Promise<void>((resolve) => (stored = resolve))
        await store(meta, options)
      }
      const worker = await harness.started()
      const result = await deaf.delay()
      await until(() => worker.state.active.size === 1)
      const terminated = worker.terminate()
      setImmediate(() => stored())
      await within(5, terminated)
      expect(await result.state()).to.equal('SUCCESS')
      expect(await harness.waiting()).to.equal(0)
    })

    it('cuts a warm one short', async () => {
      const wait = waiting()
      const worker = await harness.started()
      await wait.delay('a')
      await until(() => gate.started.length === 1)
      const stopped = worker.stop()
      await within(5, worker.terminate())
      await within(1, stopped)
      expect(gate.ended).to.deep.equal([])
    })

    it('lets tasks finish for a while when the settings say so', async () => {
      harness.app.conf.workerSoftShutdownTimeout = 5
      const wait = waiting()
      const worker = await harness.started()
      const result = await wait.delay('a')
      await until(() => gate.started.length === 1)
      const stopped = worker.terminate()
      await until(() => harness.logs('warning').length === 1)
      expect(harness.logs('warning')).to.deep.equal([
        'Initiating Soft Shutdown, terminating in 5 seconds',
      ])
      gate.open('a')
      await within(2, stopped)
      expect(await result.state()).to.equal('SUCCESS')
    })
  })

  describe('a lost connection', () => {
    it('goes on with what runs, drops what waits, and resumes: nothing that waited runs twice', async () => {
      const ran: string[] = []
      const wait = waiting()
      const note = harness.app.task('t.note', (name: string) => void ran.push(name))
      const worker = await harness.started({ concurrency: 1 })
      const running = await wait.delay('running')
      await until(() => gate.started.length === 1)
      await note.delay('waits')
      await note.applyAsync(['eta'], { countdown: 0.3 })
      await until(() => worker.state.scheduled.size === 1 && worker.state.reserved.size === 2)
      await harness.breakConnections()
      await until(
        () => harness.logs('info').filter((line) => line.startsWith('Connected')).length === 2,
      )
      gate.open('running')
      expect(await running.get({ timeout: 5 })).to.equal('running')
      await until(() => ran.length === 2)
      await note.delay('last')
      await until(() => ran.includes('last'))
      expect(ran.toSorted()).to.deep.equal(['eta', 'last', 'waits'])
      expect(harness.logs('warning')[0]).to.match(
        /^consumer: Connection to broker lost\. Trying to re-establish the connection\.\.\./,
      )
      expect(worker.state.reserved.size + worker.state.scheduled.size).to.equal(0)
    })

    it('says once that late acknowledgements came too late; the tasks run again', async () => {
      const wait = waiting({ acksLate: true })
      await harness.started({ concurrency: 2 })
      for (const name of ['a', 'b']) await wait.delay(name)
      await until(() => gate.started.length === 2)
      await harness.breakConnections()
      gate.open('a')
      gate.open('b')
      await until(() => gate.started.length === 4)
      await until(() => harness.logs('warning').some((line) => /came too late/.test(line)))
      const late = harness.logs('warning').filter((line) => /came too late/.test(line))
      expect(late).to.have.length(1)
      expect(late[0]).to.match(/^2 acknowledgement/)
    })

    it('ends late tasks when the settings say so', async () => {
      harness.app.conf.workerCancelLongRunningTasksOnConnectionLoss = true
      const wait = waiting({ acksLate: true })
      await harness.started()
      await wait.delay('a')
      await until(() => gate.started.length === 1)
      await harness.breakConnections()
      await until(() => gate.started.length === 2)
      expect(gate.reasons[0]).to.be.instanceOf(LeaseLostError)
    })

    it('fetches less until what runs is done', async () => {
      const wait = waiting()
      await harness.started({ concurrency: 2, prefetchMultiplier: 4 })
      await wait.delay('a')
      await until(() => gate.started.length === 1)
      await harness.breakConnections()
      const says = (text: string): boolean =>
        harness.logs('info').some((line) => line.startsWith(text))
      await until(() => says('Temporarily reducing the prefetch count to 4 to avoid over-fetching'))
      await until(
        () => harness.logs('info').filter((line) => line.startsWith('Connected')).length === 2,
      )
      await wait.delay('b')
      await until(() => says('Resuming normal operations following a restart.\nPrefetch count has'))
      expect(gate.started).to.deep.equal(['a', 'b'])
    })

    it('fetches less also when others waited beside it, which are given back', async () => {
      const wait = waiting()
      const worker = await harness.started({ concurrency: 2, prefetchMultiplier: 4 })
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await wait.delay(name)
      await until(() => worker.state.reserved.size === 6)
      await harness.breakConnections()
      const says = (text: string): boolean =>
        harness.logs('info').some((line) => line.startsWith(text))
      await until(() => says('Temporarily reducing') && worker.state.reserved.size === 6)
      expect(says('Resuming')).to.equal(false)
      for (const name of ['a', 'b']) gate.open(name)
      await until(() => says('Resuming'))
    })

    it('fetches as before when the settings say so', async () => {
      harness.app.conf.workerEnablePrefetchCountReduction = false
      const wait = waiting()
      await harness.started()
      await wait.delay('a')
      await until(() => gate.started.length === 1)
      await harness.breakConnections()
      await until(
        () => harness.logs('info').filter((line) => line.startsWith('Connected')).length === 2,
      )
      expect(harness.logs('info').some((line) => line.includes('reducing'))).to.equal(false)
    })

    it('ends the worker when a lost connection shall not be tried again', async () => {
      harness.app.conf.brokerConnectionRetry = false
      const worker = await harness.started()
      await harness.breakConnections()
      expect(await within(5, worker.closed)).to.have.property('code', 'ERR_OPERATIONAL')
      expect(harness.logs('critical')[0]).to.match(/^Unrecoverable error: /)
    })
  })

  describe('no broker', () => {
    const nowhere = 'redis://127.0.0.1:1/0'

    it('fails at the start when it shall not try again', async () => {
      const lonely = new Harness({ brokerUrl: nowhere, brokerConnectionRetryOnStartup: false })
      const worker = lonely.worker()
      const error = await worker.start().catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'ERR_OPERATIONAL')
      expect(await worker.closed).to.equal(error)
      await lonely.close()
    })

    it('tries again, says so, and can be stopped meanwhile', async () => {
      const lonely = new Harness({ brokerUrl: nowhere })
      const worker = lonely.worker()
      const started = worker.start()
      await until(() => lonely.logs('error').length > 0)
      expect(lonely.logs('error')[0]).to.match(
        /^consumer: Cannot connect to redis:\/\/127\.0\.0\.1:1\/0.*\nTrying again in \d\.\d\d seconds\.\.\. \(1\/100\)\n$/,
      )
      await within(2, worker.stop())
      await within(1, started)
      await lonely.close()
    })
  })
})
