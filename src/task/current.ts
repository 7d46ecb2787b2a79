/** The task that runs now, wherever its code has got to: what it sends becomes its child. */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { ResultTuple } from '../../protocol/result.ts'
import type { TaskContext } from './context.ts'
import type { CallOptions } from './sender.ts'

/** A run, as those that it sends see it. */
export interface RunningTask extends TaskContext {
  /** Notes a result that it made; false when it was noted already. */
  addTrail(result: ResultTuple): boolean
  /** What its children inherit, unless the caller says otherwise. */
  readonly lineage: Pick<CallOptions, 'rootId' | 'parentId' | 'priority'>
}

const storage = new AsyncLocalStorage<RunningTask>()

/** Undefined outside of a run. @see celery 5.6, app/base.py, `current_worker_task` */
export function currentTask(): RunningTask | undefined {
  return storage.getStore()
}

export function runAs<T>(task: RunningTask, body: () => T): T {
  return storage.run(task, body)
}

/** Root, parent and priority as the running task hands them on. @see celery 5.6, app/base.py, `send_task` */
export function inherit(options: CallOptions): CallOptions {
  const parent = currentTask()
  return parent === undefined ? options : { ...parent.lineage, ...options }
}

/** Notes a call among the children of the running task; twice is fine. */
export function noteChild(id: string, options: CallOptions = {}): void {
  if (options.addToParent !== false) currentTask()?.addTrail([[id, null], null])
}
