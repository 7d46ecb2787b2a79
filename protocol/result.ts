/** The result meta: what a backend stores of a task, and how it stands on the wire. */

import type { TaskState } from './states.ts'

/** An exception as three strings and arguments. Member order is the order on the wire. */
export interface ExceptionDict {
  readonly exc_type: string
  readonly exc_message: readonly unknown[] | string
  readonly exc_module: string | null
}

/** `[[id, parent], null]` for a task, `[[id, parent], children]` for a group. @see celery.result, `as_tuple` */
export type ResultTuple = readonly [
  readonly [id: string, parent: ResultTuple | null],
  readonly ResultTuple[] | null,
]

/** The members that only `result_extended` stores. */
export interface ExtendedMeta {
  readonly name: string | null
  readonly args: readonly unknown[] | null
  readonly kwargs: Readonly<Record<string, unknown>> | null
  readonly worker: string | null
  readonly retries: number | null
  readonly queue: string | null
}

export interface ResultMeta {
  readonly taskId: string
  readonly status: TaskState
  /** The return value; an {@link ExceptionDict} in the exception states; the user's meta in a custom state. */
  readonly result: unknown
  readonly traceback: string | null
  /** The tasks that this one sent; null when it is not known. */
  readonly children: readonly ResultTuple[] | null
  /** When it became ready, ISO 8601 as on the wire (Celery 5.2: naive UTC); null before. */
  readonly dateDone: string | null
  readonly groupId?: string
  readonly parentId?: string
  readonly extended?: ExtendedMeta
  readonly stamps?: Readonly<Record<string, unknown>>
}
