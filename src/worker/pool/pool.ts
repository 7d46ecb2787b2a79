/** The port to a pool: run a job, so many at a time; grow, shrink, stop. */

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
}

/** Runs a job to its end; the outcome is plain data too. Must not reject. */
export type Runner<Outcome> = (job: Job, signal: AbortSignal) => Promise<Outcome>

export interface PoolInfo {
  /** What `inspect stats` shows as the implementation. */
  readonly implementation: string
  readonly maxConcurrency: number
  readonly processes: readonly number[]
}

export interface Pool<Outcome> extends Service {
  /** How many jobs may run at the same time. */
  readonly size: number
  /** How many run now. */
  readonly running: number
  /**
   * Runs a job as soon as a slot is free, in the order of submission. `onAccepted` is called just
   * before it runs. Resolves with undefined when the pool stopped before the job could start.
   */
  submit(job: Job, onAccepted: (pid: number) => void): Promise<Outcome | undefined>
  grow(n: number): void
  shrink(n: number): void
  /** Aborts the signal of one running job, or of all. */
  abort(reason: Error, jobId?: string): void
  info(): PoolInfo
}
