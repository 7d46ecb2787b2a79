/** Where we differ from Celery on purpose, each with its reason; Python peers are right with either. */

import { isPlainObject, type PlainObject } from '../../protocol/plain.ts'
import { endsOf } from '../../src/canvas/primitives.ts'
import type { SignatureDict } from '../../protocol/signature.ts'

/** What is compared; `all` is a whole step. */
export type Kind = 'pipe' | 'stamps' | 'frozen' | 'calls' | 'sizes' | 'result' | 'all'

export interface Where {
  readonly release: string
  readonly name: string
  readonly signature: SignatureDict
}

export interface Excuse {
  readonly why: string
  readonly kinds: readonly Kind[]
  readonly holds: (where: Where) => boolean
  /** What is left to compare. @default nothing */
  readonly see?: (value: unknown) => unknown
}

const named =
  (pattern: RegExp) =>
  ({ name }: Where): boolean =>
    pattern.test(name)

export const EXCUSES: readonly Excuse[] = [
  {
    why: 'a group in a group keeps the order of its tasks, and their indexes are unique: Celery reverses those of a header, and starts again from 0 in each',
    kinds: ['frozen', 'calls', 'sizes', 'result'],
    holds: ({ signature }) => some(signature, isNestedGroup),
    see: skeleton,
  },
  {
    why: 'map and starmap keep their options: Celery forgets them, with the task id and the links',
    kinds: ['calls', 'result'],
    holds: ({ signature }) => /^celery\.(star)?map$/.test(signature.task),
    see: without(['task_id', 'link', 'link_error', 'stamped_headers', 'on', 'who', 'reply_to']),
  },
  {
    why: 'the callbacks of a chain go where they go when it is spliced, to the first of a last group, to the body of a last chord: Celery leaves them in the options of both, where a chord refuses them as it is sent',
    kinds: ['calls'],
    holds: named(/with links$|linked, then visited$|^callbacks on a chain/),
    see: without(['link']),
  },
  {
    why: 'an empty group that is a body is a body that sends nothing: Celery takes it for none',
    kinds: ['calls', 'sizes'],
    holds: named(/^empty group, (after a group|as a body|after a chord)$/),
    see: without(['chord']),
  },
  {
    why: 'the id that is given is that of the result, also when the last is a group, or nothing is sent',
    kinds: ['calls', 'result'],
    holds: named(/^(empty group|chain ending in a group), with an id$/),
    see: without(['task_id']),
  },
  {
    why: 'the id of a chord is that of its result, not that of its header too',
    kinds: ['calls', 'sizes', 'result'],
    holds: named(/^an id on a chord$/),
    see: without(['task_id', 'group_id']),
  },
  {
    why: 'arguments reach a group that a chain starts with: Celery loses them',
    kinds: ['calls'],
    holds: ({ signature }) =>
      signature.subtask_type === 'chain' && partsOf(signature)[0]?.subtask_type === 'group',
    see: without(['args']),
  },
  {
    why: 'the links of a chain within a chain are those of its tasks: Celery loses them',
    kinds: ['calls'],
    holds: named(/^chain in a chain not spliced$/),
    see: without(['link', 'link_error']),
  },
  {
    why: 'a frozen chain is written as it is sent, nested chains spliced and groups made chords: Celery does that when it sends it',
    kinds: ['frozen', 'calls', 'sizes', 'result'],
    holds: ({ signature }) => some(signature, isUnspliced),
    see: skeleton,
  },
  {
    why: 'an immutable chain stays so, with its first task: Celery forgets it as it copies the chain',
    kinds: ['frozen', 'calls'],
    holds: named(/^an immutable chain/),
    see: without(['immutable']),
  },
  {
    why: 'a chain of nothing is refused: Celery sends nothing, without a word',
    kinds: ['all'],
    holds: ({ signature }) => signature.subtask_type === 'chain' && partsOf(signature).length === 0,
  },
  {
    why: 'the result of an empty group has its parent too',
    kinds: ['frozen', 'result'],
    holds: ({ signature }) => some(signature, isEmptyGroup),
    see: ([signature]: readonly unknown[]) => signature,
  } as Excuse,
  {
    why: 'a group that is sent at once, as the header before it is empty, leaves the size of the chord that it is part of: Celery writes its own over it',
    kinds: ['sizes'],
    holds: ({ signature }) => some(signature, isGroupAtOnce),
  },
  {
    why: 'a chain that ends in an empty group is no part of a chord: Celery counts one, and waits for ever',
    kinds: ['sizes'],
    holds: named(/^empty group, at the end of a chain in a header$/),
  },
  {
    why: 'what follows a chord whose body is a group follows the group, once: Celery lets each task of it be followed, by tasks with the same ids',
    kinds: ['frozen', 'calls', 'sizes', 'result'],
    holds: ({ signature }) => some(signature, isGroupFollowed),
    see: nothing,
  },
  {
    why: 'a name is among the stamped headers only of what has the stamp: Celery shares the list between links',
    kinds: ['stamps'],
    holds: named(/^stamps on links that are primitives$/),
    see: without(['stamped_headers']),
  },
  {
    why: 'the upgrades that 5.2 does not know yet, and the links of a chain that it does not splice',
    kinds: ['pipe'],
    holds: ({ release, name }) =>
      release === '526' &&
      /^(group of a chain, between tasks|groups and tasks in turn|chain of chains with links)$/.test(
        name,
      ),
  },
  {
    why: 'the header of a chord has its keywords and its errbacks: 5.2 loses both',
    kinds: ['calls'],
    holds: ({ release, name }) =>
      release === '526' &&
      /^(errbacks on a chain with a chord, header too|partial keywords for a chord)$/.test(name),
    see: without(['kwargs', 'link_error']),
  },
  {
    why: '5.2 tells less of the group to bodies and their tasks; what 5.6 added, 5.2 does not miss',
    kinds: ['frozen', 'calls', 'sizes', 'result'],
    holds: ({ release }) => release === '526',
    see: without(['group_id', 'group_index', 'task_id']),
  },
]

/** What is left to compare, and why the rest is not; nothing when all is. */
export interface Excused {
  readonly why: readonly string[]
  readonly see: (value: unknown) => unknown
}

/** All excuses for a difference of this kind here, as one. */
export function excusedAt(kind: Kind, where: Where): Excused | undefined {
  const found = EXCUSES.filter((excuse) => excuse.kinds.includes(kind) && excuse.holds(where))
  if (found.length === 0) return undefined
  return {
    why: found.map(({ why }) => why),
    see: (value) => found.reduce((left, { see = nothing }) => see(left), value),
  }
}

function nothing(): unknown {
  return null
}

function some(signature: SignatureDict, is: (one: SignatureDict) => boolean): boolean {
  return is(signature) || partsOf(signature).some((part) => some(part, is))
}

function partsOf({
  kwargs,
  options,
}: Pick<SignatureDict, 'kwargs' | 'options'>): readonly SignatureDict[] {
  const { tasks, header, body } = kwargs
  return [tasks, header, body, options['chord'], options['chain']]
    .flat()
    .filter(
      (part): part is SignatureDict => isPlainObject(part) && typeof part['task'] === 'string',
    )
}

function isNestedGroup(signature: SignatureDict): boolean {
  const { tasks, header } = signature.kwargs
  const isGroup = signature.subtask_type === 'group' || signature.subtask_type === 'chord'
  const members = signature.subtask_type === 'chord' ? header : tasks
  const inner = isPlainObject(members) ? (members['kwargs'] as PlainObject)['tasks'] : members
  return isGroup && (inner as SignatureDict[]).some(({ subtask_type: type }) => type === 'group')
}

function isUnspliced(signature: SignatureDict): boolean {
  if (signature.subtask_type !== 'chain') return false
  const tasks = signature.kwargs['tasks'] as SignatureDict[]
  return tasks.some(
    ({ subtask_type: type }, index) =>
      type === 'chain' || (type === 'group' && index < tasks.length - 1),
  )
}

function isEmptyGroup(signature: SignatureDict): boolean {
  return signature.subtask_type === 'group' && (signature.kwargs['tasks'] as unknown[]).length === 0
}

function isGroupFollowed({ subtask_type: type, kwargs }: SignatureDict): boolean {
  if (type !== 'chain') return false
  const followed = (kwargs['tasks'] as SignatureDict[]).slice(0, -1)
  return followed.some(
    (task) =>
      task.subtask_type === 'chord' && endsOf(task.kwargs['body'] as SignatureDict).length !== 1,
  )
}

function isGroupAtOnce({ subtask_type: type, kwargs: { header, body } }: SignatureDict): boolean {
  return (
    type === 'chord' &&
    partsOf({ kwargs: { header }, options: {} }).length === 0 &&
    (body as SignatureDict).subtask_type === 'group'
  )
}

/** A value without some members, wherever they stand. */
function without(names: readonly string[]): (value: unknown) => unknown {
  const see = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(see)
    if (!isPlainObject(value)) return value
    const entries = Object.entries(value).filter(([name]) => !names.includes(name))
    return Object.fromEntries(entries.map(([name, one]) => [name, see(one)]))
  }
  return see
}

/** The plain tasks of a value, in any order: their names and arguments. */
function skeleton(value: unknown): unknown {
  const found: string[] = []
  const see = (one: unknown): void => {
    if (Array.isArray(one)) one.forEach(see)
    if (!isPlainObject(one)) return
    const { task, args, kwargs, subtask_type: type, options } = one
    if (typeof task === 'string' && (type ?? null) === null)
      found.push(JSON.stringify([task, args, kwargs]))
    Object.values((kwargs ?? {}) as PlainObject).forEach(see)
    see(isPlainObject(options) ? options['chain'] : undefined)
  }
  see(value)
  return found.toSorted()
}
