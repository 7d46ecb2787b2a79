/** What the tracer tells those who listen, in this process, about each run. */

import type { TaskState } from '../../protocol/states.ts'
import type { Retry } from '../errors.ts'
import { Signal } from '../runtime/signal.ts'
import type { TaskContext } from './context.ts'
import type { TaskRequest } from './request.ts'

/** The sender of each is the task's name. */
export interface TaskEvent {
  readonly taskId: string
  /** The task's name. */
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly request: TaskRequest
  /** The running task: its `self`. */
  readonly context: TaskContext
}

/** Before the body. */
export const taskPrerun: Signal<TaskEvent> = new Signal('taskPrerun')

/** After everything else; `retval` is the error when there was one. */
export const taskPostrun: Signal<
  TaskEvent & { readonly retval: unknown; readonly state: TaskState }
> = new Signal('taskPostrun')

/** When the result is stored. */
export const taskSuccess: Signal<TaskEvent & { readonly result: unknown }> = new Signal(
  'taskSuccess',
)

/** When the failure is stored. */
export const taskFailure: Signal<
  TaskEvent & { readonly exception: unknown; readonly traceback: string }
> = new Signal('taskFailure')

/** When the retry is sent. */
export const taskRetry: Signal<TaskEvent & { readonly reason: Retry; readonly traceback: string }> =
  new Signal('taskRetry')

/** When a run could not be completed: its result or what follows could not be sent. */
export const taskInternalError: Signal<
  TaskEvent & { readonly exception: unknown; readonly traceback: string }
> = new Signal('taskInternalError')

/** What each of them tells of a run. */
export function eventOf(context: TaskContext): TaskEvent {
  const { request } = context
  const { id, args, kwargs } = request
  return { taskId: id, task: context.name, args, kwargs, request, context }
}
