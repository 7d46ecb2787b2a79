/** Where the callbacks and the errbacks of a signature go: a group and a chord have none themselves. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { listOf, withLinks } from './call.ts'
import type { PlanEnvironment } from './plan.ts'
import { bodyOf, headerOf, tasksOf } from './primitives.ts'

/**
 * Those of a chord are its body's. A group gives them to its first task, without its result, as no
 * task has the results of all.
 *
 * @see celery 5.6, canvas.py, `_chord.link` and `group.link`
 */
export function withCallbacks(signature: SignatureDict, callbacks: unknown): SignatureDict {
  if (listOf(callbacks).length === 0) return signature
  if (signature.subtask_type === 'chord') {
    return withPart(signature, 'body', withCallbacks(bodyOf(signature), callbacks))
  }
  if (signature.subtask_type !== 'group') return withLinks(signature, 'link', callbacks)
  const alone = listOf(callbacks).map((one) => ({ ...(one as SignatureDict), immutable: true }))
  const [first, ...others] = tasksOf(signature)
  if (first === undefined) return signature
  return withPart(signature, 'tasks', [withCallbacks(first, alone), ...others])
}

/**
 * Those of a group are its tasks'; those of a chord its body's, and its header's when the settings say
 * so. A chord in the header sees to its own.
 *
 * @see celery 5.6, canvas.py, `_chord.link_error` and `group.link_error`
 */
export function withErrbacks(
  signature: SignatureDict,
  errbacks: unknown,
  environment: Pick<PlanEnvironment, 'errbacksOnHeader'>,
): SignatureDict {
  if (listOf(errbacks).length === 0) return signature
  const guard = (task: SignatureDict): SignatureDict => withErrbacks(task, errbacks, environment)
  if (signature.subtask_type === 'group') {
    return withPart(signature, 'tasks', tasksOf(signature).map(guard))
  }
  if (signature.subtask_type !== 'chord') return withLinks(signature, 'link_error', errbacks)
  const header = headerOf(signature)
  const isGuarded = ({ subtask_type: type }: SignatureDict): boolean =>
    environment.errbacksOnHeader === true || type === 'chord'
  const tasks = tasksOf(header).map((task) => (isGuarded(task) ? guard(task) : task))
  const guarded = withPart(signature, 'header', withPart(header, 'tasks', tasks))
  return withPart(guarded, 'body', guard(bodyOf(signature)))
}

/** With another header, body or tasks. */
export function withPart(signature: SignatureDict, name: string, part: unknown): SignatureDict {
  return { ...signature, kwargs: { ...signature.kwargs, [name]: part } }
}
