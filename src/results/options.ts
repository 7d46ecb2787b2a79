/** How one waits for results. */

import type { ResultMeta } from '../../protocol/result.ts'
import type { Seconds } from '../runtime/duration.ts'

export interface GetOptions {
  /** Seconds until `get()` rejects with TimeoutError; the tasks go on. @default undefined: no limit, nor is 0 */
  readonly timeout?: Seconds | undefined
  /** Rejects as soon as it aborts; the tasks go on. */
  readonly signal?: AbortSignal | undefined
  /** Reject when a task failed; false resolves with the error in the place of its result. @default true */
  readonly propagate?: boolean | undefined
  /** Called with every meta that is heard while waiting, such as PROGRESS; what it throws rejects the `get()`. */
  readonly onMessage?: ((meta: ResultMeta) => void) | undefined
  /** Called with the id and the result of each that is ready; what it throws rejects the `get()`. */
  readonly callback?: ((id: string, value: unknown) => void) | undefined
  /** Reject as soon as a task that ran before failed. @default true */
  readonly followParents?: boolean | undefined
  /**
   * Taken for Celery's sake, and without effect: there, waiting inside a task blocks a process of the
   * pool and may lock up the worker; here a task that waits holds one of `concurrency` places.
   */
  readonly disableSyncSubtasks?: boolean | undefined
}

export interface UpdatesOptions {
  readonly signal?: AbortSignal | undefined
}

export interface MaybeThrowOptions {
  /** Reject when it failed. @default true */
  readonly propagate?: boolean | undefined
  /** Called with the id and what is known as the result. */
  readonly callback?: ((id: string, value: unknown) => void) | undefined
}

export interface DependencyOptions {
  /** Also tell of what is not ready, in place of rejecting with IncompleteStream. @default false */
  readonly intermediate?: boolean | undefined
}
