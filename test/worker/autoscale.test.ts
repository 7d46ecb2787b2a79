/** When the pool grows and shrinks by itself. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { Autoscaler, autoscaleKeepalive } from '../../src/worker/autoscale.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { Gate, Harness, recorder } from './harness.ts'

describe('worker/autoscale', () => {
  let clock: FakeClock
  let pool: { size: number; grow: (n: number) => void; shrink: (n: number) => void }
  let reserved: number
  let maxima: number[]
  let logged: string[]
  let autoscaler: Autoscaler

  beforeEach(async () => {
    clock = new FakeClock()
    reserved = 0
    maxima = []
    logged = []
    pool = { size: 2, grow: (n) => (pool.size += n), shrink: (n) => (pool.size -= n) }
    autoscaler = newAutoscaler(6, 2)
    await autoscaler.start()
  })
  afterEach(async () => {
    await autoscaler.stop()
    expect(clock.alarms).to.equal(0)
  })

  const newAutoscaler = (max: number, min: number): Autoscaler =>
    new Autoscaler({
      range: [max, min],
      pool,
      reserved: () => reserved,
      onMax: (most) => maxima.push(most),
      log: recorder(logged),
      clock,
    })

  it('grows at once to what is to do, up to the most', () => {
    reserved = 5
    autoscaler.maybeScale()
    expect(pool.size).to.equal(5)
    reserved = 50
    autoscaler.maybeScale()
    expect(pool.size).to.equal(6)
    expect(logged).to.deep.equal(['info Scaling up 3 processes.', 'info Scaling up 1 processes.'])
    autoscaler.maybeScale()
    expect(logged).to.have.length(2)
  })

  it('shrinks to what is to do, down to the least, half a minute after it grew', () => {
    reserved = 6
    autoscaler.maybeScale()
    reserved = 3
    clock.advance(30_000)
    expect(pool.size).to.equal(6)
    clock.advance(30_000)
    expect(pool.size).to.equal(3)
    reserved = 0
    clock.advance(30_000)
    expect(pool.size).to.equal(2)
    clock.advance(90_000)
    expect(logged.slice(1)).to.deep.equal([
      'info Scaling down 3 processes.',
      'info Scaling down 1 processes.',
    ])
  })

  it('does not shrink a pool that it never grew', () => {
    pool.size = 4
    clock.advance(300_000)
    expect(pool.size).to.equal(4)
    expect(logged).to.deep.equal([])
  })

  it('leaves one, also when the least is none, and does not go on about it', () => {
    autoscaler.update(null, 0)
    reserved = 3
    autoscaler.maybeScale()
    reserved = 0
    clock.advance(300_000)
    expect(pool.size).to.equal(1)
    expect(logged).to.have.length(2)
  })

  it('follows when its range is changed, one end or both', () => {
    expect(autoscaler.update(10, 4)).to.deep.equal([10, 4])
    expect(pool.size).to.equal(4)
    expect(autoscaler.update(null, 5)).to.deep.equal([10, 5])
    expect(autoscaler.update(7, null)).to.deep.equal([7, 5])
    expect(maxima).to.deep.equal([10, 10, 7])
    autoscaler.update(3, 1)
    expect(pool.size).to.equal(3)
    expect(autoscaler.range).to.deep.equal([3, 1])
  })

  for (const [max, min] of [
    [0, 0],
    [2, 3],
    [-1, -2],
    [1.5, 1],
    [10_001, 1],
    [Number.NaN, 1],
  ] as const) {
    it(`refuses ${max} and ${min}, and stays as it was`, () => {
      expect(() => autoscaler.update(max, min)).to.throw(ImproperlyConfigured, 'autoscale needs')
      expect(autoscaler.range).to.deep.equal([6, 2])
    })
  }

  it('reads its pause from the environment', () => {
    expect(autoscaleKeepalive({})).to.equal(undefined)
    expect(autoscaleKeepalive({ AUTOSCALE_KEEPALIVE: '2.5' })).to.equal(2.5)
    for (const text of ['0', '-1', 'x', '']) {
      expect(() => autoscaleKeepalive({ AUTOSCALE_KEEPALIVE: text })).to.throw(ImproperlyConfigured)
    }
  })
})

describe('worker/autoscale in a worker', () => {
  let harness: Harness
  beforeEach(() => (harness = new Harness()))
  afterEach(() => harness.close())

  it('begins with the least, fetches for the most, and grows as tasks come', async () => {
    const gate = new Gate()
    const task = harness.app.task('t.wait', (name: string) => gate.pass(name))
    for (let n = 0; n < 20; n += 1) await task.delay(`${n}`)
    const worker = await harness.started({ autoscale: [4, 1], concurrency: 9 })
    expect(worker.plan.concurrency).to.equal(1)
    expect(worker.autoscale).to.deep.equal([4, 1])
    await until(() => gate.started.length === 4)
    expect(harness.logs('info')).to.include('Scaling up 1 processes.')
    // Four run, acked; four times four wait.
    await until(() => worker.state.reserved.size === 20)
    await Promise.all(gate.started.map(async (name) => gate.open(name)))
    await until(() => gate.ended.length === 4)
  })

  it('is not for a pool that runs one task at a time', () => {
    expect(() => harness.worker({ pool: 'solo', autoscale: [4, 1] })).to.throw(
      ImproperlyConfigured,
      "the pool 'solo' cannot autoscale",
    )
  })

  it('refuses a range that is none', () => {
    expect(() => harness.worker({ autoscale: [1, 4] })).to.throw(ImproperlyConfigured)
  })
})
