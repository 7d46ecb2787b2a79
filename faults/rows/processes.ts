/** F02 to F10: what happens to the worker's own processes. */

import { until } from '../../test/support/until.ts'
import type { Finding, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const PREFORK = ['-P', 'prefork']

const frozenThenKilled: Row = {
  id: 'F02',
  fault: 'worker frozen (SIGSTOP) while it waits, one task sent, then `kill -9`',
  promise: 'the task is not lost, and runs once',
  brokers: ['redis', 'amqp'],
  python: true,
  fast: true,
  seconds: 90,
  run: async (stage) => {
    const first = await stage.worker({ name: 'w1' })
    first.signal('SIGSTOP')
    const ids = await stage.send('faults.early', 1)
    await first.kill()
    await stage.worker({ name: 'w2' })
    return told(await stage.ledger.settle(ids, 10))
  },
}

const killedChild: Row = {
  id: 'F03',
  fault: 'pool process killed (`kill -9`) in the middle of a task of `rejectOnWorkerLost`',
  promise: 'runs again, the task beside it is undisturbed',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 60,
  run: async (stage) => {
    await stage.worker({ args: PREFORK })
    const [victim = '', other = ''] = await stage.send('faults.lost', 2, { args: [2] })
    const { pid } = await stage.ledger.started(victim)
    await stage.ledger.started(other)
    process.kill(pid, 'SIGKILL')
    const account = await stage.ledger.settle([victim, other], 30)
    const once = stage.ledger.of(other).length === 1
    return { ok: account.lost === 0 && account.repeated === 1 && once, text: told(account).text }
  },
}

const lostChild: Row = {
  id: 'F04',
  fault: 'a task aborts its pool process (SIGABRT)',
  promise: 'FAILURE WorkerLostError within 5 s, the next task runs',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 60,
  run: async (stage) => {
    await stage.worker({ args: PREFORK })
    const begin = Date.now()
    const [id = ''] = await stage.send('faults.die_early', 1, { args: ['SIGABRT'] })
    const error = await stage.app
      .asyncResult(id)
      .get({ timeout: 30 })
      .catch((reason: unknown) => reason)
    const seconds = (Date.now() - begin) / 1000
    const { lost } = await stage.ledger.settle(await stage.send('faults.early', 1), 10)
    const type = (error as Error).name
    return {
      ok: type === 'WorkerLostError' && seconds < 5 && lost === 0,
      text: `${type} after ${seconds.toFixed(1)} s; the next task ${lost === 0 ? 'ran' : 'did not run'}`,
    }
  },
}

const poison: Row = {
  id: 'F05',
  fault: 'a task of `rejectOnWorkerLost` kills its process each time',
  promise: 'gives up after 5 deliveries, FAILURE; the task behind it runs',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 90,
  run: async (stage) => {
    await stage.worker({ args: PREFORK })
    const [id = ''] = await stage.send('faults.die_lost', 1, { args: ['SIGKILL'] })
    const behind = await stage.send('faults.early', 1)
    const state = await finalState(stage, id, 15)
    const runs = stage.ledger.of(id).length
    const { lost } = await stage.ledger.settle(behind, 10)
    return {
      ok: runs <= 5 && state === 'FAILURE' && lost === 0,
      text: `${runs} runs in 15 s at most, then ${state}; the task behind it ${lost === 0 ? 'ran' : 'did not run'}`,
    }
  },
}

const grown: Row = {
  id: 'F06',
  fault: 'each of 12 tasks keeps 40 MB in a pool process that may have 300 MB',
  promise: 'none lost, none repeated; the process is replaced between tasks',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 90,
  run: async (stage) => {
    const limit = ['--max-memory-per-child', String(300 * 1024)]
    const worker = await stage.worker({ args: [...PREFORK, '-c', '1', ...limit] })
    const ids = await stage.send('faults.grow_late', 12, { args: [40] })
    const { lost, repeated } = await stage.ledger.settle(ids, 60)
    const processes = new Set(stage.ledger.executions().map(({ pid }) => pid)).size
    return {
      ok: lost === 0 && repeated === 0 && processes > 1 && worker.running,
      text: `lost ${lost} of 12, repeated ${repeated}, in ${processes} processes`,
    }
  },
}

const frozen: Row = {
  id: 'F10',
  fault:
    'worker frozen (SIGSTOP) in late-acked tasks beyond the visibility timeout (8 s), then woken',
  promise: 'another runs them; the late acks change nothing; one state, SUCCESS',
  brokers: ['redis'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const conf = { broker_transport_options: { visibility_timeout: 8 } }
    const first = await stage.worker({ name: 'w1', conf })
    const ids = await stage.send('faults.late', 2, { args: [8] })
    await stage.ledger.started(ids[1] ?? '')
    await stage.ledger.started(ids[0] ?? '')
    first.signal('SIGSTOP')
    await stage.worker({ name: 'w2', conf })
    await stage.ledger.started(ids[0] ?? '', 2, 60).catch(() => undefined)
    await stage.ledger.started(ids[1] ?? '', 2, 30).catch(() => undefined)
    first.signal('SIGCONT')
    const { lost, repeated } = await stage.ledger.settle(ids, 30)
    const states = await Promise.all(ids.map((id) => finalState(stage, id, 10)))
    return {
      ok: lost === 0 && repeated === 2 && states.every((state) => state === 'SUCCESS'),
      text: `lost ${lost} of 2, repeated ${repeated}, ${states.join(' and ')}`,
    }
  },
}

const stopped: Row = {
  id: 'F08',
  fault: 'SIGTERM while tasks run and more are prefetched',
  promise: 'none lost, none repeated, exit 0; what was prefetched runs elsewhere within 1 s',
  brokers: ['redis', 'amqp'],
  python: true,
  fast: true,
  seconds: 60,
  run: async (stage) => {
    const first = await stage.worker({ name: 'w1' })
    const ids = await stage.send('faults.late', 8, { args: [4] })
    await stage.ledger.started(ids[1] ?? '')
    const second = await stage.worker({ name: 'w2', args: ['-c', '10'] })
    first.signal('SIGTERM')
    const begin = Date.now()
    const all = (): boolean => ids.every((id) => stage.ledger.of(id).length > 0)
    await until(all, { seconds: 30, what: 'the prefetched tasks to start elsewhere' })
    const visible = (Date.now() - begin) / 1000
    const { lost, repeated } = await stage.ledger.settle(ids, 30)
    const code = await first.exited
    return {
      ok: lost === 0 && repeated === 0 && code === 0 && visible <= stage.slack && second.running,
      text: `lost ${lost} of 8, repeated ${repeated}, exit ${code}, started elsewhere after ${visible.toFixed(2)} s`,
    }
  },
}

const stoppedTwice: Row = {
  id: 'F09',
  fault: 'SIGQUIT while late-acked tasks run that take a minute',
  promise: 'ends within 5 s; what ran is handed back and runs elsewhere',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 60,
  run: async (stage) => {
    const first = await stage.worker({ name: 'w1' })
    const ids = await stage.send('faults.late', 2, { args: [60] })
    await stage.ledger.started(ids[1] ?? '')
    const second = await stage.worker({ name: 'w2' })
    const begin = Date.now()
    first.signal('SIGQUIT')
    const code = await first.exited
    const seconds = (Date.now() - begin) / 1000
    const again = (): boolean => ids.every((id) => stage.ledger.of(id).length === 2)
    const back = await until(again, { seconds: 10, what: 'both to start elsewhere' }).catch(
      () => false,
    )
    return {
      ok: seconds <= 5 && back && second.running,
      text: `exit ${code} after ${seconds.toFixed(1)} s; ${back ? 'both run elsewhere' : 'not handed back within 10 s'}`,
    }
  },
}

const stoppedWithoutBroker: Row = {
  id: 'F09b',
  fault: 'SIGTERM while the broker is down',
  promise: 'ends by itself within 10 s',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 60,
  run: async (stage) => {
    const worker = await stage.worker()
    await stage.server.kill()
    await worker.says(/Connection to broker lost|connection to broker lost/, 30)
    const begin = Date.now()
    worker.signal('SIGTERM')
    const over = (): boolean => !worker.running
    await until(over, { seconds: 30, what: 'the worker to end' }).catch(() => false)
    const seconds = (Date.now() - begin) / 1000
    const ended = !worker.running
    return {
      ok: ended && seconds <= 10,
      text: ended ? `ended after ${seconds.toFixed(1)} s` : 'still there after 30 s',
    }
  },
}

/** What became of a task that takes no longer than this; PENDING and the like when nothing did. */
async function finalState(stage: Stage, id: string, seconds: number): Promise<string> {
  const result = stage.app.asyncResult(id)
  await result.get({ timeout: seconds, propagate: false }).catch(() => undefined)
  return await result.state()
}

function told({
  sent,
  lost,
  repeated,
}: {
  readonly sent: number
  readonly lost: number
  readonly repeated: number
}): Finding {
  return {
    ok: lost === 0 && repeated === 0,
    text: `lost ${lost} of ${sent}, repeated ${repeated}`,
  }
}

export const PROCESSES: readonly Row[] = [
  frozenThenKilled,
  killedChild,
  lostChild,
  poison,
  grown,
  stopped,
  stoppedTwice,
  stoppedWithoutBroker,
  frozen,
]
