/** F21 and F39: a long backlog, and tasks that wait for their eta by the hundred thousand. */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Process } from '../../test/support/process.ts'
import { until } from '../../test/support/until.ts'
import type { Execution } from '../ledger.ts'
import { watchMemory } from '../memory.ts'
import type { Finding, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

/** How many sends wait for their confirmation at a time. */
const AT_A_TIME = 1000
/** How many a second a worker puts aside at least. */
const TAKEN = 700
/** Seconds after which a killed worker's deliveries are handed out again. */
const BACK = { redis: 60, amqp: 5 }
/** How many tasks with an eta a worker has run when it has its usual size. */
const WARM_UP = 20_000
const CONF = { task_ignore_result: true }

/** How many runs have come to their end: cheaper than to ask the ledger which. */
function ended({ ledger }: Stage): number {
  return readFileSync(ledger.path, 'utf8').split('\nend ').length - 1
}

/** A worker that has done the same with some, and the most memory that took, in MB. */
async function warmWorker(stage: Stage): Promise<readonly [worker: Process, most: number]> {
  const worker = await stage.worker({ name: 'w1', conf: CONF })
  const memory = watchMemory(worker.pid)
  for (let n = 0; n < WARM_UP; n += AT_A_TIME) {
    await stage.send('faults.early', AT_A_TIME, { countdown: 10 })
  }
  const done = (): boolean => ended(stage) >= WARM_UP
  await until(done, { seconds: 120, what: 'the warm-up' })
  return [worker, memory.most()]
}

interface Load {
  readonly tasks: number
  /** Seconds between the first and the last eta. */
  readonly span: number
}

/** Sends them all; the first is due when a worker that is killed at the end of this has been replaced. */
async function sendLater(
  stage: Stage,
  { tasks, span }: Load,
): Promise<ReadonlyMap<string, number>> {
  const first = Date.now() + (tasks / TAKEN + BACK[stage.broker] + 10) * 1000
  const etas = new Map<string, number>()
  for (let n = 0; n < tasks; n += 1) {
    // Neither first in, first due, nor the other way round.
    etas.set(`eta${n}`, Math.floor(first + (((n * 7919) % tasks) / tasks) * span * 1000))
  }
  const entries = [...etas]
  for (let n = 0; n < tasks; n += AT_A_TIME) {
    await Promise.all(
      entries
        .slice(n, n + AT_A_TIME)
        .map(([id, eta]) =>
          stage.app.sendTask('faults.early', [id], { taskId: id, eta: new Date(eta) }),
        ),
    )
  }
  if (Date.now() > first - BACK[stage.broker] * 1000) throw new Error('the sender is too slow')
  return etas
}

/** Waits until all have run, or no more come. */
async function allRan(stage: Stage, etas: ReadonlyMap<string, number>): Promise<void> {
  await sleep(Math.max(0, Math.max(...etas.values()) - Date.now()))
  let [seen, idle] = [0, 0]
  while (seen < WARM_UP + etas.size && idle < BACK[stage.broker] + 10) {
    await sleep(1000)
    const now = ended(stage)
    idle = now === seen ? idle + 1 : 0
    seen = now
  }
}

interface Punctuality {
  readonly early: number
  readonly lost: number
  /** Ran more than twice. */
  readonly often: number
  readonly repeated: number
  /** Seconds that 99 of 100 were late at most. */
  readonly p99: number
}

function punctuality(
  executions: readonly Execution[],
  etas: ReadonlyMap<string, number>,
): Punctuality {
  const runs = new Map<string, number>()
  const late: number[] = []
  let early = 0
  for (const { id, start } of executions) {
    const eta = etas.get(id)
    if (eta === undefined) continue
    runs.set(id, (runs.get(id) ?? 0) + 1)
    late.push((start - eta) / 1000)
    if (start < eta) early += 1
  }
  late.sort((a, b) => a - b)
  const counts = [...runs.values()]
  return {
    early,
    lost: etas.size - runs.size,
    often: counts.filter((count) => count > 2).length,
    repeated: counts.filter((count) => count > 1).length,
    p99: late[Math.floor(late.length * 0.99)] ?? Infinity,
  }
}

async function manyEtas(stage: Stage, load: Load): Promise<Finding> {
  const [first, usual] = await warmWorker(stage)
  const filling = watchMemory(first.pid)
  const etas = await sendLater(stage, load)
  const filled = filling.most()
  await first.kill()
  const second = await stage.worker({ name: 'w2', conf: CONF })
  const running = watchMemory(second.pid)
  await allRan(stage, etas)
  const growth = Math.max(filled, running.most()) - usual
  const { early, lost, often, repeated, p99 } = punctuality(stage.ledger.executions(), etas)
  return {
    ok: early === 0 && lost === 0 && often === 0 && p99 <= 2 && growth <= 20,
    text:
      `early ${early}, lost ${lost} of ${etas.size}, repeated ${repeated}, late by ` +
      `${p99.toFixed(2)} s at most (p99), memory + ${growth.toFixed(0)} MB`,
  }
}

const atScale: Row = {
  id: 'F39',
  fault: '100,000 tasks wait for etas within three minutes, worker killed (`kill -9`) meanwhile',
  promise:
    'none early, none lost, each repeated once at most; p99 2 s late; memory + 20 MB over 20,000 tasks',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 900,
  run: (stage) => manyEtas(stage, { tasks: 100_000, span: 180 }),
}

const backlog: Row = {
  id: 'F21',
  fault: 'a backlog of 1,000,000 messages, one task a second, prefetch count 10',
  promise: 'memory + 64 MB at most',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 1800,
  run: async (stage) => {
    const conf = { ...CONF, worker_prefetch_multiplier: 10 }
    const worker = await stage.worker({ conf, args: ['-c', '1'] })
    await stage.ledger.settle(await stage.send('faults.early', 100), 30)
    const usual = watchMemory(worker.pid).most()
    const memory = watchMemory(worker.pid)
    for (let n = 0; n < 1_000_000; n += AT_A_TIME) {
      await stage.send('faults.early', AT_A_TIME, { args: [1] })
    }
    const before = ended(stage)
    await until(() => ended(stage) >= before + 30, { seconds: 120, what: '30 more runs' })
    const growth = memory.most() - usual
    return {
      ok: worker.running && growth <= 64,
      text: `memory + ${growth.toFixed(0)} MB`,
    }
  },
}

export const ETA: readonly Row[] = [backlog, atScale]
