/** The command `worker` as a process of its own, on real brokers. */

import { expect } from 'chai'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Celery } from '../../src/app/celery.ts'
import type { Process } from '../support/process.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until, within } from '../support/until.ts'
import { appFile, runApart, spawnWorker, startWorker, type Env } from './command.ts'

const BROKERS = { redis: redisUrl, rabbitmq: amqpUrl }

for (const [broker, url] of Object.entries(BROKERS)) {
  describe(`cli: celeriac worker on ${broker}`, function () {
    this.timeout(60_000)
    let env: Env
    let client: Celery
    let worker: Process | undefined
    let folder: string
    let file: string

    before(() => void (folder = mkdtempSync(join(tmpdir(), 'celeriac-cli-'))))
    after(() => rmSync(folder, { recursive: true }))
    beforeEach(async () => {
      env = { CELERY_BROKER_URL: await url(), CELERY_RESULT_BACKEND: await redisUrl() }
      client = new Celery('client', {}, { env })
      file = join(folder, crypto.randomUUID())
    })
    afterEach(async () => {
      await worker?.kill()
      worker = undefined
      await client.close()
    })

    /** How many messages wait in the queue, with nobody. */
    const waiting = async (): Promise<number> => {
      const connection = client.connectionForRead()
      try {
        const channel = await connection.channel()
        return (await channel.declareQueue(client.queues.get('celery'))).messageCount
      } finally {
        await connection.close()
      }
    }
    const began = (): boolean => existsSync(`${file}.began`)
    const ended = (): boolean => existsSync(`${file}.ended`)

    it('shows the banner, runs tasks, and answers call and result as celery does', async () => {
      worker = await startWorker(['-c', '3', '-n', 'w1@%h', '-Q', 'celery,other'], env)
      expect(worker.output).to.match(
        new RegExp(
          String.raw`^ \n -------------- w1@\S+ v\d+\.\d+\.\d+ \(celeriac\)\n--- \*{5} ----- \n` +
            String.raw`-- \*{7} ---- Linux-\S+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n- \*{3} --- \* --- \n` +
            String.raw`- \*\* ---------- \[config\]\n- \*\* ---------- \.> app:         cli:0x[0-9a-f]{12}\n` +
            String.raw`- \*\* ---------- \.> transport:   \S+\n- \*\* ---------- \.> results:     redis://\S+\n` +
            String.raw`- \*{3} --- \* --- \.> concurrency: 3 \(async\)\n` +
            String.raw`-- \*{7} ---- \.> task events: OFF \(enable -E to monitor tasks in this worker\)\n` +
            String.raw`--- \*{5} ----- \n -------------- \[queues\]\n` +
            String.raw` {16}\.> celery {11}exchange=celery\(direct\) key=celery\n` +
            String.raw` {16}\.> other {12}exchange=other\(direct\) key=other\n\n\n` +
            String.raw`\[tasks\]\n  \. cli\.add\n`,
        ),
      )
      expect(worker.output).to.match(/: INFO\/MainProcess\] Connected to (redis|amqp):\/\//)
      const called = await runApart(['-A', appFile, 'call', 'cli.add', '-a', '[2, 3]'], env)
      expect(called.stdout).to.match(/^[-0-9a-f]{36}\n$/)
      const id = called.stdout.trim()
      expect(await runApart(['-A', appFile, 'result', id], env)).to.deep.include({
        code: 0,
        stdout: '5\n',
      })
      await worker.says(`Task cli.add[${id}] succeeded in `)
      const big = await client.sendTask('cli.give', [{ a: [1n << 70n, null, 'x'] }])
      const shown = await runApart(['result', big.id], env)
      expect(shown.stdout).to.equal("{'a': [1180591620717411303424, None, 'x']}\n")
    })

    it('autoscales in either order, and keeps its state in a file of its name', async () => {
      const statedb = join(folder, '%n.state')
      worker = await startWorker(['-n', 'w1@%h', '--autoscale=1,3', '-S', statedb], env)
      expect(worker.output).to.include('.> concurrency: {min=1, max=3} (async)')
      expect(await worker.stop()).to.equal(0)
      expect(existsSync(join(folder, 'w1.state'))).to.equal(true)
    })

    it('shows the traceback of a failure', async () => {
      worker = await startWorker([], env)
      const { id } = await client.sendTask('cli.boom')
      const failed = await runApart(['result', id], env)
      expect(failed.stderr).to.match(
        /^Traceback \(most recent call last\):\n[^]*\n\w*Error: boom\n+$/,
      )
      expect(failed.code).to.equal(1)
      const shown = await runApart(['result', '--traceback', id], env)
      expect(shown.stdout).to.equal(failed.stderr)
      expect(shown.code).to.equal(0)
    })

    it('on SIGTERM gives back at once what has not started, finishes what runs, and exits 0', async () => {
      worker = await startWorker(['-c', '1'], env)
      await client.sendTask('cli.wait', [file, 2])
      await until(began)
      for (let i = 0; i < 3; i += 1) await client.sendTask('cli.add', [i, i])
      const eta = await client.sendTask('cli.add', [1, 1], { countdown: 600 })
      await worker.says(`[${eta.id}] received`)
      worker.signal('SIGTERM')
      await worker.says('worker: Warm shutdown (MainProcess)')
      await until(async () => (await waiting()) === 4, { seconds: 1.5 })
      expect(ended()).to.equal(false)
      expect(await within(10, worker.exited)).to.equal(0)
      expect(ended()).to.equal(true)
      expect(await waiting()).to.equal(4)
    })

    it('on SIGINT warns, finishes what runs, and exits 1', async () => {
      worker = await startWorker([], env)
      const result = await client.sendTask('cli.wait', [file, 1])
      await until(began)
      worker.signal('SIGINT')
      await worker.says('worker: Hitting Ctrl+C again will initiate cold shutdown')
      expect(await within(10, worker.exited)).to.equal(1)
      expect(await result.state()).to.equal('SUCCESS')
    })

    for (const signals of [['SIGINT', 'SIGINT'], ['SIGTERM', 'SIGQUIT'], ['SIGQUIT']] as const) {
      it(`on ${signals.join(' and ')} gives back late tasks, and exits 1 within seconds`, async () => {
        worker = await startWorker([], env)
        const result = await client.sendTask('cli.late', [file, 600])
        await until(began)
        for (const [i, signal] of signals.entries()) {
          worker.signal(signal)
          await worker.says(i === signals.length - 1 ? /\w/ : 'Warm shutdown')
        }
        expect(await within(5, worker.exited)).to.equal(1)
        expect(await waiting()).to.equal(1)
        expect(await result.state()).to.equal('PENDING')
      })
    }

    it('on SIGTERM while the broker is not there it ends too', async () => {
      worker = spawnWorker([], { ...env, CELERY_BROKER_URL: 'amqp://127.0.0.1:1//' })
      await worker.says('Trying again in')
      worker.signal('SIGTERM')
      expect(await within(5, worker.exited)).to.equal(0)
    })

    it('lives on when a task leaves a rejection or a throw behind, and names the task', async () => {
      worker = await startWorker([], env)
      const rejected = await client.sendTask('cli.reject')
      await worker.says(`Unhandled rejection in task cli.reject[${rejected.id}]`)
      const thrown = await client.sendTask('cli.throw')
      await worker.says(`Uncaught exception in task cli.throw[${thrown.id}]`)
      const listening = await client.sendTask('cli.listen')
      await worker.says(`Uncaught exception in task cli.listen[${listening.id}]`)
      await listening.get({ timeout: 5 })
      const next = await client.sendTask('cli.add', [1, 1])
      expect(await next.get({ timeout: 5 })).to.equal(2)
    })
  })
}
