/** Fetching only what can run at once, on real Redis; and not at all elsewhere. */

import { expect } from 'chai'
import type { Worker, WorkerOptions } from '../../src/worker/worker.ts'
import { redisUrl } from '../support/services.ts'
import { until } from '../support/until.ts'
import { Gate, Harness } from './harness.ts'

describe('worker: disable prefetch', () => {
  let harness: Harness
  let worker: Worker
  let gate: Gate
  beforeEach(() => (gate = new Gate()))
  afterEach(() => harness.close())

  async function start(brokerUrl: string | undefined, options: WorkerOptions): Promise<void> {
    harness = new Harness(brokerUrl === undefined ? {} : { brokerUrl })
    for (const acksLate of [false, true]) {
      harness.app.task(acksLate ? 't.late' : 't.early', { acksLate }, (name: string) =>
        gate.pass(name),
      )
    }
    worker = await harness.started({ disablePrefetch: true, concurrency: 2, ...options })
  }

  const send = async (task: string, count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await harness.app.sendTask(task, [`${task}-${n}`])
  }

  /** That many run, none waits for them, and the rest is with the broker. */
  const runs = async (running: number, waiting: number): Promise<void> => {
    await until(() => worker.state.active.size === running)
    await until(async () => (await harness.waiting()) === waiting)
    expect(worker.state.reserved.size).to.equal(running)
  }

  for (const task of ['t.early', 't.late']) {
    it(`leaves ${task} with the broker until there is a slot for it`, async () => {
      await start(await redisUrl(), {})
      await send(task, 6)
      await runs(2, 4)
      gate.open(gate.started[0] ?? '')
      await until(() => gate.started.length === 3)
      await runs(2, 3)
      for (let at = 1; at < 6; at += 1) {
        await until(() => gate.started.length > at)
        gate.open(gate.started[at] ?? '')
      }
      await until(() => gate.ended.length === 6)
      await runs(0, 0)
    })
  }

  it('follows the pool when that grows', async () => {
    await start(await redisUrl(), { concurrency: 1 })
    await send('t.early', 4)
    await runs(1, 3)
    await harness.app.control.poolGrow(2, { destination: ['w1@host'], reply: true, timeout: 5 })
    await runs(3, 1)
    for (const name of gate.started) gate.open(name)
    await until(() => gate.started.length === 4)
    gate.open(gate.started[3] ?? '')
  })

  it('counts up to the most when the pool autoscales', async () => {
    await start(await redisUrl(), { autoscale: [3, 1] })
    await send('t.early', 5)
    await runs(3, 2)
    for (let at = 0; at < 5; at += 1) {
      await until(() => gate.started.length > at)
      gate.open(gate.started[at] ?? '')
    }
    await until(() => gate.ended.length === 5)
  })

  it('has no effect on other brokers, and says so', async () => {
    await start(undefined, { concurrency: 1 })
    expect(harness.logs('warning')).to.deep.equal([
      'worker_disable_prefetch is only supported for Redis brokers. ' +
        'Current broker transport: memory. Ignoring disable_prefetch setting.',
    ])
    await send('t.early', 4)
    await until(() => worker.state.reserved.size === 4)
  })
})
