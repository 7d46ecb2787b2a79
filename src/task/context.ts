/** The running task as its own function sees it: `self`. */

import type { SignatureDict } from '../../protocol/signature.ts'
import type { TaskState } from '../../protocol/states.ts'
import type { Retry } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { Logger } from '../runtime/log.ts'
import type { TaskRequest } from './request.ts'
import type { CallOptions, SignatureLike } from './sender.ts'

/** How to retry; what is not given stays as it came. */
export interface RetryOptions extends Omit<CallOptions, 'taskId' | 'retries'> {
  /** Why: raised in place of MaxRetriesExceededError, and stored as the result of the state RETRY. */
  readonly exc?: unknown
  /** For this run only. @default the task's `maxRetries` */
  readonly maxRetries?: number
  /** Retry with other arguments. */
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** false returns the error instead of throwing it; it must be thrown later. @default true */
  readonly throw?: boolean
}

export interface UpdateStateOptions {
  /** @default the running task's */
  readonly taskId?: string
}

export interface TaskContext {
  /** The task's name. */
  readonly name: string
  /** The message that asked for this run, and how it came. */
  readonly request: TaskRequest
  /**
   * Aborted when the task should end: by a time limit, a revoke with `terminate`, a lost broker, a
   * cold shutdown. `signal.reason` is an error that says which.
   */
  readonly signal: AbortSignal
  readonly log: Logger

  /**
   * Ends this run, and sends the same task again, with the same id. It throws; write
   * `throw self.retry()` so that readers and the compiler see that the run ends there. The message
   * goes out when the error has left the function.
   *
   * @throws Retry
   * @throws MaxRetriesExceededError, or `exc`, when there were enough retries
   * @throws `exc` when the task was called as a function
   * @see celery 5.6, app/task.py, `Task.retry`
   */
  retry(options?: RetryOptions): Retry

  /** Stores a state of your own, such as `PROGRESS`, with its meta. */
  updateState(state: TaskState, meta?: unknown, options?: UpdateStateOptions): Promise<void>

  /**
   * Ends this run, and sends another task in its place, with this one's id, callbacks and chain.
   * Write `return self.replace(…)`: it never comes back.
   *
   * @throws Ignore
   * @see celery 5.6, app/task.py, `Task.replace`
   */
  replace(signature: SignatureLike): Promise<never>

  /**
   * Sends one task more in the header of the chord that this one is a part of: its body waits for that
   * one too, and gets its result beside this one's.
   *
   * @throws Error when this task is no part of a chord, NotSupported when the backend cannot count
   * @see celery 5.6, app/task.py, `Task.add_to_chord`
   */
  addToChord(signature: SignatureLike, options?: { readonly lazy?: false }): Promise<AsyncResult>
  /** The same, but does not send it: send what it gives, `app.signature(…).delay()`, or the body waits forever. */
  addToChord(signature: SignatureLike, options: { readonly lazy: true }): Promise<SignatureDict>
}
