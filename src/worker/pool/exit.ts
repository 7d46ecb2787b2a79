/** How a child ended, and what is said of it. */

import { WorkerLostError } from '../../errors.ts'
import type { Job } from './pool.ts'

/** How a child ended. */
export interface Exit {
  /** In billiard's words: `signal 9 (SIGKILL)`, `exitcode 1`. @see billiard, common.py, `human_status` */
  readonly status: string
  /** Why, when that is known. */
  readonly error?: unknown
}

export function reasonOf({ status, error }: Exit): string {
  return error instanceof Error ? `${status}: ${error.message}` : status
}

/** @see billiard, pool.py, `mark_as_worker_lost` */
export function lost(job: Job, { status, error }: Exit): WorkerLostError {
  const message = `Worker exited prematurely: ${status} Job: ${job.id}.`
  return new WorkerLostError(message, error === undefined ? {} : { cause: error })
}
