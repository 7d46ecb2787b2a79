/** The broker is killed and comes back: client and worker go on by themselves, and nothing is lost. */

import { expect } from 'chai'
import { startNodeWorker } from '../harness.ts'
import { createApp } from '../node/tasks.ts'
import { redisUrl, startRabbitmq, startRedis, type Server } from '../../test/support/services.ts'

const BROKERS: readonly (readonly [name: string, start: () => Promise<Server>])[] = [
  ['Redis', () => startRedis({ persistent: true })],
  ['RabbitMQ', () => startRabbitmq()],
]

for (const [name, start] of BROKERS) {
  describe(`a restart of ${name}`, function () {
    this.timeout(120_000)

    it('is survived by worker and client, with the tasks that were sent before', async () => {
      const server = await start()
      const surroundings = { broker: server.url, backend: await redisUrl() }
      const worker = await startNodeWorker(surroundings)
      const app = createApp(surroundings.broker, surroundings.backend)
      try {
        const first = await app.sendTask<number>('ts.add', [1, 1])
        expect(await first.get({ timeout: 20 })).to.equal(2)
        const before = await app.sendTask<number>('ts.add', [2, 2], { countdown: 3 })
        await server.restart()
        const after = await app.sendTask<number>('ts.add', [3, 3])
        expect(await after.get({ timeout: 30 })).to.equal(6)
        expect(await before.get({ timeout: 30 })).to.equal(4)
        expect(worker.running).to.equal(true)
      } finally {
        await app.close()
        await worker.stop()
        await server.stop()
      }
    })

    it('makes a call fail with a typed error within its deadline while it is down', async () => {
      const server = await start()
      const app = createApp(server.url, await redisUrl())
      try {
        await app.sendTask('ts.add', [1, 1], { ignoreResult: true })
        await server.kill()
        const begin = Date.now()
        const error = await app
          .sendTask('ts.add', [1, 1], { timeout: 2 })
          .catch((reason: unknown) => reason)
        expect(Date.now() - begin).to.be.below(4000)
        expect(error).to.have.property('code').that.is.oneOf(['ERR_OPERATIONAL', 'ERR_TIMEOUT'])
      } finally {
        await app.close()
        await server.stop()
      }
    })

    it('does not keep a worker that was started before its broker from working', async () => {
      const server = await start()
      await server.kill()
      const surroundings = { broker: server.url, backend: await redisUrl() }
      const starting = startNodeWorker(surroundings)
      await server.restart()
      const worker = await starting
      const app = createApp(surroundings.broker, surroundings.backend)
      try {
        const result = await app.sendTask<number>('ts.add', [1, 1])
        expect(await result.get({ timeout: 20 })).to.equal(2)
      } finally {
        await app.close()
        expect(await worker.stop()).to.equal(0)
        await server.stop()
      }
    })
  })
}
