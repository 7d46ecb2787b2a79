/** `kill -9` of either worker with tasks in flight: another worker of either kind runs them. */

import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startNodeWorker, startPythonWorker, type Surroundings } from '../harness.ts'
import { celeries, PAIRINGS } from '../matrix.ts'
import { createApp } from '../node/tasks.ts'
import { until } from '../../test/support/until.ts'

/** Seconds after which Redis gives the deliveries of a silent worker to another. */
const VISIBILITY_TIMEOUT = '3'

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

/** Celery puts back what timed out only at its start and then each hundred seconds: so not before. */
async function visibilityTimeoutOver(url: string): Promise<void> {
  const redis = new Redis(url)
  try {
    await until(async () => {
      const [, leased] = await redis.zrange('unacked_index', '0', '0', 'WITHSCORES')
      const [seconds = 0] = await redis.time()
      return seconds - Number(leased) > Number(VISIBILITY_TIMEOUT)
    })
  } finally {
    redis.disconnect()
  }
}

async function surroundingsOf(n: number): Promise<Surroundings> {
  const pairing = PAIRINGS[n]
  if (pairing === undefined) throw new Error(`no pairing ${n}`)
  const env = { INTEROP_VISIBILITY_TIMEOUT: VISIBILITY_TIMEOUT }
  return { ...(await pairing.open()), env }
}

for (const [n, broker] of ['Redis', 'RabbitMQ'].entries()) {
  describe(`kill -9 of a worker on ${broker}`, function () {
    this.timeout(120_000)

    it('gives its late-acknowledged TypeScript tasks to the next TypeScript worker, and loses none', async () => {
      const surroundings = await surroundingsOf(n)
      const dir = await mkdtemp(join(tmpdir(), 'celeriac-kill-'))
      const first = await startNodeWorker(surroundings)
      const app = createApp(surroundings.broker, surroundings.backend, { visibilityTimeout: 3 })
      const files = Array.from({ length: 6 }, (_, i) => join(dir, String(i)))
      const results = await Promise.all(
        files.map((file) => app.sendTask('ts.slow', [file, 1], { ignoreResult: false })),
      )
      await until(async () => (await linesOf(files[0] ?? '')).includes('start'), { seconds: 20 })
      await first.kill()
      const second = await startNodeWorker(surroundings)
      for (const result of results) expect(await result.get({ timeout: 60 })).to.equal('slept')
      await app.close()
      await second.stop()
    })

    for (const celery of celeries()) {
      it(`gives a Python ${celery.version} worker's tasks to the next one, sent from TypeScript`, async () => {
        const surroundings = await surroundingsOf(n)
        const dir = await mkdtemp(join(tmpdir(), 'celeriac-kill-'))
        const first = await startPythonWorker(celery, surroundings, ['-P', 'solo'])
        const app = createApp(surroundings.broker, surroundings.backend, { visibilityTimeout: 3 })
        const file = join(dir, 'lines')
        const result = await app.sendTask('py.slow', [file, 2])
        await until(async () => (await linesOf(file)).includes('start'), { seconds: 20 })
        await first.kill()
        if (broker === 'Redis') await visibilityTimeoutOver(surroundings.broker)
        const second = await startPythonWorker(celery, surroundings, ['-P', 'solo'])
        expect(await result.get({ timeout: 60 })).to.equal('slept')
        expect(await linesOf(file)).to.deep.equal(['start', 'start', 'end'])
        await app.close()
        await second.stop()
      })
    }

    it('keeps a task that runs longer than the visibility timeout from running twice', async () => {
      const surroundings = await surroundingsOf(n)
      const dir = await mkdtemp(join(tmpdir(), 'celeriac-kill-'))
      const workers = await Promise.all([
        startNodeWorker(surroundings, ['-n', 'one@%h']),
        startNodeWorker(surroundings, ['-n', 'two@%h']),
      ])
      const app = createApp(surroundings.broker, surroundings.backend, { visibilityTimeout: 3 })
      const file = join(dir, 'lines')
      const result = await app.sendTask('ts.slow', [file, 8])
      expect(await result.get({ timeout: 60 })).to.equal('slept')
      expect(await linesOf(file)).to.deep.equal(['start', 'end'])
      await app.close()
      await Promise.all(workers.map((worker) => worker.stop()))
    })
  })
}
