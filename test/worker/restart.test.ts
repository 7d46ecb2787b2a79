/** A worker while its broker dies and comes back. */

import { expect } from 'chai'
import { startRabbitmq, startRedis, type Server } from '../support/services.ts'
import { until, within } from '../support/until.ts'
import { Gate, Harness } from './harness.ts'

const SERVERS: Readonly<Record<string, () => Promise<Server>>> = {
  redis: () => startRedis({ persistent: true }),
  rabbitmq: () => startRabbitmq(),
}

for (const [name, start] of Object.entries(SERVERS)) {
  describe(`worker: ${name} dies and comes back`, function () {
    this.timeout(120_000)
    let server: Server
    let harness: Harness
    let again: Harness
    let gate: Gate
    /** On Redis what a lost worker held comes back after this time; on RabbitMQ at once. */
    const brokerTransportOptions = name === 'redis' ? { visibilityTimeout: 3 } : {}

    before(async () => void (server = await start()))
    after(() => server.stop())
    beforeEach(() => {
      gate = new Gate()
      harness = new Harness({ brokerUrl: server.url, brokerTransportOptions })
      again = new Harness({ brokerUrl: server.url, brokerTransportOptions })
    })
    afterEach(async () => {
      await harness.close()
      await again.close()
    })

    it('goes on by itself: what ran is done, what waited runs, and what comes later too', async () => {
      const ran: string[] = []
      const wait = harness.app.task('t.wait', (id: string) => gate.pass(id))
      const note = harness.app.task('t.note', (id: string) => void ran.push(id))
      const worker = await harness.started({ concurrency: 1 })
      const running = await wait.delay('running')
      await until(() => gate.started.length === 1)
      for (const id of ['a', 'b', 'c']) await note.delay(id)
      await note.applyAsync(['eta'], { countdown: 1 })
      await until(() => worker.state.reserved.size + worker.state.scheduled.size === 5)

      await server.kill()
      await until(() => harness.logs('warning').some((line) => line.includes('broker lost')))
      gate.open('running')
      expect(await running.get({ timeout: 5 })).to.equal('running')
      await server.restart()

      await until(() => ran.length >= 4, { seconds: 60, what: 'what waited' })
      await note.delay('later')
      await until(() => ran.includes('later'))
      expect(ran.toSorted()).to.deep.equal(['a', 'b', 'c', 'eta', 'later'])
    })

    it('can be stopped while it is gone, and gives nothing up', async () => {
      const late = harness.app.task('t.late', { acksLate: true }, (id: string) => gate.pass(id))
      const worker = await harness.started({ concurrency: 1 })
      await late.delay('once')
      await until(() => gate.started.length === 1)
      await server.kill()
      await until(() => harness.logs('warning').some((line) => line.includes('broker lost')))
      const stopped = worker.stop()
      gate.open('once')
      await within(10, stopped)
      await server.restart()
      again.app.task('t.late', { acksLate: true }, (id: string) => gate.pass(id))
      await again.started({ concurrency: 1 })
      await until(() => gate.started.length === 2, { seconds: 60, what: 'the late task again' })
      gate.open('once')
      await until(() => gate.ended.length === 2)
    })
  })
}
