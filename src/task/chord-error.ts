/** What becomes of the body of a chord that cannot run: it fails, with all that it is made of. */

import { encodeException, exceptionRepr, formatTraceback } from '../../protocol/python/exception.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import { repr } from '../../protocol/python/repr.ts'
import type { ChordPart, ResultTuple } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { FAILURE } from '../../protocol/states.ts'
import { listOf, textOption } from '../canvas/call.ts'
import type { PlannedResult } from '../canvas/plan.ts'
import { freeze } from '../canvas/planner.ts'
import { bodyOf, endsOf, tasksOf } from '../canvas/primitives.ts'
import type { ChordError } from '../errors.ts'
import { oneLine } from '../runtime/log.ts'
import { environmentOf } from './dispatch.ts'
import { callErrbacksOf } from './errbacks.ts'
import type { TaskHost } from './host.ts'
import { preciseNow } from './meta.ts'
import type { Keep } from './patience.ts'

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
  keep: Keep,
): Promise<void> {
  const { signature, result } = freeze(body, environmentOf(host))
  const raised = signature.subtask_type === 'group' ? (error.cause ?? error) : error
  const children = new Map<string, readonly ResultTuple[]>()
  for (const guarded of guardedBy(signature)) {
    children.set(guarded.id, await tell(host, signature, guarded, raised))
  }
  const ended = { state: FAILURE, result: encodeException(raised) }
  const rest = listOf(signature.options['chain']) as readonly SignatureDict[]
  const ids = [
    ...idsOf(result),
    ...rest.flatMap(({ options }) => textOption(options, 'task_id') ?? []),
  ]
  const dateDone = isoformat(preciseNow())
  const meta = {
    status: FAILURE,
    result: ended.result,
    traceback: formatTraceback(raised),
    dateDone,
  }
  const store = (taskId: string): Promise<void> =>
    host.backend.store({ ...meta, taskId, children: children.get(taskId) ?? [] })
  await Promise.all(ids.map((id) => keep(FAILURE, () => store(id))))
  for (const end of [signature, ...rest].flatMap(endsOf)) await onEnd(end, ended)
}

/**
 * Gives what was sent, which becomes the children of the task that failed. Its failure is stored in any
 * case, other than in Celery, where it is the failure of the errback: the task would not know its own.
 */
async function tell(
  host: TaskHost,
  { task }: SignatureDict,
  { id, errbacks }: Guarded,
  error: unknown,
): Promise<readonly ResultTuple[]> {
  if (errbacks.length === 0) return []
  try {
    return await callErrbacksOf(host, { id, task }, errbacks, error)
  } catch (unsent) {
    const label = oneLine(`${task}[${id}]`)
    const reason = oneLine(exceptionRepr(unsent))
    host.log.error(`The errbacks of ${label} could not be sent: ${reason}`)
    return []
  }
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

/**
 * Who is told, once each: of a chain those of the task that would have run first. What is itself a part of
 * a chord leaves its errbacks to that chord, which fails in turn, when it has them, too: Celery links the
 * errbacks of a chord to each chord in its header.
 *
 * @see celery 5.6, canvas.py, `_chord.link_error`
 */
function guardedBy(signature: SignatureDict): readonly Guarded[] {
  const { subtask_type: type, options } = signature
  const own = errbacksOf(signature)
  if (type === 'chord') return guardedBy(bodyOf(signature)).map((each) => joined(each, own))
  if (type === 'group')
    return tasksOf(signature)
      .flatMap(guardedBy)
      .map((each) => joined(each, own))
  const id = textOption(options, 'task_id') ?? ''
  const first = type === 'chain' ? tasksOf(signature).slice(0, 1).flatMap(guardedBy) : []
  const errbacks = [...own, ...first.flatMap((each) => each.errbacks)]
  const outer = new Set(errbacksOf(options['chord']).map(textOf))
  return [{ id, errbacks: errbacks.filter((errback) => !outer.has(textOf(errback))) }]
}

function errbacksOf(signature: unknown): readonly SignatureDict[] {
  if (typeof signature !== 'object' || signature === null) return []
  const { options } = signature as Partial<SignatureDict>
  return listOf(options?.['link_error']) as readonly SignatureDict[]
}

/** The same text for the same signature. */
function textOf({ task, args, kwargs, options, immutable }: SignatureDict): string {
  return repr([task, args, kwargs, options, immutable])
}

function joined({ id, errbacks }: Guarded, more: readonly SignatureDict[]): Guarded {
  return { id, errbacks: [...errbacks, ...more] }
}
