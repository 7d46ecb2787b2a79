/**
 * What a pool and its children say to each other; all of it can be cloned structurally.
 *
 *     pool   setup ▶ child   loads the app
 *            ◀ up, or failed with the reason, and ends
 *            job ▶           runs it; the next one comes when this one is over
 *            ◀ outcome, or error when its runner broke
 *            abort ▶         aborts the signal of the job that runs
 *            ◀ dying         an error that nobody caught: it ends by itself now
 *            end ▶           closes the app, and ends
 */

import {
  ContentDisallowed,
  DecodeError,
  ImproperlyConfigured,
  InvalidTaskError,
  LeaseLostError,
  LimitExceeded,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  WorkerShutdown,
} from '../../errors.ts'

/** What a child must know before its first job. */
export interface Setup {
  /** The module of the app, as `-A` takes it. */
  readonly app: string
  /** Where its path begins. */
  readonly cwd: string
  /** By their name in camelCase; those of the parent, which may differ from what the module says. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Whether it reads `CELERY_CONFIG_MODULE`, and imports what `imports` and `include` name. */
  readonly importModules: boolean
  /** The node name, `celery@host`. */
  readonly hostname: string
  /** `ForkPoolWorker-1`, for log lines and the list of processes; undefined in a thread. */
  readonly processName?: string
  /** Whether anybody reads the repr of results. */
  readonly wantsRepr: boolean
  /** Whether it tells how much memory it has after a job. */
  readonly wantsMemory: boolean
}

/** The member is named so that it is told from messages of the user's own. */
export type ToChild =
  | { readonly celeriac: 'setup'; readonly setup: Setup }
  | { readonly celeriac: 'job'; readonly wire: unknown }
  | { readonly celeriac: 'abort'; readonly reason: PlainError }
  | { readonly celeriac: 'end' }

export type FromChild =
  | { readonly celeriac: 'up' }
  | { readonly celeriac: 'failed'; readonly error: PlainError }
  | { readonly celeriac: 'outcome'; readonly outcome: unknown; readonly memory: number }
  | { readonly celeriac: 'error'; readonly error: PlainError; readonly memory: number }
  | { readonly celeriac: 'dying'; readonly error: PlainError }

/** Whether a message is one of ours: tasks may send their own over the same channel. */
export function isOurs(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'celeriac' in message
}

/** An error as it crosses. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
  readonly args: readonly unknown[]
}

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) {
    const message = String(error)
    return { name: 'Error', message, stack: undefined, code: undefined, args: [message] }
  }
  const { name, message, stack } = error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const args =
    'args' in error && Array.isArray(error.args) ? error.args.filter(isScalar) : [message]
  return { name, message, stack, code, args }
}

function isScalar(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

type Rebuild = (message: string, args: readonly unknown[]) => Error

/** The classes that tasks and the worker tell apart; by code, so that no name from outside is looked up. */
const REBUILDS: ReadonlyMap<string | undefined, Rebuild> = new Map<string, Rebuild>([
  ['ERR_SOFT_TIME_LIMIT_EXCEEDED', (message) => softLimit(message)],
  ['ERR_TIME_LIMIT_EXCEEDED', (_, [seconds]) => new TimeLimitExceeded(Number(seconds))],
  ['ERR_TASK_REVOKED', (message) => new TaskRevokedError(message)],
  ['ERR_WORKER_SHUTDOWN', (message) => new WorkerShutdown(message)],
  ['ERR_WORKER_LOST', (message) => new WorkerLostError(message)],
  ['ERR_LEASE_LOST', (message) => new LeaseLostError(message)],
  ['ERR_IMPROPERLY_CONFIGURED', (message) => new ImproperlyConfigured(message)],
  ['ERR_DECODE', (message) => new DecodeError(message)],
  ['ERR_CONTENT_DISALLOWED', (message) => new ContentDisallowed(message)],
  ['ERR_INVALID_TASK', (message) => new InvalidTaskError(message)],
  ['ERR_LIMIT_EXCEEDED', (message) => new LimitExceeded(message)],
])

/** Its seconds stand in its message alone. */
function softLimit(message: string): SoftTimeLimitExceeded {
  const [seconds] = /\d+(\.\d+)?/.exec(message) ?? []
  return seconds === undefined
    ? new SoftTimeLimitExceeded()
    : new SoftTimeLimitExceeded(Number(seconds))
}

/** The same class again where it is one of ours; else an `Error` with the same name, message and stack. */
export function fromPlain({ name, message, stack, code, args }: PlainError): Error {
  const rebuild = REBUILDS.get(code)
  const error = rebuild === undefined ? new Error(message) : rebuild(message, args)
  if (rebuild === undefined) error.name = name
  if (stack !== undefined) error.stack = stack
  return error
}
