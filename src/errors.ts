/** What a task may raise and what a caller may catch, under Celery's names. */

import { CeleryError, type CeleryErrorOptions } from '../protocol/errors.ts'

export {
  CeleryError,
  ContentDisallowed,
  DecodeError,
  EncodeError,
  InvalidTaskError,
  LimitExceeded,
  UnknownMessageError,
  type ErrorCode,
} from '../protocol/errors.ts'

/** A setting, a URL or a definition that cannot work. @see celery.exceptions.ImproperlyConfigured */
export class ImproperlyConfigured extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_IMPROPERLY_CONFIGURED', message, options)
  }
}

/** No task of that name here. @see celery.exceptions.NotRegistered */
export class NotRegistered extends CeleryError {
  readonly excModule = 'celery.exceptions'
  readonly args: readonly unknown[]
  constructor(taskName: string) {
    super('ERR_NOT_REGISTERED', taskName)
    this.args = [taskName]
  }
}

/** No queue of that name, and `taskCreateMissingQueues` is off. @see celery.exceptions.QueueNotFound */
export class QueueNotFound extends CeleryError {
  constructor(message: string) {
    super('ERR_QUEUE_NOT_FOUND', message)
  }
}

/** The broker or the backend could not be reached, or broke off. @see kombu.exceptions.OperationalError */
export class OperationalError extends CeleryError {
  override readonly retryable: boolean = true
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_OPERATIONAL', message, options)
  }
}

/** The broker took the message, but no queue wants it. */
export class UnroutableError extends CeleryError {
  readonly exchange: string
  readonly routingKey: string
  constructor(exchange: string, routingKey: string) {
    super(
      'ERR_UNROUTABLE',
      `no queue takes messages of exchange '${exchange}' with routing key '${routingKey}'`,
    )
    this.exchange = exchange
    this.routingKey = routingKey
  }
}

/** The delivery is no longer ours: its connection is gone, or its lease ran out. */
export class LeaseLostError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_LEASE_LOST', message, options)
  }
}

/** A deadline passed. @see celery.exceptions.TimeoutError */
export class TimeoutError extends CeleryError {
  override readonly retryable: boolean = true
  constructor(message = 'The operation timed out.', options?: CeleryErrorOptions) {
    super('ERR_TIMEOUT', message, options)
  }
}

/** A result that is not ready was to be walked through. @see celery.exceptions.IncompleteStream */
export class IncompleteStream extends CeleryError {
  override readonly retryable: boolean = true
  readonly excModule = 'celery.exceptions'
  constructor(id: string) {
    super(
      'ERR_INCOMPLETE_STREAM',
      `result ${id} is not ready: get() it first, or ask for intermediate ones`,
    )
  }
}

/** The results of this app are disabled. */
export class ResultDisabledError extends CeleryError {
  constructor(message: string) {
    super('ERR_RESULT_DISABLED', message)
  }
}

export interface BackendErrorOptions extends CeleryErrorOptions {
  /** False when the backend refused what it was given, and would again. @default true */
  readonly retryable?: boolean
}

/** The backend could not store or read. @see celery.exceptions.BackendStoreError */
export class BackendError extends CeleryError {
  override readonly retryable: boolean
  constructor(message: string, { retryable = true, ...options }: BackendErrorOptions = {}) {
    super('ERR_BACKEND', message, options)
    this.retryable = retryable
  }
}

/** What the other side raised, with its type and traceback. */
export interface RemoteException {
  /** The class's name, such as `ValueError`. */
  readonly type: string
  /** The module of the class, such as `builtins`. */
  readonly module: string | null
  /** The arguments of the exception. */
  readonly args: readonly unknown[]
  /** The text of the traceback. */
  readonly traceback: string | null
}

/** A task that failed: what its worker stored. */
export class TaskError extends CeleryError {
  readonly taskId: string
  readonly excType: string
  readonly excModule: string | null
  readonly args: readonly unknown[]
  readonly traceback: string | null
  constructor(taskId: string, exception: RemoteException) {
    super('ERR_TASK', remoteMessage(exception))
    this.taskId = taskId
    this.excType = exception.type
    this.excModule = exception.module
    this.args = exception.args
    this.traceback = exception.traceback
  }
}

/** A task that was revoked: `revoked`, `terminated` or `expired`. @see celery.exceptions.TaskRevokedError */
export class TaskRevokedError extends CeleryError {
  readonly excModule = 'celery.exceptions'
  readonly reason: string
  constructor(reason: string) {
    super('ERR_TASK_REVOKED', reason)
    this.reason = reason
  }
}

/** Ends this run; the task was sent again. @see celery.exceptions.Retry */
export class Retry extends CeleryError {
  readonly excModule = 'celery.exceptions'
  /** Seconds from now, or the point in time. */
  readonly when: number | Date | undefined
  /** What made it fail. */
  readonly exc: unknown
  constructor(message: string, exc?: unknown, when?: number | Date) {
    super('ERR_RETRY', message, { cause: exc })
    this.exc = exc
    this.when = when
  }
}

/** Ends this run with nothing stored. @see celery.exceptions.Ignore */
export class Ignore extends CeleryError {
  readonly excModule = 'celery.exceptions'
  constructor(message = '') {
    super('ERR_IGNORE', message)
  }
}

/** Ends this run, and refuses the delivery (with `acksLate`). @see celery.exceptions.Reject */
export class Reject extends CeleryError {
  readonly excModule = 'celery.exceptions'
  readonly reason: string
  readonly requeue: boolean
  constructor(reason = '', options: { readonly requeue?: boolean } = {}) {
    super('ERR_REJECT', reason)
    this.reason = reason
    this.requeue = options.requeue ?? false
  }
}

/** @see celery.exceptions.MaxRetriesExceededError */
export class MaxRetriesExceededError extends CeleryError {
  readonly excModule = 'celery.exceptions'
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_MAX_RETRIES_EXCEEDED', message, options)
  }
}

/** The soft time limit passed. @see billiard.exceptions.SoftTimeLimitExceeded */
export class SoftTimeLimitExceeded extends CeleryError {
  readonly excModule = 'billiard.exceptions'
  /** Celery's workers raise it without. */
  readonly args: readonly unknown[] = []
  constructor(seconds?: number) {
    super('ERR_SOFT_TIME_LIMIT_EXCEEDED', `SoftTimeLimitExceeded(${seconds ?? ''})`)
  }
}

/** The hard time limit passed. @see billiard.exceptions.TimeLimitExceeded */
export class TimeLimitExceeded extends CeleryError {
  readonly excModule = 'billiard.exceptions'
  readonly args: readonly unknown[]
  constructor(seconds: number) {
    super('ERR_TIME_LIMIT_EXCEEDED', `TimeLimitExceeded(${seconds},)`)
    this.args = [seconds]
  }
}

/** The process that ran the task is gone. @see billiard.exceptions.WorkerLostError */
export class WorkerLostError extends CeleryError {
  readonly excModule = 'billiard.exceptions'
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_WORKER_LOST', message, options)
  }
}

/** The worker stops: the reason of `self.signal` at a cold shutdown. */
export class WorkerShutdown extends CeleryError {
  readonly excModule = 'celery.exceptions'
  constructor(message = 'the worker shuts down') {
    super('ERR_WORKER_SHUTDOWN', message)
  }
}

/**
 * Of the messages of a canvas some were sent, and one could not be: the cause says why. The tasks that
 * were sent run; a chord whose header was not sent whole fails, so that nobody waits for its body.
 */
export class PartiallySentError extends CeleryError {
  /** The ids of the tasks that were sent. */
  readonly sent: readonly string[]
  /** Those of the others; of one whose confirmation was lost it is not known. */
  readonly unsent: readonly string[]
  constructor(sent: readonly string[], unsent: readonly string[], cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const all = sent.length + unsent.length
    super('ERR_PARTIALLY_SENT', `only ${sent.length} of ${all} messages were sent: ${why}`, {
      cause,
    })
    this.sent = sent
    this.unsent = unsent
  }
}

/** A part of a chord failed. @see celery.exceptions.ChordError */
export class ChordError extends CeleryError {
  readonly excModule = 'celery.exceptions'
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_CHORD', message, options)
  }
}

/** Celery can do it; this backend, broker or release cannot. */
export class NotSupported extends CeleryError {
  constructor(message: string) {
    super('ERR_NOT_SUPPORTED', message)
  }
}

function remoteMessage({ type, args }: RemoteException): string {
  const text = args.map(textOf).join(', ')
  return text === '' ? type : `${type}: ${text}`
}

/** An argument comes from others, and may have a `toString` that is no function. */
function textOf(arg: unknown): string {
  try {
    return String(arg)
  } catch {
    return Object.prototype.toString.call(arg)
  }
}
