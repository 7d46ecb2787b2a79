/** Rate limits on a clock of the test's own, and in a worker. */

import { expect } from 'chai'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { ImproperlyConfigured, TaskRevokedError } from '../../src/errors.ts'
import type { Rate } from '../../src/runtime/rate.ts'
import { RateLimits, type Held } from '../../src/worker/rate-limit.ts'
import type { TaskContext } from '../../src/task/context.ts'
import type { TaskOptions } from '../../src/task/options.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

describe('worker/rate-limit', () => {
  const clock = new FakeClock()
  let rates: Map<string, Rate>
  let limits: RateLimits
  let ran: string[]

  beforeEach(() => {
    rates = new Map<string, Rate>([['twice', '2/s']])
    ran = []
    limits = newLimits()
  })

  const newLimits = (enabled = true): RateLimits =>
    new RateLimits({ clock, enabled, rateOf: (task) => rates.get(task) ?? null })

  function held(taskName: string, id: string, more: Partial<Held> = {}): Held {
    return {
      taskName,
      revoked: () => false,
      execute: () => void ran.push(id),
      onDropped: () => void ran.push(`dropped ${id}`),
      ...more,
    }
  }

  it('takes no task that has no limit, and none at all when limits are off', () => {
    for (const rate of [null, 0, '', '0/m']) {
      rates.set('free', rate)
      expect(newLimits().hold(held('free', 'a'))).to.equal(false)
    }
    expect(newLimits(false).hold(held('twice', 'a'))).to.equal(false)
    expect(ran).to.deep.equal([])
  })

  it('lets the first go at once, and the others in their order at the rate', () => {
    for (const id of ['a', 'b', 'c', 'd']) expect(limits.hold(held('twice', id))).to.equal(true)
    expect(ran).to.deep.equal(['a'])
    clock.advance(499)
    expect(ran).to.deep.equal(['a'])
    clock.advance(1)
    expect(ran).to.deep.equal(['a', 'b'])
    clock.advance(1000)
    expect(ran).to.deep.equal(['a', 'b', 'c', 'd'])
    expect(clock.alarms).to.equal(0)
  })

  it('keeps to the rate when its shares do not divide into whole milliseconds', () => {
    rates.set('third', '3/s')
    for (let id = 0; id < 30; id += 1) limits.hold(held('third', `${id}`))
    clock.advance(9600)
    expect(ran).to.have.lengthOf.within(28, 29)
    clock.advance(200)
    expect(ran).to.have.length(30)
  })

  it('counts each task by itself', () => {
    rates.set('slow', '1/m')
    for (const id of ['a', 'b']) limits.hold(held('slow', id))
    limits.hold(held('twice', 'c'))
    expect(ran).to.deep.equal(['a', 'c'])
    clock.advance(60_000)
    expect(ran).to.deep.equal(['a', 'c', 'b'])
  })

  it('passes over what was revoked while it waited, and that costs no turn', () => {
    let revoked = false
    limits.hold(held('twice', 'a'))
    limits.hold(held('twice', 'b', { revoked: () => revoked }))
    limits.hold(held('twice', 'c'))
    revoked = true
    clock.advance(500)
    expect(ran).to.deep.equal(['a', 'c'])
  })

  it('lets who waits go on at the old rate when it is changed, and the others by the new one', () => {
    for (const id of ['a', 'b', 'c']) limits.hold(held('twice', id))
    limits.change('twice', '1/m')
    limits.hold(held('twice', 'new'))
    limits.hold(held('twice', 'newer'))
    expect(ran).to.deep.equal(['a', 'new'])
    clock.advance(1000)
    expect(ran).to.deep.equal(['a', 'new', 'b', 'c'])
    clock.advance(58_999)
    expect(ran).to.have.length(4)
    clock.advance(1)
    expect(ran).to.have.length(5)
  })

  it('fills the buckets of all tasks when one is changed, and can lift a limit', () => {
    limits.hold(held('twice', 'a'))
    limits.change('other', '1/h')
    limits.hold(held('twice', 'b'))
    expect(ran).to.deep.equal(['a', 'b'])
    limits.change('twice', null)
    expect(limits.hold(held('twice', 'c'))).to.equal(false)
    limits.change('twice', '1/h')
    expect(limits.rateOf('twice')).to.equal('1/h')
  })

  it('gives back all that waits, also at an old rate, and forgets its alarms', () => {
    for (const id of ['a', 'b']) limits.hold(held('twice', id))
    limits.change('twice', '1/h')
    for (const id of ['c', 'd']) limits.hold(held('twice', id))
    limits.drop()
    expect(ran).to.deep.equal(['a', 'c', 'dropped b', 'dropped d'])
    expect(clock.alarms).to.equal(0)
    limits.drop()
    clock.advance(3_600_000)
    expect(ran).to.have.length(4)
    limits.hold(held('twice', 'e'))
    limits.hold(held('twice', 'f'))
    expect(ran.slice(4)).to.deep.equal(['e'])
  })

  it('refuses a limit that is none, when the worker is made', async () => {
    rates.set('wrong', '10/day')
    expect(() => limits.check(['twice', 'wrong'])).to.throw(ImproperlyConfigured, "'10/day'")
    const harness = new Harness({ taskDefaultRateLimit: 'often' })
    try {
      expect(() => harness.worker()).to.throw(ImproperlyConfigured, "'often'")
    } finally {
      await harness.close()
    }
  })
})

describe('worker/rate-limit in a worker', () => {
  let harness: Harness
  let clock: FakeClock
  let worker: Worker
  let ran: string[]

  beforeEach(() => {
    clock = new FakeClock(Date.now())
    ran = []
  })
  afterEach(() => harness.close())

  async function start(settings: SettingsInput = {}, options: TaskOptions = {}): Promise<void> {
    harness = new Harness(settings)
    const run = (self: TaskContext): void => void ran.push(self.request.id)
    harness.app.task('t.limited', { ...options, bind: true }, run)
    worker = await harness.started({ clock })
  }

  const call = async (taskId: string, options = {}): Promise<void> => {
    await harness.app.sendTask('t.limited', [], { taskId, ...options })
    await until(() => harness.logs('info').includes(`Task t.limited[${taskId}] received`))
  }

  const over = async (taskId: string): Promise<void> => {
    await until(() => harness.logs('info').some((line) => line.startsWith(succeeded(taskId))))
  }
  const succeeded = (taskId: string): string => `Task t.limited[${taskId}] succeeded`

  for (const [from, settings, options] of [
    ['the task', {}, { rateLimit: '5/s' }],
    ['the settings', { taskDefaultRateLimit: 5 }, {}],
    ['annotations', { taskAnnotations: { 't.limited': { rateLimit: '5/s' } } }, {}],
  ] as const) {
    it(`runs a task no more often than ${from} let it`, async () => {
      await start(settings, options)
      for (const id of ['a', 'b', 'c']) await call(id)
      await over('a')
      clock.advance(199)
      expect(ran).to.deep.equal(['a'])
      clock.advance(1)
      await over('b')
      clock.advance(200)
      await over('c')
    })
  }

  it('takes no notice of limits when the settings say so', async () => {
    await start({ workerDisableRateLimits: true }, { rateLimit: '1/h' })
    for (const id of ['a', 'b', 'c']) await call(id)
    for (const id of ['a', 'b', 'c']) await over(id)
  })

  it('limits what waited for its eta, too, and shows it as waiting no more', async () => {
    await start({}, { rateLimit: '1/m' })
    await call('now')
    await over('now')
    const eta = new Date(clock.now() + 5000)
    await call('later', { eta })
    expect(worker.state.scheduled.size).to.equal(1)
    clock.advance(5000)
    expect(worker.state.scheduled.size).to.equal(0)
    clock.advance(54_999)
    expect(ran).to.deep.equal(['now'])
    clock.advance(1)
    await over('later')
  })

  it('holds no more than was fetched, and gives it back at a shutdown', async () => {
    await start({}, { rateLimit: '1/h' })
    const count = 20
    for (let n = 0; n < count; n += 1) await harness.app.sendTask('t.limited')
    const received = (): number =>
      harness.logs('info').filter((line) => line.endsWith('received')).length
    // The first one is acked as it runs; concurrency 2 times 4 wait.
    await until(() => received() === 9)
    expect(await harness.waiting()).to.equal(count - 9)
    expect(worker.state.reserved.size).to.equal(0)
    await worker.stop()
    expect(ran).to.have.length(1)
    expect(await harness.waiting()).to.equal(count - 1)
    expect(clock.alarms).to.equal(0)
  })

  it('drops what waits when the connection is lost: it comes again, and runs once', async () => {
    await start({}, { rateLimit: '5/s' })
    for (const id of ['a', 'b', 'c']) await call(id)
    await over('a')
    await harness.breakConnections()
    const again = (id: string): boolean =>
      harness.logged.filter((line) => line === `info Task t.limited[${id}] received`).length === 2
    await until(() => again('b') && again('c'))
    clock.advance(1000)
    await over('b')
    await over('c')
    expect(ran.toSorted()).to.deep.equal(['a', 'b', 'c'])
  })

  it('discards what was revoked, or has expired, while it waited', async () => {
    await start({}, { rateLimit: '1/m' })
    await call('a')
    await call('revoked')
    await call('expired', { expires: new Date(clock.now() + 30_000) })
    await call('kept')
    await over('a')
    worker.state.revoked.add('revoked')
    clock.advance(60_000)
    await over('kept')
    expect(ran).to.deep.equal(['a', 'kept'])
    for (const [id, message] of [
      ['revoked', 'revoked'],
      ['expired', 'expired'],
    ] as const) {
      const error: unknown = await harness.app
        .asyncResult(id)
        .get({ timeout: 5 })
        .catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(TaskRevokedError).with.property('message', message)
    }
  })
})
