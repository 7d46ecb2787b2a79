/** From delivery to request: when a task may run, and what becomes of it until then. */

import { expect } from 'chai'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { taskReceived } from '../../src/worker/signals.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

const NEW_YEAR = Date.UTC(2099, 0, 1)
/** As a client of 2012 sends it, in local time. */
const V1 = { id: 'v1', task: 't.note', args: [], kwargs: {}, utc: false }

describe('worker/strategy', () => {
  let harness: Harness
  let ran: Map<string, number>

  beforeEach(() => open())
  afterEach(() => harness.close())

  function open(settings: SettingsInput = {}): void {
    harness = new Harness(settings)
    ran = new Map()
    harness.app.task('t.note', (name: string) => void ran.set(name, Date.now()))
  }

  async function reopen(settings: SettingsInput): Promise<Worker> {
    await harness.close()
    open(settings)
    return harness.started()
  }

  const putAside = (id: string): boolean =>
    harness.logs('debug').some((line) => line.includes(`[${id}] is put aside`))

  describe('an eta', () => {
    const etas = (worker: Worker): number[] =>
      [...worker.state.scheduled].map(({ schedule }) => schedule.eta ?? 0)

    it('without an offset is in UTC, as for Celery, also in protocol 1 without `utc`', async () => {
      const worker = await harness.started()
      const eta = '2099-01-01T00:00:00'
      await harness.publish({ headers: { task: 't.note', id: 'v2', eta } })
      await harness.publish({ body: Buffer.from(JSON.stringify({ ...V1, eta })) })
      await until(() => worker.state.scheduled.size === 2)
      expect(etas(worker)).to.deep.equal([NEW_YEAR, NEW_YEAR])
    })

    it('may have an offset', async () => {
      const worker = await harness.started()
      const eta = '2099-01-01T05:30:00+05:30'
      await harness.publish({ headers: { task: 't.note', id: 'v2', eta } })
      await until(() => worker.state.scheduled.size === 1)
      expect(etas(worker)).to.deep.equal([NEW_YEAR])
    })

    it('is the next millisecond when it has a part of one, so that nothing is early', async () => {
      const worker = await harness.started()
      for (const part of ['.000001', '.001', '.001999']) {
        const eta = `2099-01-01T00:00:00${part}+00:00`
        await harness.publish({ headers: { task: 't.note', id: part, eta } })
      }
      await until(() => worker.state.scheduled.size === 3)
      expect(etas(worker)).to.deep.equal([NEW_YEAR + 1, NEW_YEAR + 1, NEW_YEAR + 2])
    })

    it('that has passed does not hold the task up', async () => {
      await harness.started()
      const headers = { task: 't.note', id: 'past', eta: '2020-01-01T00:00:00' }
      await harness.publish({ headers, body: Buffer.from('[["past"], {}, {}]') })
      await until(() => ran.has('past'))
    })
  })

  describe('more tasks with an eta than may be held', () => {
    it('are all run, once, not early, and never more held than that', async () => {
      const worker = await reopen({ workerEtaHoldLimit: 5 })
      const runs: { readonly eta: number; readonly at: number }[] = []
      harness.app.task('t.eta', (eta: number) => void runs.push({ eta, at: Date.now() }))
      const sizes: number[] = []
      const disconnect = taskReceived.connect(() => void sizes.push(worker.state.scheduled.size))
      const start = Date.now()
      const etas = Array.from({ length: 200 }, (_, n) => start + 300 + ((n * 37) % 200) * 5)
      for (const eta of etas) await harness.app.sendTask('t.eta', [eta], { eta: new Date(eta) })
      await until(() => runs.length === 200, { seconds: 20 }).finally(disconnect)
      expect(runs.map(({ eta }) => eta)).to.have.members(etas)
      expect(runs.filter(({ eta, at }) => at < eta)).to.deep.equal([])
      expect(Math.max(...sizes)).to.be.at.most(5)
      expect(worker.state.scheduled.size).to.equal(0)
    })

    it('may be retries', async () => {
      const worker = await reopen({ workerEtaHoldLimit: 1 })
      const again = harness.app.task('t.again', { bind: true }, (self) => {
        throw self.retry({ countdown: 60 })
      })
      await harness.app.sendTask('t.note', ['near'], { countdown: 30 })
      await until(() => worker.state.scheduled.size === 1)
      const { id } = await again.delay()
      await until(() => putAside(id))
      expect(harness.logs('info').filter((line) => line.includes(id))).to.have.length(2)
      expect([...worker.state.scheduled].map(({ taskName }) => taskName)).to.deep.equal(['t.note'])
    })

    it('are discarded when they have expired by the time that they come again', async () => {
      const worker = await reopen({ workerEtaHoldLimit: 1 })
      await harness.app.sendTask('t.note', ['near'], { countdown: 0.8 })
      await until(() => worker.state.scheduled.size === 1)
      const call = { countdown: 0.9, expires: 0.5 }
      const result = await harness.app.sendTask('t.note', ['far'], call)
      await until(async () => (await result.state()) === 'REVOKED')
      await until(() => ran.has('near'))
      expect([...ran.keys()]).to.deep.equal(['near'])
    })

    it('leave room for others when the settings limit what they may add', async () => {
      await harness.close()
      open({ workerEtaTaskLimit: 4 })
      const worker = await harness.started({ concurrency: 1, prefetchMultiplier: 4 })
      for (let n = 0; n < 20; n += 1) {
        await harness.app.sendTask('t.note', [`${n}`], { countdown: 60 + n })
      }
      await harness.app.sendTask('t.note', ['now'])
      await until(() => ran.has('now'))
      expect(worker.state.scheduled.size).to.equal(2)
    })
  })
})
