/** The app of the benchmark: tasks that do next to nothing, on a queue of its own. */

import { Celery } from 'celeriac'

export const app = new Celery('bench', {
  brokerUrl: process.env['CELERY_BROKER_URL'],
  resultBackend: process.env['CELERY_RESULT_BACKEND'],
  taskDefaultQueue: 'bench',
})

app.task('bench.noop', (x) => x)
app.task('bench.size', (list) => list.length)
