/** The signatures of the primitives: how a chain, a group and a chord are made, and what they are made of. */

import { CeleryError } from '../../protocol/errors.ts'
import { signature as make, type SignatureDict } from '../../protocol/signature.ts'
import { listOf } from './call.ts'

export function chainOf(tasks: readonly SignatureDict[]): SignatureDict {
  return make('celery.chain', [], { tasks }, { subtask_type: 'chain' })
}

export function groupOf(tasks: readonly SignatureDict[]): SignatureDict {
  return make('celery.group', [], { tasks }, { subtask_type: 'group' })
}

/** The order of its members is Celery's. @see celery 5.6, canvas.py, `_chord.__init__` */
export function chordOf(
  header: SignatureDict | readonly SignatureDict[],
  body: SignatureDict,
): SignatureDict {
  return make('celery.chord', [], { kwargs: {}, header, body }, { subtask_type: 'chord' })
}

/** The tasks of a chain or a group, wherever they stand. */
export function tasksOf(signature: SignatureDict): readonly SignatureDict[] {
  const tasks = signature.kwargs['tasks']
  if (!Array.isArray(tasks)) {
    const type = String(signature.subtask_type)
    throw invalid(`a ${type} signature has its tasks in kwargs.tasks; there are none`)
  }
  return tasks as readonly SignatureDict[]
}

/** A group of one is its task; everything else is itself. @see celery 5.6, canvas.py, `maybe_unroll_group` */
export function unrolled(signature: SignatureDict): SignatureDict {
  if (signature.subtask_type !== 'group') return signature
  const [first, ...more] = tasksOf(signature)
  return first === undefined || more.length > 0 ? signature : first
}

/**
 * The header of a chord as the group that it is: on the wire it is a list, or, once it is frozen, a
 * group. A chain is taken for the list of its tasks.
 *
 * @see celery 5.6, canvas.py, `_maybe_group`
 */
export function headerOf(chord: SignatureDict): SignatureDict {
  const header = chord.kwargs['header']
  if (Array.isArray(header)) return groupOf(header as readonly SignatureDict[])
  if (typeof header !== 'object' || header === null) throw invalid('a chord has no header')
  const only = header as SignatureDict
  if (only.subtask_type === 'group') return only
  return groupOf(only.subtask_type === 'chain' ? tasksOf(only) : [only])
}

export function bodyOf(chord: SignatureDict): SignatureDict {
  const body = chord.kwargs['body']
  if (typeof body !== 'object' || body === null) throw invalid('a chord has no body: give it one')
  return body as SignatureDict
}

/**
 * The tasks that a signature ends with. In the header of a chord each of them is one part: of a group
 * all, of a chain those of its last, of a chord those of its body. What is malformed has none, and no
 * more has a chain that ends in an empty group, in which nothing bears the body: where Celery counts the
 * step before it, its chord waits for ever.
 *
 * @see celery 5.6, canvas.py, `_chord._descend`
 */
export function endsOf(last: SignatureDict): readonly SignatureDict[] {
  const { subtask_type: type } = last
  const { tasks, body } = last.kwargs
  const parts = (Array.isArray(tasks) ? tasks : []) as readonly SignatureDict[]
  if (type === 'group') return parts.flatMap(endsOf)
  if (type === 'chain') return parts.slice(-1).flatMap(endsOf)
  if (type !== 'chord') return [last]
  return typeof body === 'object' && body !== null ? endsOf(body as SignatureDict) : []
}

/** Whether a chord waits for a call, or for the end of its chain. */
export function isPart(chord: unknown, chain: unknown): boolean {
  const [last] = listOf(chain) as readonly SignatureDict[]
  return (last?.options['chord'] ?? chord ?? null) !== null
}

function invalid(message: string): CeleryError {
  return new CeleryError('ERR_INVALID_TASK', message)
}
