/** The measurements as tables: the median of the rounds, and how celeriac compares. */

import { median, percentile, type Drain } from './measure.ts'
import type { Publishes, Trips } from './rounds.ts'
import type { Kind } from './stage.ts'
import { WORKFLOWS, type Language, type Run, type Sizes } from './workflows.ts'

export type Drains = Readonly<Record<Kind, readonly Drain[]>>

const WORKERS: readonly (readonly [Kind, string])[] = [
  ['celeriac', 'celeriac, one process, `-c 100`'],
  ['celeriac2', 'celeriac, one process, `-c 2`'],
  ['bare', 'bare loop, one process'],
  ['python', 'Python Celery, prefork, `-c 2`'],
]

export function drainTable(drains: Drains): string {
  const of = (kind: Kind, field: keyof Drain): number => median(drains[kind].map((d) => d[field]))
  const ours = of('celeriac', 'rate')
  const rows = WORKERS.map(([kind, name]) => [
    name,
    whole(of(kind, 'rate')),
    times(ours / of(kind, 'rate')),
    whole(of(kind, 'cpu')),
    whole(of(kind, 'memory')),
  ])
  return table(['worker', 'tasks/s', 'celeriac is', 'CPU µs a task', 'peak MiB'], rows)
}

const PUBLISHERS: readonly (readonly [keyof Publishes, string, keyof Publishes])[] = [
  ['celeriacOne', 'celeriac, one at a time', 'celeriacOne'],
  ['bareOne', 'bare client, one at a time', 'celeriacOne'],
  ['pythonOne', 'Python Celery, one at a time', 'celeriacOne'],
  ['celeriacMany', 'celeriac, 100 at a time', 'celeriacMany'],
  ['bareMany', 'bare client, 100 at a time', 'celeriacMany'],
]

export function publishTable(rounds: readonly Publishes[]): string {
  const of = (key: keyof Publishes): number => median(rounds.map((round) => round[key]))
  const rows = PUBLISHERS.map(([key, name, ours]) => [
    name,
    whole(of(key)),
    times(of(ours) / of(key)),
  ])
  return table(['publisher', 'calls/s', 'celeriac is'], rows)
}

const TRAVELLERS: readonly (readonly [keyof Trips, string])[] = [
  ['celeriac', 'celeriac, both'],
  ['bare', 'bare client and bare loop'],
  ['python', 'Python Celery, both'],
]

/** Faster is more: here the others' time is divided by ours. */
export function tripTable(rounds: readonly Trips[]): string {
  const of = (key: keyof Trips, p: number): number =>
    median(rounds.map((round) => percentile(round[key], p)))
  const rows = TRAVELLERS.map(([key, name]) => [
    name,
    of(key, 50).toFixed(2),
    of(key, 99).toFixed(2),
    times(of(key, 50) / of('celeriac', 50)),
  ])
  return table(['client and worker', 'median ms', '99 % ms', 'celeriac is'], rows)
}

const PAIRS: readonly (readonly [client: Language, worker: Language])[] = [
  ['celeriac', 'celeriac'],
  ['celeriac', 'python'],
  ['python', 'celeriac'],
  ['python', 'python'],
]

/** As with round trips: the others' time divided by ours. */
export function workflowTable(runs: readonly Run[], sizes: Sizes): string {
  const rows = WORKFLOWS.flatMap((workflow) => {
    const of = (client: Language, worker: Language): number => {
      const those = runs
        .filter((run) => run.workflow === workflow && run.client === client)
        .filter((run) => run.worker === worker)
      return median(those.map(({ seconds }) => seconds ?? Number.POSITIVE_INFINITY))
    }
    const ours = of('celeriac', 'celeriac')
    return PAIRS.map(([client, worker]) => [
      `${workflow} of ${sizes[workflow].toLocaleString('en')}: ${client}, ${worker}`,
      Number.isFinite(of(client, worker)) ? of(client, worker).toFixed(2) : 'not in 60 s',
      Number.isFinite(of(client, worker)) ? times(of(client, worker) / ours) : '',
    ])
  })
  return table(['workflow: client, worker', 'seconds', 'celeriac is'], rows)
}

/** The two numbers that matter most, in one line. */
export function summary(drains: Drains): string {
  const of = (kind: Kind): number => median(drains[kind].map(({ rate }) => rate))
  const [ours, bare, python] = [of('celeriac'), of('bare'), of('python')]
  return `celeriac drains ${times(ours / bare)} as fast as the bare loop, and ${times(ours / python)} as fast as Python's two processes`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map(line).join('\n')
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function times(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ×`
}
