/** The port to a pool: run a job, so many at a time; grow, shrink, stop. */

import type { SignalSource } from '../../runtime/cancellation.ts'
import type { Service } from '../../runtime/service.ts'

/**
 * One run of a task as plain data, so that it can cross to another process or thread. In this process
 * the pool hands it to the runner that it was made with; a child has a runner of its own.
 */
export interface Job {
  readonly id: string
  readonly task: string
  /** The rest is the runner's business. */
  readonly payload: unknown
  /** What crosses to another process in its place, made only when it must; may be cloned structurally. */
  readonly wire: () => unknown
}

/** Runs a job to its end; the outcome is plain data too. */
export type Runner<Outcome> = (job: Job, source: SignalSource) => Promise<Outcome>

/** What the pool tells of one job: accepted, then one of outcome and error; or dropped. Must not throw. */
export interface JobHandler<Outcome> {
  /** Asked just before it runs, with the id of its process; false lets it go, and nothing more is told. */
  onAccepted(pid: number): boolean
  onOutcome(outcome: Outcome): void
  /**
   * Nothing is known of the job's end: the runner broke, its process is gone (WorkerLostError), or it
   * was killed: then with the error that `kill` was given.
   */
  onError(error: unknown): void
  /** It did not start and will not: the pool was flushed or stopped. */
  onDropped(): void
}

export interface PoolInfo {
  /** What `inspect stats` shows as the implementation. */
  readonly implementation: string
  readonly maxConcurrency: number
  /** The ids of its processes, its own when it has no others. */
  readonly processes: readonly number[]
  /** What one of the kind adds, under the names that Celery's has. */
  readonly more?: Readonly<Record<string, unknown>>
}

export interface Pool<Outcome> extends Service {
  /** How many jobs may run at the same time. */
  readonly size: number
  /** How many run now. */
  readonly running: number
  /** How many wait for a free slot. */
  readonly waiting: number
  /** Runs a job as soon as a slot is free, in the order of submission; maybe at once. */
  submit(job: Job, handler: JobHandler<Outcome>): void
  /** Drops the jobs that wait; those that run go on. @see celery 5.6, concurrency/base.py, `flush` */
  flush(): void
  grow(n: number): void
  /** Never below 1; jobs that run go on. */
  shrink(n: number): void
  /** Replaces its processes or threads, each when its job is done; absent where it has none. */
  restart?(): void
  /** Aborts the signal of one running job, or of all. */
  abort(reason: Error, jobId?: string): void
  /**
   * Ends the process or thread that a job runs in, at once; the job's handler hears `reason` through
   * `onError`. Returns false where a job has no process of its own to end: then only `abort` is left.
   */
  kill(reason: Error, jobId: string): boolean
  info(): PoolInfo
}
