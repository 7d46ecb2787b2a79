/** What the children of a pool are told: which app to load, and how the worker was set up. */

import { camelCase } from '../../conf/settings.ts'
import { ImproperlyConfigured } from '../../errors.ts'
import { isEnabled, type Logger } from '../../runtime/log.ts'
import type { WorkerHost } from '../host.ts'
import type { ChildPoolOptions } from './child-pool.ts'
import type { Setup } from './ipc.ts'
import { planLaunch } from './launch.ts'
import { isChild } from './mark.ts'
import { OrphanGuard } from './orphan-guard.ts'
import { startProcess } from './prefork.ts'
import { startThread } from './threads.ts'

/** The options of a worker that are about `prefork` and `threads`, whose children load the app themselves. */
export interface ChildrenOptions {
  /**
   * The module that exports the app: `import.meta.url`, or a path as `-A` takes it. It must not start a
   * worker when it is loaded. Needed by `prefork` and `threads`.
   */
  readonly app?: string | URL
  /** Children also import what `imports` and `include` name, as those of the command do. @default false */
  readonly importModules?: boolean
  /** Tasks after which a child is replaced; 0 is no limit. @default workerMaxTasksPerChild */
  readonly maxTasksPerChild?: number
  /**
   * KiB after which a child is replaced, once its task is done: of a process what the system counts for
   * it, of a thread its heap. 0 is no limit. @default workerMaxMemoryPerChild
   */
  readonly maxMemoryPerChild?: number
  /** Seconds until a task is told to end, when neither it nor its message says. @default taskSoftTimeLimit */
  readonly softTimeLimit?: number
  /** Seconds until a task is ended. @default taskTimeLimit */
  readonly timeLimit?: number
}

/** The worker that the children are of. */
export interface ChildrenContext {
  readonly host: Pick<WorkerHost, 'conf' | 'configured'>
  readonly options: ChildrenOptions
  readonly hostname: string
  readonly log: Logger
  /** No child comes up any more. */
  readonly onFailed: (error: Error) => void
}

type Implementation = ChildPoolOptions['implementation']

/**
 * Seconds for a child to be ready when the settings do not say. Celery's 4 are for a fork, which has the
 * app already; ours loads it, through tsx maybe, while others do the same.
 */
const START_TIMEOUT = 60

/** @throws ImproperlyConfigured when nobody says which app they are to load */
export function childPoolOptions(
  implementation: Implementation,
  size: number,
  context: ChildrenContext,
): ChildPoolOptions {
  const { host, options, log, onFailed } = context
  const { conf } = host
  const app = appOf(implementation, options.app)
  const cwd = process.cwd()
  const isTold = host.configured().includes('worker_proc_alive_timeout')
  const maxMemoryPerChild = (options.maxMemoryPerChild ?? conf.workerMaxMemoryPerChild) || null
  return {
    implementation,
    size,
    launcher: () => {
      refuseInChild()
      warnOfMemory(context)
      const launch = planLaunch(app, cwd)
      return implementation === 'prefork' ? startProcess(launch) : startThread(launch)
    },
    ...(implementation === 'prefork' ? { onPids: new OrphanGuard().watch } : {}),
    setup: setupOf(implementation, { app, cwd, wantsMemory: maxMemoryPerChild !== null }, context),
    log,
    maxTasksPerChild: (options.maxTasksPerChild ?? conf.workerMaxTasksPerChild) || null,
    maxMemoryPerChild,
    startTimeout: isTold ? conf.workerProcAliveTimeout : START_TIMEOUT,
    timeouts: [
      options.softTimeLimit ?? conf.taskSoftTimeLimit ?? 0,
      options.timeLimit ?? conf.taskTimeLimit ?? 0,
    ],
    onFailed,
  }
}

function appOf(pool: string, app: string | URL | undefined): string {
  if (app !== undefined) return String(app)
  throw new ImproperlyConfigured(
    `the pool '${pool}' runs tasks in children that load the app themselves: name its module with -A, ` +
      'or in the options of app.worker() as app: import.meta.url, or app: a path as -A takes it',
  )
}

function refuseInChild(): void {
  if (!isChild()) return
  throw new ImproperlyConfigured(
    "the app's module starts a worker when it is loaded, and this is a child of that worker: start it " +
      'in another module, or only where process.argv[1] is this file',
  )
}

/** What is kept inside of a process is not seen by the next. */
function warnOfMemory({ host, log }: ChildrenContext): void {
  const { resultBackend, brokerWriteUrl } = host.conf
  const isMemory = (url: unknown): boolean => String(url).startsWith('memory:')
  if (isMemory(resultBackend)) {
    log.warning('resultBackend is memory://: what a child stores there, nobody else can read')
  }
  if (isMemory(brokerWriteUrl)) {
    log.warning('brokerUrl is memory://: what a task in a child sends, no worker receives')
  }
}

/** The settings are read when a child starts: they may be changed until then. */
function setupOf(
  implementation: Implementation,
  facts: Pick<Setup, 'app' | 'cwd' | 'wantsMemory'>,
  { host, options, hostname, log }: ChildrenContext,
): (number: number) => Setup {
  return (number) => ({
    ...facts,
    settings: plainSettings(host),
    importModules: options.importModules ?? false,
    hostname,
    ...(implementation === 'prefork' ? { processName: `ForkPoolWorker-${number}` } : {}),
    wantsRepr: isEnabled(log, 'info'),
  })
}

/** What is plain data can cross; functions and schedules the child has from its module. */
function plainSettings(host: ChildrenContext['host']): Setup['settings'] {
  const values = host.conf as unknown as Readonly<Record<string, unknown>>
  const names = host.configured().map(camelCase)
  return Object.fromEntries(
    names.map((name) => [name, values[name]]).filter(([, value]) => isPlain(value)),
  )
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) {
    return typeof value !== 'function' && typeof value !== 'symbol'
  }
  if (Array.isArray(value)) return value.every(isPlain)
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlain)
}
