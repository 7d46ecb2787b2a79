/** Errbacks: called here, or sent, when a task has failed. */

import type { ResultTuple } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { groupOf } from '../canvas/primitives.ts'
import { oneLine } from '../runtime/log.ts'
import { bindArguments } from './binding.ts'
import { startSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import { newId } from './id.ts'
import { localRequest } from './local-request.ts'
import type { TaskDefinition } from './registry.ts'
import type { TaskRequest } from './request.ts'

/** The task that failed, and what its errbacks inherit. */
export interface Failed {
  readonly request: TaskRequest
  /** Options under their wire names. */
  readonly lineage: Readonly<Record<string, unknown>>
  readonly error: unknown
  /** Null when it never ran. */
  readonly traceback: string | null
}

/**
 * A function of ours that takes more than one argument is called here, with the request, the error and
 * the traceback; any other is sent, with the id of the failed task.
 *
 * @returns the group that was sent
 *
 * @see celery 5.6, backends/base.py, `_call_task_errbacks`
 */
export async function callErrbacks(
  host: TaskHost,
  errbacks: readonly SignatureDict[],
  failed: Failed,
): Promise<readonly ResultTuple[]> {
  const sent: SignatureDict[] = []
  for (const errback of errbacks) {
    const task = host.tasks.get(errback.task)
    if (task === undefined || !isCalledInline(task)) sent.push(errback)
    else await callInline(host, task, errback, failed)
  }
  if (sent.length === 0) return []
  const { request, lineage } = failed
  const options = { ...lineage, task_id: newId() }
  return [await startSignature(host, groupOf(sent), { args: [request.id], options })]
}

/** The same for a task that was never sent. @see celery 5.6, backends/base.py, `_create_fake_task_request` */
export async function callErrbacksOf(
  host: TaskHost,
  { id, task }: { readonly id: string; readonly task: string },
  errbacks: readonly SignatureDict[],
  error: unknown,
): Promise<readonly ResultTuple[]> {
  const request = localRequest({ id, task, args: [], kwargs: {} })
  const lineage = { root_id: id, parent_id: id }
  return callErrbacks(host, errbacks, { request, lineage, error, traceback: null })
}

function isCalledInline({ arity, options, takesRequest }: TaskDefinition): boolean {
  return !options.bind && takesRequest !== true && arity.max > 1
}

/** What it throws is logged: the task that failed has failed already. */
async function callInline(
  host: TaskHost,
  task: TaskDefinition,
  { args, kwargs, immutable }: SignatureDict,
  { request, error, traceback }: Failed,
): Promise<void> {
  try {
    const given = immutable ? args : [request, error, traceback, ...args]
    const bound = bindArguments(task, given, kwargs)
    await (task.run as (...args: readonly unknown[]) => unknown)(...bound)
  } catch (raised) {
    const text = raised instanceof Error ? (raised.stack ?? raised.message) : String(raised)
    const label = oneLine(`${request.task}[${request.id}]`)
    host.log.error(`Errback ${task.name} of ${label} raised: ${text}`)
  }
}
