/** Whether memory stays flat while tasks are sent and nobody asks for their results: `node --expose-gc --import tsx bench/memory.ts [sends]`. */

import { Redis } from 'ioredis'
import { Celery } from '../src/index.ts'
import { startRedis } from '../test/support/redis.ts'
import { stopServices } from '../test/support/services.ts'

const SENDS = Number(process.argv[2] ?? 1_000_000)
const AT_ONCE = 200
/** Sends between two looks; so often the queue is emptied, too, for nobody works. */
const STEP = SENDS / 10
const MB = 1024 * 1024

try {
  const given = process.env['BENCH_REDIS_URL']
  const url = given ?? (await startRedis()).url
  for (const resultBackend of [url, 'rpc://']) {
    process.stdout.write(`\nresults by ${new URL(resultBackend).protocol}//\n`)
    await measure(url, resultBackend)
  }
} finally {
  await stopServices()
}

async function measure(brokerUrl: string, resultBackend: string): Promise<void> {
  const queue = `memory-${process.pid}`
  const redis = new Redis(brokerUrl)
  const app = new Celery('memory', { brokerUrl, resultBackend, taskDefaultQueue: queue })
  const started = performance.now()
  for (let sent = 0; sent <= SENDS; sent += STEP) {
    if (sent > 0) await send(app, STEP, () => redis.unlink(queue))
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    process.stdout.write(`${sent.toString().padStart(9)} sent  ${heap()} MB  after ${seconds} s\n`)
  }
  await app.close()
  await redis.unlink(queue)
  redis.disconnect()
}

async function send(app: Celery, count: number, empty: () => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - sent) }, () =>
        app.sendTask('shop.add', [1, 2]),
      ),
    )
    if (sent % (AT_ONCE * 50) === 0) await empty()
  }
  await empty()
}

/** What is left when all garbage is gone. */
function heap(): string {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('start it with node --expose-gc')
  gc()
  gc()
  return (process.memoryUsage().heapUsed / MB).toFixed(1)
}
