/** The one error family: a `CeleryError` has a stable `code`, and says whether trying again can help. */

export type ErrorCode =
  // the codec
  | 'ERR_DECODE'
  | 'ERR_ENCODE'
  | 'ERR_CONTENT_DISALLOWED'
  | 'ERR_LIMIT_EXCEEDED'
  | 'ERR_INVALID_TASK'
  | 'ERR_UNKNOWN_MESSAGE'
  // configuration
  | 'ERR_IMPROPERLY_CONFIGURED'
  | 'ERR_NOT_REGISTERED'
  | 'ERR_QUEUE_NOT_FOUND'
  // the network
  | 'ERR_OPERATIONAL'
  | 'ERR_UNROUTABLE'
  | 'ERR_PARTIALLY_SENT'
  | 'ERR_LEASE_LOST'
  | 'ERR_TIMEOUT'
  | 'ERR_ABORTED'
  // results
  | 'ERR_TASK'
  | 'ERR_TASK_REVOKED'
  | 'ERR_RESULT_DISABLED'
  | 'ERR_INCOMPLETE_STREAM'
  | 'ERR_BACKEND'
  // control flow of a task
  | 'ERR_RETRY'
  | 'ERR_IGNORE'
  | 'ERR_REJECT'
  | 'ERR_MAX_RETRIES_EXCEEDED'
  | 'ERR_SOFT_TIME_LIMIT_EXCEEDED'
  | 'ERR_TIME_LIMIT_EXCEEDED'
  | 'ERR_WORKER_LOST'
  | 'ERR_WORKER_SHUTDOWN'
  | 'ERR_CHORD'
  | 'ERR_NOT_SUPPORTED'

export interface CeleryErrorOptions {
  readonly cause?: unknown
}

/** The root of every error that celeriac makes. */
export class CeleryError extends Error {
  readonly code: ErrorCode
  /** Whether the same call may succeed when it is tried again. */
  readonly retryable: boolean = false

  constructor(code: ErrorCode, message: string, options?: CeleryErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}

/** A body, a header or an envelope that cannot be read. @see kombu.exceptions.DecodeError */
export class DecodeError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_DECODE', message, options)
  }
}

/** A value that the serializer cannot write. @see kombu.exceptions.EncodeError */
export class EncodeError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_ENCODE', message, options)
  }
}

/** A content type that this process does not accept. @see kombu.exceptions.ContentDisallowed */
export class ContentDisallowed extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_CONTENT_DISALLOWED', message, options)
  }
}

/** More than a limit of ours allows: bytes, depth, ratio. */
export class LimitExceeded extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_LIMIT_EXCEEDED', message, options)
  }
}

/** What is known of the message that was refused; never its payload. */
export interface InvalidTaskFacts extends CeleryErrorOptions {
  /** The header or the part of the body that is wrong, such as `timelimit`. */
  readonly field?: string
  /** The task that it names, when that much could be read. */
  readonly task?: string | null
  readonly id?: string | null
}

/** A message that names a task but is not a valid call of one. @see celery.exceptions.InvalidTaskError */
export class InvalidTaskError extends CeleryError {
  readonly field: string | null
  readonly task: string | null
  /** With it the worker can store a FAILURE, so that nobody waits in vain. */
  readonly id: string | null

  constructor(message: string, facts: InvalidTaskFacts = {}) {
    super('ERR_INVALID_TASK', message, facts)
    this.field = facts.field ?? null
    this.task = facts.task ?? null
    this.id = facts.id ?? null
  }
}

/** A message that names no task at all. @see celery 5.6, worker/consumer/consumer.py, `on_unknown_message` */
export class UnknownMessageError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('ERR_UNKNOWN_MESSAGE', message, options)
  }
}
