/** What becomes of the body of a chord that cannot run: it fails, with all that it is made of. */

import { encodeException, formatTraceback } from '../../protocol/python/exception.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import type { ChordPart } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { FAILURE } from '../../protocol/states.ts'
import { listOf, textOption } from '../canvas/call.ts'
import type { PlannedResult } from '../canvas/plan.ts'
import { freeze } from '../canvas/planner.ts'
import { bodyOf, endsOf, tasksOf } from '../canvas/primitives.ts'
import type { ChordError } from '../errors.ts'
import { environmentOf } from './dispatch.ts'
import { callErrbacksOf } from './errbacks.ts'
import type { TaskHost } from './host.ts'
import { preciseNow } from './meta.ts'

/** Told of each task that the signature would have ended with. */
type OnEnd = (end: SignatureDict, ended: Omit<ChordPart, 'taskId'>) => Promise<void>

/**
 * Calls the errbacks, then stores the failure for each task of the body, and of the chain behind it: they
 * were never sent, so that there is nothing to revoke, as Celery does. A body that is a group fails with the
 * error of the header itself.
 *
 * @see celery 5.6, backends/base.py, `chord_error_from_stack`
 */
export async function failUnsent(
  host: TaskHost,
  body: SignatureDict,
  error: ChordError,
  onEnd: OnEnd,
): Promise<void> {
  const { signature, result } = freeze(body, environmentOf(host))
  const raised = signature.subtask_type === 'group' ? (error.cause ?? error) : error
  for (const { id, errbacks } of guardedBy(signature)) {
    if (errbacks.length > 0)
      await callErrbacksOf(host, { id, task: signature.task }, errbacks, raised)
  }
  const ended = { state: FAILURE, result: encodeException(raised) }
  const rest = listOf(signature.options['chain']) as readonly SignatureDict[]
  const ids = [
    ...idsOf(result),
    ...rest.flatMap(({ options }) => textOption(options, 'task_id') ?? []),
  ]
  await storeFailure(host, ids, ended.result, formatTraceback(raised))
  for (const end of [signature, ...rest].flatMap(endsOf)) await onEnd(end, ended)
}

async function storeFailure(
  host: TaskHost,
  ids: readonly string[],
  result: unknown,
  traceback: string,
): Promise<void> {
  const dateDone = isoformat(preciseNow())
  const meta = { status: FAILURE, result, traceback, children: [], dateDone }
  await Promise.all(ids.map((taskId) => host.backend.store({ ...meta, taskId })))
}

/** The task itself, the members of a group, and what would have run before it. */
function idsOf(result: PlannedResult): readonly string[] {
  const before = result.parent === null ? [] : idsOf(result.parent)
  return [...before, ...(result.members ?? []).flatMap(idsOf), result.id]
}

interface Guarded {
  readonly id: string
  readonly errbacks: readonly SignatureDict[]
}

/** Who is told, once each: of a chain those of the task that would have run first. */
function guardedBy(signature: SignatureDict): readonly Guarded[] {
  const { subtask_type: type, options } = signature
  const own = listOf(options['link_error']) as readonly SignatureDict[]
  if (type === 'chord') return guardedBy(bodyOf(signature)).map((each) => joined(each, own))
  if (type === 'group')
    return tasksOf(signature)
      .flatMap(guardedBy)
      .map((each) => joined(each, own))
  const id = textOption(options, 'task_id') ?? ''
  const first = type === 'chain' ? tasksOf(signature).slice(0, 1).flatMap(guardedBy) : []
  return [{ id, errbacks: [...own, ...first.flatMap(({ errbacks }) => errbacks)] }]
}

function joined({ id, errbacks }: Guarded, more: readonly SignatureDict[]): Guarded {
  return { id, errbacks: [...errbacks, ...more] }
}
