/** For the tests of those who use celeriac: an app with its broker and its results inside the process. */

import type { CeleryOptions } from './app/celery.ts'
import { Celery } from './celery.ts'
import type { SettingsInput } from './conf/settings.ts'
import { SILENT } from './runtime/log.ts'
import type { Worker, WorkerOptions } from './worker/worker.ts'

let made = 0

/**
 * An app of its own: nothing of it is shared with another, and the environment is not asked.
 *
 * ```ts
 * const app = createTestApp()
 * const add = app.task('add', (x: number, y: number) => x + y)
 * await using worker = await startTestWorker(app)
 * expect(await (await add.delay(2, 2)).get({ timeout: 5 })).to.equal(4)
 * ```
 */
export function createTestApp(settings: SettingsInput = {}, options: CeleryOptions = {}): Celery {
  const name = `test-${process.pid}-${++made}`
  const url = `memory://${name}`
  return new Celery(
    name,
    { brokerUrl: url, resultBackend: url, ...settings },
    { logger: SILENT, env: {}, ...options },
  )
}

/** A worker that consumes already; stop it, or have `await using` do so. */
export async function startTestWorker(app: Celery, options: WorkerOptions = {}): Promise<Worker> {
  const worker = app.worker({ concurrency: 4, ...options })
  await worker.start()
  return worker
}
