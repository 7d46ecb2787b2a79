/** What simulated workers are given to do: tasks with every way to end, and how each history draws them. */

import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { Celery } from '../../src/app/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { Ignore, Reject } from '../../src/errors.ts'
import { SILENT } from '../../src/runtime/log.ts'
import type { TaskContext } from '../../src/task/context.ts'
import type { TaskOptions } from '../../src/task/options.ts'
import type { CallOptions } from '../../src/task/sender.ts'
import type { Random } from './random.ts'

/** How the task ends when nobody disturbs it. */
export type Ending =
  'success' | 'failure' | 'retry' | 'giveUp' | 'reject' | 'requeueOnce' | 'ignore'

export interface TaskSpec {
  readonly id: string
  /** One of {@link KINDS}. */
  readonly task: KindName
  readonly ending: Ending
  /** How often it retries before it ends. */
  readonly retries: number
  /** Seconds between two tries. */
  readonly backoff: number
  /** Milliseconds that the body waits, one after the other. */
  readonly pauses: readonly number[]
  /** Whether the body ends when its signal aborts. */
  readonly heedful: boolean
  readonly options: CallOptions
  /** What is sent when it has succeeded. */
  readonly next?: TaskSpec
}

/** What a kind of task promises. */
export interface Kind {
  readonly options: TaskOptions
  readonly late: boolean
  readonly stores: boolean
  /** Something of the world is waited for between its acceptance and its first line. */
  readonly slowStart: boolean
}

const NO_RETRY_LIMIT = { bind: true, maxRetries: 10 } as const

export const KINDS = {
  'sim.early': kind({}),
  'sim.tracked': kind({ trackStarted: true }),
  'sim.late': kind({ acksLate: true }),
  'sim.lateTracked': kind({ acksLate: true, trackStarted: true }),
  'sim.lateStrict': kind({ acksLate: true, acksOnFailureOrTimeout: false }),
  'sim.lateIgnored': kind({ acksLate: true, ignoreResult: true }),
  'sim.lateLimited': kind({ acksLate: true, rateLimit: '2/s' }),
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof KINDS

function kind(options: TaskOptions): Kind {
  return {
    options,
    late: options.acksLate === true,
    stores: options.ignoreResult !== true,
    slowStart: options.trackStarted === true,
  }
}

/** What a body asks of the history that it runs in. */
export interface Stage {
  spec(id: string): TaskSpec
  started(self: TaskContext, spec: TaskSpec): void
  /** How often it was started, this time included. */
  starts(spec: TaskSpec): number
  ended(spec: TaskSpec, how: 'value' | 'error' | 'retry' | 'reject' | 'ignore'): void
  pause(ms: number, goOn: () => void): void
}

let stage: Stage | undefined

export function enter(next: Stage | undefined): void {
  stage = next
}

async function body(self: TaskContext, id: string): Promise<string> {
  const here = stage
  if (here === undefined) throw new Error('no history is under way')
  const spec = here.spec(id)
  here.started(self, spec)
  for (const ms of spec.pauses) await pause(here, ms, spec.heedful ? self.signal : undefined)
  return end(here, self, spec)
}

function end(here: Stage, self: TaskContext, spec: TaskSpec): string {
  const { ending, retries, backoff } = spec
  const again = self.request.retries < retries
  if ((ending === 'retry' || ending === 'giveUp') && again) {
    here.ended(spec, 'retry')
    throw self.retry({ countdown: backoff, maxRetries: retries })
  }
  if (ending === 'reject' || (ending === 'requeueOnce' && here.starts(spec) === 1)) {
    here.ended(spec, 'reject')
    throw new Reject('as it was told', { requeue: ending === 'requeueOnce' })
  }
  if (ending === 'ignore') {
    here.ended(spec, 'ignore')
    throw new Ignore()
  }
  const fails = ending === 'failure' || ending === 'giveUp'
  here.ended(spec, fails ? 'error' : 'value')
  if (fails) throw new Error('as it was told')
  return `done ${spec.id}`
}

function pause(here: Stage, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    here.pause(ms, resolve)
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

const SETTINGS: readonly SettingsInput[] = [
  { workerEnableRemoteControl: false },
  { workerEnableRemoteControl: false, workerDeduplicateSuccessfulTasks: true },
  { workerEnableRemoteControl: false, workerCancelLongRunningTasksOnConnectionLoss: true },
  { workerEnableRemoteControl: true },
  { workerEnableRemoteControl: false, workerEtaHoldLimit: 1 },
  { workerEnableRemoteControl: false, workerSoftShutdownTimeout: 1 },
]

/** Made once: an app takes longer to make than a history to run. */
const apps = SETTINGS.map((settings) => {
  const app = new Celery('simulation', settings, { logger: SILENT, env: {} })
  for (const [name, { options }] of Object.entries(KINDS)) {
    app.task(name, { ...options, ...NO_RETRY_LIMIT }, body)
  }
  return app
})

export function drawApp(random: Random): Celery {
  return random.pick(apps)
}

const ENDINGS: readonly Ending[] = [
  'success',
  'success',
  'success',
  'failure',
  'retry',
  'giveUp',
  'reject',
  'requeueOnce',
  'ignore',
]

export function drawTask(random: Random, n: number): TaskSpec {
  const ending = random.pick(ENDINGS)
  const task = random.pick(Object.keys(KINDS) as KindName[])
  return {
    id: `task-${n}`,
    task,
    ending,
    retries: ending === 'retry' || ending === 'giveUp' ? random.between(1, 2) : 0,
    backoff: random.pick([0, 0.5]),
    pauses: random.pick([[], [], [5], [20, 300], [2500]]),
    heedful: random.chance(0.5),
    options: drawOptions(random, task),
    ...(ending === 'success' && random.chance(0.2) ? { next: drawTask(random, n * 10) } : {}),
  }
}

/** With all that follow it. */
export function withNext(spec: TaskSpec): readonly TaskSpec[] {
  return spec.next === undefined ? [spec] : [spec, ...withNext(spec.next)]
}

/** What follows a task, as its message carries it. */
export function linkOf(spec: TaskSpec): SignatureDict {
  const link = spec.next === undefined ? {} : { link: [linkOf(spec.next)] }
  const options = { task_id: spec.id, ...link }
  return signature(spec.task, [spec.id], {}, { options, immutable: true })
}

/** What is given back when it ran too long comes again, and runs too long again: for ever, as in Celery. */
function drawOptions(random: Random, task: KindName): CallOptions {
  const endless = task === 'sim.lateStrict'
  return {
    ...(random.chance(0.25) ? { countdown: random.pick([0.01, 0.5, 2, 7]) } : {}),
    ...(random.chance(0.15) ? { expires: random.pick([0.01, 0.4, 3, 60]) } : {}),
    ...(random.chance(0.1) ? { softTimeLimit: random.pick([0.01, 1]) } : {}),
    ...(!endless && random.chance(0.1) ? { timeLimit: random.pick([0.05, 1.5]) } : {}),
  }
}
