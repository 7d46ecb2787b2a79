/** Whether a signature takes the result of the one before: a group and a chord leave it to their tasks. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { withPart } from './links.ts'
import { headerOf, tasksOf } from './primitives.ts'

/**
 * The flag is that of every task of a group, and of the header of a chord but not of its body; any other
 * signature has its own.
 *
 * @see celery 5.6, canvas.py, `set_immutable` of `Signature`, `group` and `_chord`
 */
export function withImmutable(signature: SignatureDict, immutable: boolean): SignatureDict {
  const setAll = (tasks: readonly SignatureDict[]): readonly SignatureDict[] =>
    tasks.map((task) => withImmutable(task, immutable))
  if (signature.subtask_type === 'group') {
    return withPart(signature, 'tasks', setAll(tasksOf(signature)))
  }
  if (signature.subtask_type !== 'chord') return { ...signature, immutable }
  const header = headerOf(signature)
  const tasks = setAll(tasksOf(header))
  const isList = Array.isArray(signature.kwargs['header'])
  return withPart(signature, 'header', isList ? tasks : withPart(header, 'tasks', tasks))
}
