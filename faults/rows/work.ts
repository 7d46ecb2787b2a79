/** F07, F20, F46: what tasks themselves do to the worker. */

import type { Row } from '../row.ts'

const hanging: Row = {
  id: 'F07',
  fault: 'a task computes for ever in a pool process, with a hard time limit of 2 s',
  promise: 'FAILURE TimeLimitExceeded at most 1 s after the limit; the slot is free again',
  brokers: ['redis', 'amqp'],
  python: true,
  fast: true,
  seconds: 60,
  run: async (stage) => {
    await stage.worker({ args: ['-P', 'prefork', '-c', '1', '--time-limit', '2'] })
    const [id = ''] = await stage.send('faults.block_early', 1, { args: [600] })
    const { start } = await stage.ledger.started(id)
    const error = await stage.app
      .asyncResult(id)
      .get({ timeout: 30 })
      .catch((reason: unknown) => reason)
    const seconds = (Date.now() - start) / 1000
    const { lost } = await stage.ledger.settle(await stage.send('faults.early', 1), 10)
    const type = (error as Error).name
    return {
      ok: type === 'TimeLimitExceeded' && seconds <= 2 + stage.slack && lost === 0,
      text: `${type} ${seconds.toFixed(1)} s after its start; the next task ${lost === 0 ? 'ran' : 'did not run'}`,
    }
  },
}

const blocking: Row = {
  id: 'F20',
  fault:
    'a late-acked task computes for 30 s in the process that holds the connection (`async`; Python: `solo`)',
  promise: 'not handed to another, runs once',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const pool = stage.kind === 'celeriac' ? 'async' : 'solo'
    const conf = { broker_heartbeat: 60 }
    const first = await stage.worker({ name: 'w1', args: ['-P', pool], conf })
    const ids = await stage.send('faults.block_late', 1, { args: [30] })
    await stage.ledger.started(ids[0] ?? '')
    const second = await stage.worker({ name: 'w2', conf })
    const { lost, repeated } = await stage.ledger.settle(ids, 60)
    return {
      ok: lost === 0 && repeated === 0 && first.running && second.running,
      text: `lost ${lost} of 1, repeated ${repeated}`,
    }
  },
}

const ODD = ['undefined', 'frozen', 'getter', 'circular', 'bigint'] as const

const odd: Row = {
  id: 'F46',
  fault:
    'tasks throw undefined, a frozen error, one that throws when it is read, a circular one, a bigint; return what cannot be written; reject when nobody listens any more',
  promise: 'each is a FAILURE but the last; the worker stays and runs the next',
  brokers: ['redis', 'amqp'],
  python: false,
  fast: true,
  seconds: 60,
  run: async (stage) => {
    const worker = await stage.worker()
    const results = await Promise.all(
      [...ODD, 'returns what no serializer takes', 'rejects later'].map((what) =>
        stage.app.sendTask('faults.odd', [what, what]),
      ),
    )
    for (const result of results) await result.get({ timeout: 20, propagate: false })
    const states = await Promise.all(results.map((result) => result.state()))
    const failures = states.filter((state) => state === 'FAILURE').length
    const { lost } = await stage.ledger.settle(await stage.send('faults.early', 1), 10)
    return {
      ok: failures === 6 && states.at(-1) === 'SUCCESS' && lost === 0 && worker.running,
      text: `${failures} of 6 FAILURE; the next task ${lost === 0 ? 'ran' : 'did not run'}`,
    }
  },
}

export const WORK: readonly Row[] = [hanging, blocking, odd]
