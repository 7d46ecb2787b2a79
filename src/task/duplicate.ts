/** Whether a redelivered task succeeded before: then it is not run again, with `workerDeduplicateSuccessfulTasks`. */

import { SUCCESS } from '../../protocol/states.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { BackendError } from '../errors.ts'
import { oneLine } from '../runtime/log.ts'
import { returnChordPart, sendSuccessors } from './callbacks.ts'
import type { TaskHost } from './host.ts'
import type { Run } from './run.ts'

/** As many as Celery keeps. @see celery 5.6, worker/state.py, `SUCCESSFUL_MAX` and `SUCCESSFUL_EXPIRES` */
const MAX_IDS = 1000
const EXPIRES_MS = 10_800_000

/** The ids that succeeded in this process, the oldest first, with the time when they did. */
const successful = new WeakMap<TaskHost, Map<string, number>>()

function isGuarded({ host, task, request }: Run): boolean {
  const { conf } = host
  return conf.workerDeduplicateSuccessfulTasks && task.options.acksLate && !request.isEager
}

/** Asked only when the broker says that it is a redelivery. */
export function isSuspect(run: Run): boolean {
  return run.request.deliveryInfo.redelivered && isGuarded(run)
}

/**
 * What follows the task is sent again when the stored result has no children: then the worker that stored it
 * died in between. It may have died before its part of a chord was counted, which is counted once anyway.
 *
 * @see celery main, app/trace.py; 5.6.2 loses what follows
 */
export async function isDuplicate(run: Run): Promise<boolean> {
  if (!run.backend.capabilities.persistent) return false
  if (succeededHere(run)) return true
  const meta = await known(run)
  if (meta?.status !== SUCCESS) return false
  if ((meta.children ?? []).length === 0) await sendSuccessors(run, meta.result)
  await returnChordPart(run, SUCCESS, meta.result)
  return true
}

/** Undefined where the backend does not say: then the task runs. @see celery 5.6, app/trace.py, `BackendGetMetaError` */
async function known(run: Run): Promise<ResultMeta | undefined> {
  try {
    return await run.backend.fetch(run.request.id)
  } catch (error) {
    if (!(error instanceof BackendError)) throw error
    run.log.warning(`Cannot tell whether a redelivered task succeeded: ${oneLine(error.message)}`)
    return undefined
  }
}

function succeededHere({ host, request }: Run): boolean {
  const at = successful.get(host)?.get(request.id)
  return at !== undefined && performance.now() - at < EXPIRES_MS
}

export function rememberSuccess(run: Run): void {
  if (!isGuarded(run)) return
  const ids = successful.get(run.host) ?? new Map<string, number>()
  successful.set(run.host, ids)
  ids.delete(run.request.id)
  ids.set(run.request.id, performance.now())
  const [oldest] = ids.keys()
  if (ids.size > MAX_IDS && oldest !== undefined) ids.delete(oldest)
}
