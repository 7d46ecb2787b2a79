/** What results ask of their app. */

import type { ResultBackend } from './backend.ts'

/** @see celery 5.6, app/control.py, `Control.revoke` */
export interface RevokeOptions {
  /** Also end the task when it runs. @default false */
  readonly terminate?: boolean
  /** The signal that ends its process. @default 'SIGTERM' */
  readonly signal?: string
  /** Wait for the workers to answer. @default false */
  readonly wait?: boolean
  /** Seconds to wait for them. @default 1 */
  readonly timeout?: number
}

/** What a task is stamped with: a value, or some of which one is enough. */
export type StampedHeaders = Readonly<Record<string, unknown>>

/** What the app gives to its results. */
export interface ResultSource {
  readonly backend: ResultBackend
  /** One broadcast for one task, or for many. */
  readonly revoke?:
    ((taskId: string | readonly string[], options: RevokeOptions) => Promise<void>) | undefined
  readonly revokeByStampedHeaders?:
    ((headers: StampedHeaders, options: RevokeOptions) => Promise<void>) | undefined
}
