/** The benchmark: celeriac beside Python's Celery and a bare loop, on the same servers, in one run, by turns. */

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { stopServices } from '../test/support/services.ts'
import type { Drain } from './measure.ts'
import { drainOnce, publishOnce, tripsOnce, type Publishes, type Trips } from './rounds.ts'
import { openStages, PYTHON, type Kind, type Stage, type Stages } from './stage.ts'
import {
  drainTable,
  publishTable,
  summary,
  tripTable,
  workflowTable,
  type Drains,
} from './tables.ts'
import { workflowsOnce, type Run } from './workflows.ts'

const TASKS = Number(process.env['BENCH_TASKS'] ?? 20_000)
const PUBLISHES = Number(process.env['BENCH_PUBLISHES'] ?? 3_000)
const TRIPS = Number(process.env['BENCH_TRIPS'] ?? 300)
const SIZES = {
  chord: Number(process.env['BENCH_CHORD'] ?? 10_000),
  chain: Number(process.env['BENCH_CHAIN'] ?? 1_000),
}
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3)
const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const KINDS: readonly Kind[] = ['celeriac', 'python', 'bare', 'celeriac2']

try {
  const { stages, versions, close } = await openStages()
  const sections = [machine(versions)]
  for (const stage of stages) sections.push(await section(stage))
  close()
  report(sections.join('\n\n'))
} finally {
  await stopServices()
}

async function section(stage: Stage): Promise<string> {
  const name = stage.broker === 'redis' ? 'Redis' : 'RabbitMQ, results in Redis'
  const drains = await measureDrains(stage)
  const publishes: Publishes[] = []
  const trips: Trips[] = []
  const workflows: Run[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    progress(name, 'publishes', publishes[publishes.push(await publishOnce(stage, PUBLISHES)) - 1])
    trips.push(await tripsOnce(stage, TRIPS))
    workflows.push(...(await workflowsOnce(stage, SIZES)))
    progress(name, 'workflows', workflows.slice(-8))
  }
  return [
    `### ${name}`,
    `${summary(drains)}.`,
    `${TASKS.toLocaleString('en')} stored tasks, drained:`,
    drainTable(drains),
    'Calls, published:',
    publishTable(publishes),
    'Round trips, from the call to its result:',
    tripTable(trips),
    'Workflows, from the first message to the last result:',
    workflowTable(workflows, SIZES),
  ].join('\n\n')
}

/** Each round begins with another, so that nobody has the quiet moments for himself. */
async function measureDrains(stage: Stage): Promise<Drains> {
  const drains: Record<Kind, Drain[]> = { celeriac: [], celeriac2: [], bare: [], python: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < KINDS.length; turn += 1) {
      const kind = KINDS[(round + turn) % KINDS.length]
      if (kind === undefined) continue
      const drained = await drainOnce(stage, kind, TASKS)
      drains[kind].push(drained)
      progress(stage.broker, kind, drained)
    }
  }
  return drains
}

function progress(...what: readonly unknown[]): void {
  console.error(...what)
}

function machine({ redis, rabbitmq }: Stages['versions']): string {
  const celery = execFileSync(PYTHON, ['-m', 'celery', '--version'], { encoding: 'utf8' })
  const python = execFileSync(PYTHON, ['--version'], { encoding: 'utf8' })
  const [load = 0] = loadavg()
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? '?'}), ${Math.round(totalmem() / 2 ** 30)} GiB,`,
    `shared by the clients, the workers and the servers; load ${load.toFixed(1)} before the run.`,
    `Node ${process.versions.node}, ${python.trim()}, Celery ${celery.trim().split(' ')[0]},`,
    `Redis ${redis}, RabbitMQ ${rabbitmq}. ${ROUNDS === 1 ? 'One round' : `Medians of ${ROUNDS} rounds`}.`,
  ].join(' ')
}

/** Prints the tables; with `--write`, puts them into docs/performance.md too. */
function report(text: string): void {
  console.log(text)
  if (!process.argv.includes('--write')) return
  const [head, tail] = readFileSync(PAGE, 'utf8').split(/<!-- bench -->[^]*<!-- \/bench -->/)
  writeFileSync(PAGE, `${head}<!-- bench -->\n\n${text}\n\n<!-- /bench -->${tail}`)
}
