/** `celeriac worker`: runs tasks until it is told to stop. */

import type { Command } from 'commander'
import type { Celery } from '../../app/celery.ts'
import { importModules } from '../../app/load.ts'
import { LOG_LEVELS, type LogLevel } from '../../runtime/log.ts'
import { defaultNodename, hostFormat } from '../../runtime/nodename.ts'
import { autoscaleRange, type AutoscaleRange } from '../../worker/autoscale.ts'
import { POOL_NAMES } from '../../worker/pool/open.ts'
import { celerydInit } from '../../worker/signals.ts'
import { Worker, type WorkerOptions } from '../../worker/worker.ts'
import {
  addFlag,
  addOption,
  choice,
  commaSeparated,
  EX_FAILURE,
  EX_OK,
  float,
  integer,
  anything,
  type Action,
  type Reader,
} from '../command.ts'
import { cry } from '../cry.ts'
import { watchEscapes } from '../escapes.ts'
import { banner, paint, type BannerFacts, type QueueLine } from '../output.ts'
import { isSupervised, restart } from '../restart.ts'
import { Shutdown } from '../shutdown.ts'

export interface WorkerCommandOptions {
  readonly hostname?: string
  readonly loglevel?: LogLevel
  readonly prefetchMultiplier?: number
  readonly concurrency?: number
  readonly disablePrefetch?: boolean
  readonly autoscale?: AutoscaleRange
  readonly statedb?: string
  readonly pool?: string
  readonly maxTasksPerChild?: number
  readonly maxMemoryPerChild?: number
  readonly timeLimit?: number
  readonly softTimeLimit?: number
  readonly queues?: readonly string[]
  readonly excludeQueues?: readonly string[]
  readonly include?: readonly string[]
  readonly taskEvents?: boolean
}

/** @see celery 5.6, bin/worker.py */
export function defineWorker(command: Command): void {
  command.description('Start worker instance.').usage('[OPTIONS]')
  addOption(command, '-n, --hostname <text>', "Set custom hostname (e.g., 'w1@%h').", anything)
  addOption(command, '-l, --loglevel <level>', 'Logging level.', logLevel)
  addOption(command, '-O, --optimization <profile>', FAIR, choice(['default', 'fair']))
  addOption(
    command,
    '--prefetch-multiplier <prefetch multiplier>',
    'Set custom prefetch multiplier value for this worker instance.',
    integer,
  )
  addOption(
    command,
    '-c, --concurrency <concurrency>',
    'Number of tasks processed at a time. The default is the number of CPUs.',
    integer,
  )
  addFlag(command, '--disable-prefetch', 'Fetch only what can run at once (Redis brokers only).')
  addOption(command, '--autoscale <max,min>', AUTOSCALE, autoscale)
  addOption(command, '-S, --statedb <path>', 'File that revoked tasks are kept in.', anything)
  addOption(command, '-P, --pool <pool>', 'Pool implementation.', choice(POOL_NAMES))
  addOption(
    command,
    '--max-tasks-per-child <integer>',
    'Tasks that a child of the pool runs before it is replaced.',
    integer,
  )
  addOption(
    command,
    '--max-memory-per-child <integer>',
    'KiB of memory that a child may have taken before it is replaced.',
    integer,
  )
  addOption(command, '--time-limit <float>', 'Hard time limit (in seconds) for tasks.', float)
  addOption(command, '--soft-time-limit <float>', 'Soft time limit (in seconds) for tasks.', float)
  addOption(command, '-Q, --queues <comma separated list>', 'Consume these only.', commaSeparated)
  addOption(
    command,
    '-X, --exclude-queues <comma separated list>',
    'Consume all but these.',
    commaSeparated,
  )
  addOption(
    command,
    '-I, --include <comma separated list>',
    'Modules to import, which define tasks.',
    commaSeparated,
  )
  addFlag(command, '-E, --task-events', IGNORED)
  for (const name of ['gossip', 'mingle', 'heartbeat']) {
    addFlag(command, `--without-${name}`, IGNORED)
  }
}

const AUTOSCALE = 'Grow and shrink the pool: the most and the least tasks at a time.'

const FAIR =
  'Accepted: a child always gets a task only when it has finished its last, as with fair.'

/** This worker sends no events and hears no others, so that there is nothing to leave out. */
const IGNORED = 'Accepted for the sake of scripts; has no effect.'

/** The app's own logger, unless it brings one, takes its level from there. */
export function prepareWorker({ loglevel = 'warning' }: WorkerCommandOptions): void {
  process.env['CELERY_LOG_LEVEL'] = loglevel
}

export const runWorker: Action<WorkerCommandOptions> = async (
  { app, appName, cwd, output },
  options,
) => {
  if (options.include !== undefined) app.conf.include = [...app.conf.include, ...options.include]
  await importModules(app)
  await announceInit(app, options)
  const worker = new Worker(app, { ...workerOptions(options), ...childrenOf(appName, options) })
  if (!output.quiet) output.echo(paint(banner(factsOf(app, worker, options)), 'cyan', output.color))
  if (options.taskEvents === true) app.log.warning('-E has no effect: this release sends no events')
  const shutdown = new Shutdown({
    worker,
    say: (line) => output.echo(`\n${line}`),
    exit: (code) => process.exit(code),
    remapSigterm: process.env['REMAP_SIGTERM'],
    commandLine: process.stdout.isTTY ? undefined : process.argv.slice(1).join(' '),
    cry: () => cry(worker, Date.now()),
    onError: (error) => app.log.critical(`Unrecoverable error: ${String(error)}`),
  })
  const forget = [shutdown.install(), watchEscapes(app.log, () => shutdown.fail())]
  let exitcode: number
  try {
    exitcode = await runUntilClosed(app, worker, shutdown)
  } finally {
    for (const undo of forget) undo()
  }
  if (exitcode !== EX_OK || !shutdown.restarts || isSupervised()) return exitcode
  await app.close()
  return restart(cwd)
}

async function announceInit(app: Celery, options: WorkerCommandOptions): Promise<void> {
  if (!celerydInit.active) return
  const hostname = hostFormat(defaultNodename(options.hostname))
  const given: Readonly<Record<string, unknown>> = { ...options }
  await celerydInit.send(hostname, { hostname, conf: app.conf, options: given }, app.log)
}

async function runUntilClosed(app: Celery, worker: Worker, shutdown: Shutdown): Promise<number> {
  try {
    await worker.start()
  } catch (error) {
    app.log.critical(`Unrecoverable error: ${(error as Error).message}`)
    return EX_FAILURE
  }
  const failure = await worker.closed
  return failure === undefined ? shutdown.exitcode : EX_FAILURE
}

function workerOptions(options: WorkerCommandOptions): WorkerOptions {
  const { hostname, queues, excludeQueues, concurrency, pool } = options
  const { prefetchMultiplier, disablePrefetch, timeLimit, softTimeLimit, autoscale } = options
  const plan = { hostname, queues, excludeQueues, concurrency, pool, prefetchMultiplier }
  const more = { disablePrefetch, autoscale, stateDb: options.statedb }
  return present({ ...plan, ...more, timeLimit, softTimeLimit })
}

/** Where the children of the pool find the app, and when they are replaced. */
function childrenOf(
  app: string | undefined,
  { maxTasksPerChild, maxMemoryPerChild }: WorkerCommandOptions,
): WorkerOptions {
  return present({ app, importModules: true, maxTasksPerChild, maxMemoryPerChild })
}

function factsOf(app: Celery, worker: Worker, { loglevel }: WorkerCommandOptions): BannerFacts {
  const names = app.tasks.names()
  const lists = { debug: names, info: names.filter((name) => !name.startsWith('celery.')) }
  const { name: pool, concurrency: size } = worker.plan
  const { autoscale: range } = worker
  const concurrency = range === undefined ? String(size) : `{min=${range[1]}, max=${range[0]}}`
  return {
    hostname: worker.hostname,
    // Python shows where in memory the app is; ours has an id of its own.
    app: `${app.main}:0x${app.oid.replaceAll('-', '').slice(0, 12)}`,
    transport: worker.broker,
    results: app.backend.address,
    concurrency: `${concurrency} (${pool})`,
    queues: worker.queues.map(queueLine).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    tasks: loglevel === 'debug' || loglevel === 'info' ? lists[loglevel] : undefined,
    now: new Date(),
  }
}

function queueLine({ name, bindings: [binding] }: Worker['queues'][number]): QueueLine {
  const { exchange, routingKey = '' } = binding ?? {}
  return { name, exchange: exchange?.name ?? '', type: exchange?.type ?? 'direct', routingKey }
}

/** In either order, one alone is the most. @see celery 5.6, bin/worker.py, `Autoscale` */
const autoscale: Reader<AutoscaleRange> = (value) => {
  const parts = value.split(',')
  if (parts.length > 2) {
    throw new Error(
      `Expected two comma separated integers or one integer. Got ${parts.length} instead.`,
    )
  }
  const [one = 0, other = 0] = parts.map(integer)
  return autoscaleRange(Math.max(one, other), Math.min(one, other))
}

/** `FATAL` is Python's other name for the highest. */
const logLevel: Reader<LogLevel> = (value) => {
  const name = value.toUpperCase()
  choice([...LOG_LEVELS.map((level) => level.toUpperCase()), 'FATAL'])(name)
  return name === 'FATAL' ? 'critical' : (name.toLowerCase() as LogLevel)
}

/** Without the members that were not given. */
function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
