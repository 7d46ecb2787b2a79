/** F01: the worker's process is killed while it runs late-acked tasks and holds more. */

import { until } from '../../test/support/until.ts'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const TASKS = 16
const LIMIT = { redis: 60, amqp: 5 }

export const killedWorker: Row = {
  id: 'F01',
  fault: 'worker killed (`kill -9`) while it runs late-acked tasks and holds more',
  promise: 'none lost; handed out again within 60 s (Redis), 5 s (RabbitMQ)',
  brokers: ['redis', 'amqp'],
  python: false,
  seconds: 120,
  run: async (stage) => {
    const [first] = await Promise.all([stage.worker({ name: 'w1' }), stage.worker({ name: 'w2' })])
    const ids = await stage.send('faults.late', TASKS, { args: [1] })
    const running = await until(() => runningIn(stage, first.pid), { what: 'w1 to run tasks' })
    await first.kill()
    const killed = Date.now()
    const [one = ''] = running
    const again = await stage.ledger.started(one, 2, 90)
    const back = (again.start - killed) / 1000
    const { lost, repeated } = await stage.ledger.settle(ids, 30)
    return {
      ok: lost === 0 && repeated <= running.length && back <= LIMIT[stage.broker],
      text: `lost ${lost} of ${TASKS}, repeated ${repeated}, handed out again after ${back.toFixed(1)} s`,
    }
  },
}

/** The tasks that the process runs now; undefined when there are none. */
function runningIn({ ledger }: Stage, process: number): readonly string[] | undefined {
  const runs = ledger.executions().filter(({ pid, end }) => pid === process && end === undefined)
  return runs.length > 0 ? runs.map(({ id }) => id) : undefined
}
