/** Thousands of tasks that wait for their eta on real brokers, also when the connection is cut meanwhile. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { SYSTEM_CLOCK, type Clock } from '../../src/runtime/clock.ts'
import { Proxy } from '../support/proxy.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

const BROKERS: Readonly<Record<string, () => Promise<string>>> = {
  redis: redisUrl,
  rabbitmq: amqpUrl,
}

/** One run of a task. */
interface Run {
  readonly n: number
  readonly eta: number
  readonly at: number
}

for (const [name, open] of Object.entries(BROKERS)) {
  describe(`worker/eta on ${name}`, function () {
    this.timeout(120_000)
    let proxy: Proxy
    let brokerUrl: string
    let harness: Harness
    let runs: Run[]
    /** By how many milliseconds the worker's clock is ahead. */
    let ahead: number
    const now = (): number => Date.now() + ahead
    const clock: Clock = { ...SYSTEM_CLOCK, now }

    before(async () => {
      const url = await open()
      const { hostname, port } = new URL(url)
      proxy = await new Proxy({ host: hostname, port: Number(port) }).start()
      brokerUrl = url.replace(`${hostname}:${port}`, `127.0.0.1:${proxy.port}`)
    })
    after(() => proxy.stop())
    afterEach(() => harness.close())

    function prepare(settings: SettingsInput): void {
      harness = new Harness({ brokerUrl, taskDefaultQueue: `eta-${randomUUID()}`, ...settings })
      runs = []
      ahead = 0
      const note = (n: number, eta: number): void => void runs.push({ n, eta, at: now() })
      harness.app.task('t.eta', { ignoreResult: true }, note)
    }

    /** Sends so many, due within some time from the first one on, in no order. */
    async function send(count: number, first: number, spanMs: number): Promise<void> {
      const eta = (n: number): number => first + Math.floor((((n * 7919) % count) / count) * spanMs)
      const numbers = Array.from({ length: count }, (_, n) => n)
      await Promise.all(
        numbers.map((n) =>
          harness.app.sendTask('t.eta', [n, eta(n)], { eta: new Date(eta(n)), retry: true }),
        ),
      )
    }

    const early = (): readonly Run[] => runs.filter(({ eta, at }) => at < eta)
    const different = (): number => new Set(runs.map(({ n }) => n)).size

    it('runs 3,000 of them, each once and none early, and holds no more than 100', async () => {
      prepare({ workerEtaHoldLimit: 100 })
      const worker = await harness.started()
      let most = 0
      const watch = setInterval(() => (most = Math.max(most, worker.state.scheduled.size)), 10)
      try {
        await send(3000, Date.now() + 1500, 2000)
        await until(() => different() === 3000, { seconds: 90, what: 'all to run' })
      } finally {
        clearInterval(watch)
      }
      expect(early()).to.deep.equal([])
      expect(runs).to.have.length(3000)
      expect(most).to.be.at.most(100)
      expect(await harness.waiting(harness.app.conf.taskDefaultQueue)).to.equal(0)
    })

    it('runs once each of 50 that it held when its connection was cut', async () => {
      prepare({})
      const worker = await harness.started({ clock })
      const holdsAll = (): boolean => worker.state.scheduled.size === 50
      await send(50, Date.now() + 300_000, 100)
      await until(holdsAll, { seconds: 30, what: 'all to be held' })
      await proxy.cut()
      await until(() => harness.logs('warning').some((line) => line.includes('broker lost')))
      await until(holdsAll, { seconds: 60, what: 'all to be held again' })
      ahead = 301_000
      await until(() => different() === 50, { seconds: 30, what: 'all to run' })
      await until(() => worker.state.reserved.size + worker.state.scheduled.size === 0)
      expect(runs).to.have.length(50)
      expect(early()).to.deep.equal([])
      expect(await harness.waiting(harness.app.conf.taskDefaultQueue)).to.equal(0)
    })

    it('loses none when its connection is cut while it puts them aside', async () => {
      prepare({ workerEtaHoldLimit: 10 })
      await harness.started()
      const sent = send(300, Date.now() + 1500, 500)
      const busy = (): boolean =>
        harness.logs('debug').some((line) => line.includes('put aside')) || different() === 300
      for (let cut = 0; cut < 2; cut += 1) {
        await until(busy, { seconds: 30, what: 'some to be put aside' })
        await proxy.cut()
        harness.logged.length = 0
      }
      await sent
      await until(() => different() === 300, { seconds: 60, what: 'all to run' })
      expect(early()).to.deep.equal([])
    })
  })
}
