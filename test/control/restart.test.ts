/** Remote control after a broker that was restarted. */

import { expect } from 'chai'
import { TaskRevokedError } from '../../src/errors.ts'
import { startRabbitmq, startRedis } from '../support/services.ts'
import { until } from '../support/until.ts'
import { Harness } from '../worker/harness.ts'

const BROKERS = [
  ['Redis', startRedis],
  ['RabbitMQ', startRabbitmq],
] as const

for (const [name, startBroker] of BROKERS) {
  describe(`remote control over a restart of ${name}`, function () {
    this.timeout(120_000)

    it('is heard again, and so are the replies', async () => {
      const broker = await startBroker()
      const harness = new Harness({ brokerUrl: broker.url, resultBackend: 'memory://' })
      try {
        await harness.started()
        await broker.restart()
        const replies = await until(
          async () => {
            const options = { destination: ['w1@host'], reply: true, timeout: 1 }
            const given = await harness.app.control.revoke('x', options).catch(() => [])
            return given.length > 0 && given
          },
          { seconds: 60, what: 'a reply' },
        )
        expect(replies).to.deep.equal([{ 'w1@host': { ok: "tasks {'x'} flagged as revoked" } }])
        const error = await harness.app
          .asyncResult('x')
          .get({ timeout: 5 })
          .catch((reason: unknown) => reason)
        expect(error).to.be.instanceOf(TaskRevokedError)
      } finally {
        await harness.close()
        await broker.stop()
      }
    })
  })
}
