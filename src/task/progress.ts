/** Stores how far a task is: STARTED, RETRY. What is missing there is no reason not to go on. */

import type { TaskState } from '../../protocol/states.ts'
import { BackendError } from '../errors.ts'
import { oneLine } from '../runtime/log.ts'
import type { Run } from './run.ts'

/** Does not reject for what the backend does not take: Celery loses a task that it cannot call STARTED. */
export async function storeProgress(
  run: Run,
  state: TaskState,
  result: unknown,
  traceback: string | null,
  children: Run['children'] = run.children,
): Promise<void> {
  try {
    await run.store(state, result, traceback, run.request.id, children)
  } catch (error) {
    if (!(error instanceof BackendError)) throw error
    const label = oneLine(`${run.name}[${run.request.id}]`)
    run.log.error(`Couldn't store ${state} of task ${label}: ${oneLine(error.message)}`)
  }
}
