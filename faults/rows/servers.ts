/** F22 to F32: what happens inside of broker and backend. */

import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../test/support/until.ts'
import type { Row } from '../row.ts'

const alarm: Row = {
  id: 'F22',
  fault: 'disk alarm: 5 calls are made with a deadline of 3 s, then the alarm ends',
  promise: 'none that resolved is missing; the others reject at their deadline',
  brokers: ['amqp'],
  python: false,
  seconds: 90,
  run: async (stage) => {
    await stage.worker()
    await stage.rabbitmq?.ctl('set_disk_free_limit', '100000000000000')
    await sleep(1000)
    const calls = ['a', 'b', 'c', 'd', 'e'].map((id) =>
      stage.app.sendTask('faults.early', [id], { taskId: id, timeout: 3 }).then(
        () => id,
        () => undefined,
      ),
    )
    const resolved = (await Promise.all(calls)).filter((id) => id !== undefined)
    await stage.rabbitmq?.ctl('set_disk_free_limit', '50000000')
    const { lost } = await stage.ledger.settle(resolved, 30)
    const after = await stage.ledger.settle(await stage.send('faults.early', 1), 30)
    return {
      ok: lost === 0 && after.lost === 0,
      text: `${resolved.length} of 5 resolved, ${lost} of these missing; works again: ${after.lost === 0 ? 'yes' : 'no'}`,
    }
  },
}

const deletedQueue: Row = {
  id: 'F23',
  fault: 'the queue is deleted under worker and client',
  promise: 'the next call is not lost; the worker consumes again',
  brokers: ['amqp'],
  python: true,
  seconds: 60,
  run: async (stage) => {
    const worker = await stage.worker()
    await stage.ledger.settle(await stage.send('faults.early', 1), 10)
    await stage.rabbitmq?.ctl('delete_queue', 'celery')
    const { lost } = await stage.ledger.settle(await stage.send('faults.early', 3), 20)
    return { ok: lost === 0 && worker.running, text: `lost ${lost} of 3 confirmed calls` }
  },
}

const consumerTimeout: Row = {
  id: 'F24',
  fault:
    'consumer_timeout (10 s) passes while a late-acked task runs 20 s and a task waits for its eta',
  promise: 'the worker stays; the eta task runs; the long one is not lost',
  brokers: ['amqp'],
  python: true,
  seconds: 150,
  run: async (stage) => {
    const set =
      'application:set_env(rabbit, channel_tick_interval, 3000), application:set_env(rabbit, consumer_timeout, 10000).'
    await stage.rabbitmq?.ctl('eval', set)
    const worker = await stage.worker()
    const long = await stage.send('faults.late', 1, { args: [20] })
    const eta = await stage.send('faults.early', 1, { countdown: 25 })
    await stage.ledger.started(long[0] ?? '')
    const { lost, repeated } = await stage.ledger.settle([...long, ...eta], 80)
    return {
      ok: lost === 0 && worker.running,
      text: `lost ${lost} of 2, repeated ${repeated}, the worker ${worker.running ? 'stays' : 'has ended'}`,
    }
  },
}

const full: Row = {
  id: 'F29',
  fault: 'Redis is full (`maxmemory`, `noeviction`) with 10 tasks in the queue, for 5 s',
  promise: 'none lost, the worker stays and goes on',
  brokers: ['redis'],
  python: true,
  seconds: 90,
  run: async (stage) => {
    const ids = await stage.send('faults.early', 10)
    await stage.redis('config', 'set', 'maxmemory-policy', 'noeviction')
    await stage.redis('config', 'set', 'maxmemory', '1mb')
    const worker = stage.start()
    await until(() => / ready\.|MainProcess|rror/.test(worker.output), { seconds: 30 })
    await sleep(5000)
    await stage.redis('config', 'set', 'maxmemory', '0')
    const { lost, repeated } = await stage.ledger.settle(ids, 30)
    return {
      ok: lost === 0 && repeated === 0 && worker.running,
      text: `lost ${lost} of 10, repeated ${repeated}, the worker ${worker.running ? 'stays' : 'has ended'}`,
    }
  },
}

const backendDown: Row = {
  id: 'F32',
  fault: 'the result backend is down for 25 s while a task ends; the broker is up',
  promise: 'the result is there once the backend is',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const worker = await stage.worker()
    await stage.ledger.settle(await stage.send('faults.early', 1), 10)
    const [id = ''] = await stage.send('faults.early', 1, { args: [1] })
    await stage.ledger.started(id)
    await stage.results.kill()
    await sleep(25_000)
    await stage.results.restart()
    const back = Date.now()
    const value = await stage.app
      .asyncResult(id)
      .get({ timeout: 45 })
      .catch(() => undefined)
    const seconds = (Date.now() - back) / 1000
    return {
      ok: value === id && worker.running,
      text:
        value === id ? `there ${seconds.toFixed(1)} s after the backend` : 'missing 45 s after it',
    }
  },
}

export const SERVERS: readonly Row[] = [alarm, deletedQueue, consumerTimeout, full, backendDown]
