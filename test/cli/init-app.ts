/** An app that sets up the worker of one name, and stops each worker as soon as it is ready. */

import { Celery } from '../../src/app/celery.ts'
import { celerydAfterSetup, celerydInit, workerReady } from '../../src/worker/signals.ts'

export const app = new Celery('init', { brokerUrl: 'memory://init' })

celerydInit.connect(({ hostname, conf, options }) => {
  if (hostname.startsWith('w1@')) conf.workerConcurrency = 7
  process.stdout.write(`init ${String(options['queues'])}\n`)
})
celerydAfterSetup.connect(({ instance }) => {
  process.stdout.write(`setup ${instance.queues.map(({ name }) => name).join()}\n`)
})
workerReady.connect(({ instance }) => void instance.stop())
