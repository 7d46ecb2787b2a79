/** Priorities: a worker that fetches one message at a time runs them in the order of its broker, whoever sent them. */

import { expect } from 'chai'
import { PythonClient } from '../harness.ts'
import { celeries, PAIRINGS } from '../matrix.ts'
import { Celery } from '../../src/index.ts'
import { until } from '../../test/support/until.ts'

const QUEUE = 'priorities'
const MAX = 10
const PYTHON_QUEUE = `__import__('kombu').Queue('${QUEUE}', queue_arguments={'x-max-priority': ${MAX}})`
/** Redis has a list for each of these. */
const PRIORITIES = [6, 0, 9, 3]
const ASCENDING = ['0 ts', '0 py', '3 ts', '3 py', '6 ts', '6 py', '9 ts', '9 py']
const DESCENDING = ['9 ts', '9 py', '6 ts', '6 py', '3 ts', '3 py', '0 ts', '0 py']

describe('priorities', () => {
  for (const celery of celeries()) {
    for (const [n, broker, order] of [
      [0, 'Redis, where the lowest number is first', ASCENDING],
      [1, 'RabbitMQ, where the highest number is first', DESCENDING],
    ] as const) {
      it(`from TypeScript and Python ${celery.version} are heeded on ${broker}`, async () => {
        const surroundings = await PAIRINGS[n]?.open()
        if (surroundings === undefined) throw new Error(`no pairing ${n}`)
        const app = new Celery('priorities', {
          brokerUrl: surroundings.broker,
          taskDefaultQueue: QUEUE,
          taskQueueMaxPriority: MAX,
        })
        const ran: string[] = []
        app.task('prio.note', (line: string) => void ran.push(line))
        const python = new PythonClient(celery, surroundings)
        const worker = app.worker({ concurrency: 1, prefetchMultiplier: 1 })
        try {
          for (const priority of PRIORITIES) {
            await app.sendTask('prio.note', [`${priority} ts`], { priority })
            const call = `'prio.note', args=['${priority} py'], priority=${priority}`
            await python.eval(
              `app.send_task(${call}, queue=${PYTHON_QUEUE}, ignore_result=True).id`,
            )
          }
          await worker.start()
          await until(() => ran.length === order.length, { seconds: 20 })
          expect(ran).to.deep.equal(order)
        } finally {
          await worker.stop()
          await python.stop()
          await app.close()
        }
      })
    }
  }
})
