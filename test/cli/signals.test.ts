/** Signals to the command `worker`, in every state that it may be in, on real brokers. */

import { expect } from 'chai'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Celery } from '../../src/app/celery.ts'
import type { Process } from '../support/process.ts'
import { Proxy } from '../support/proxy.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until, within } from '../support/until.ts'
import { spawnWorker, startWorker, type Env } from './command.ts'

const BROKERS = { redis: redisUrl, rabbitmq: amqpUrl }

for (const [broker, url] of Object.entries(BROKERS)) {
  describe(`cli: signals to a worker on ${broker}`, function () {
    this.timeout(60_000)
    let env: Env
    let client: Celery
    let worker: Process | undefined
    let proxy: Proxy | undefined
    let folder: string
    let file: string
    let queue: string

    before(() => void (folder = mkdtempSync(join(tmpdir(), 'celeriac-signals-'))))
    after(() => rmSync(folder, { recursive: true }))
    beforeEach(async () => {
      queue = `q-${crypto.randomUUID()}`
      const settings = {
        taskDefaultQueue: queue,
        maxDeliveries: 2,
        brokerTransportOptions: broker === 'redis' ? { ownerGrace: 0.5 } : {},
      }
      env = {
        CELERY_BROKER_URL: await url(),
        CELERY_RESULT_BACKEND: await redisUrl(),
        CLI_SETTINGS: JSON.stringify(settings),
      }
      client = new Celery('client', settings, { env })
      file = join(folder, crypto.randomUUID())
    })
    afterEach(async () => {
      await worker?.kill()
      worker = undefined
      await client.close()
      await proxy?.stop()
      proxy = undefined
    })

    /** How many messages wait in the queue, with nobody. */
    const waiting = async (): Promise<number> => {
      const connection = client.connectionForRead()
      try {
        const channel = await connection.channel()
        return (await channel.declareQueue(client.queues.get(queue))).messageCount
      } finally {
        await connection.close()
      }
    }
    const began = (): boolean => existsSync(`${file}.began`)

    it('SIGQUIT gives back all that may run again, and marks what may not', async () => {
      worker = await startWorker(['-c', '2'], env)
      const early = await client.sendTask('cli.wait', [file, 600])
      const late = await client.sendTask('cli.late', [`${file}-late`, 600])
      await until(() => began() && existsSync(`${file}-late.began`))
      for (let i = 0; i < 2; i += 1) await client.sendTask('cli.add', [i, i])
      const eta = await client.sendTask('cli.add', [1, 1], { countdown: 600 })
      await worker.says(`[${eta.id}] received`)
      worker.signal('SIGQUIT')
      expect(await within(5, worker.exited)).to.equal(1)
      expect(await waiting()).to.equal(4)
      expect(await early.state()).to.equal('RETRY')
      expect(await late.state()).to.equal('PENDING')
    })

    it('a task that takes its worker along does so no more than it may', async () => {
      const result = await client.sendTask('cli.poison', [file])
      for (const runs of ['x', 'xx']) {
        worker = spawnWorker([], env)
        expect(await within(20, worker.exited)).to.equal(9)
        expect(readFileSync(file, 'utf8')).to.equal(runs)
      }
      worker = await startWorker([], env)
      const error = await result.get({ timeout: 20 }).catch((caught: unknown) => caught)
      expect(String(error)).to.include('Gave up after 2 deliveries.')
      expect(readFileSync(file, 'utf8')).to.equal('xx')
      await until(async () => (await waiting()) === 0)
      worker.signal('SIGTERM')
      expect(await within(10, worker.exited)).to.equal(0)
    })

    if (broker === 'rabbitmq') {
      it('SIGQUIT ends a worker whose broker does not answer any more', async () => {
        const { CELERY_BROKER_URL: direct = '' } = env
        proxy = await new Proxy({ host: '127.0.0.1', port: Number(new URL(direct).port) }).start()
        worker = await startWorker([], { ...env, CELERY_BROKER_URL: proxy.url(direct) })
        await client.sendTask('cli.late', [file, 600])
        await until(began)
        proxy.stall()
        worker.signal('SIGQUIT')
        expect(await within(5, worker.exited)).to.equal(1)
      })
    }

    if (broker === 'redis') {
      it('SIGUSR1 tells what runs, and SIGTERM may come twice', async () => {
        worker = await startWorker([], env)
        const result = await client.sendTask('cli.gate', [file])
        await until(began)
        worker.signal('SIGUSR1')
        await worker.says(
          /1 active, 1 reserved, 0 scheduled\n {2}cli\.gate\[[-0-9a-f]{36}\] for \d/,
        )
        worker.signal('SIGTERM')
        await worker.says('Warm shutdown')
        worker.signal('SIGTERM')
        await worker.says(/Warm shutdown[^]*Warm shutdown/)
        writeFileSync(`${file}.go`, '')
        expect(await within(10, worker.exited)).to.equal(0)
        expect(await result.state()).to.equal('SUCCESS')
        expect(await waiting()).to.equal(0)
      })

      it('SIGHUP starts it over with the same command line', async () => {
        worker = await startWorker(['-c', '1'], env)
        const result = await client.sendTask('cli.wait', [file, 0.3])
        await until(began)
        worker.signal('SIGHUP')
        await worker.says(/Restarting celery worker \(.* worker -l info -c 1\)[^]* ready\./)
        expect(await result.get({ timeout: 5 })).to.equal(null)
        const next = await client.sendTask('cli.add', [1, 1])
        expect(await next.get({ timeout: 10 })).to.equal(2)
        worker.signal('SIGTERM')
        expect(await within(10, worker.exited)).to.equal(0)
      })

      it('SIGHUP is as warm the next time, and who wants the end then gets it', async () => {
        const remapped = { ...env, REMAP_SIGTERM: 'SIGQUIT' }
        worker = await startWorker(['-c', '1'], remapped, ['--workdir', 'test'])
        worker.signal('SIGHUP')
        await worker.says(/Restarting[^]* ready\./)
        const result = await client.sendTask('cli.gate', [file])
        await until(began)
        worker.signal('SIGHUP')
        await worker.says(/Restarting[^]*(Restarting|shutdown)/)
        worker.signal('SIGINT')
        await worker.says('Hitting Ctrl+C again will initiate cold shutdown')
        writeFileSync(`${file}.go`, '')
        expect(await within(10, worker.exited)).to.equal(1)
        expect(await result.state()).to.equal('SUCCESS')
      })
    }
  })
}
