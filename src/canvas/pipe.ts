/** What follows what: two signatures become one, as by Python's `|`, with all of Celery's upgrades to chords. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { listOf } from './call.ts'
import { withCallbacks, withErrbacks, withPart } from './links.ts'
import type { PlanEnvironment } from './plan.ts'
import { bodyOf, chainOf, chordOf, tasksOf, unrolled } from './primitives.ts'

/** The settings that say where the errbacks of a spliced chain go. */
export type PipeOptions = Pick<PlanEnvironment, 'errbacksOnHeader'>

/**
 * First `left`, then `right`.
 *
 *     task   | task, chord        → chain
 *     task   | chain              → chain, spliced
 *     task   | group              → chain; a group of one is its task
 *     chain  | task, chord        → what ends in a group becomes a chord; what ends in a chord goes on in its body
 *     chain  | group              → the same, but that a group after a group stays one
 *     chain  | chain              → its tasks, one by one
 *     group  | anything           → chord
 *     chord  | task, chord        → chord, goes on in its body
 *     chord  | chain, group       → chain
 *
 * The options of a chain that is spliced go, but its links; those of a group that becomes a header go too.
 *
 * @see celery 5.6, canvas.py, `__or__` of `Signature`, `_chain`, `group` and `_chord`
 */
export function pipe(
  left: SignatureDict,
  right: SignatureDict,
  options: PipeOptions = {},
): SignatureDict {
  if (isGroup(left)) return chordOf(tasksOf(left), right)
  if (isChain(left)) return afterChain(left, right, options)
  if (isChord(left)) return afterChord(left, right, options)
  return afterTask(left, right, options)
}

/**
 * All of them, one after another, from the left.
 *
 * @see celery 5.6, canvas.py, `chain.__new__`
 */
export function compose(tasks: readonly SignatureDict[], options: PipeOptions = {}): SignatureDict {
  return tasks.reduce((left, right) => pipe(left, right, options), chainOf([]))
}

function afterTask(left: SignatureDict, right: SignatureDict, options: PipeOptions): SignatureDict {
  return chainOf(isChain(right) ? [left, ...unchained(right, options)] : [left, unrolled(right)])
}

function afterChord(
  left: SignatureDict,
  right: SignatureDict,
  options: PipeOptions,
): SignatureDict {
  const next = unrolled(right)
  if (isChain(right) || isGroup(next)) return afterTask(left, right, options)
  return withBody(left, next, options)
}

function afterChain(
  left: SignatureDict,
  right: SignatureDict,
  options: PipeOptions,
): SignatureDict {
  const next = unrolled(right)
  if (isChain(next)) {
    return unchained(next, options).reduce((all, task) => pipe(all, task, options), left)
  }
  return isGroup(next) ? chainThenGroup(left, next, options) : chainThenTask(left, next, options)
}

function chainThenGroup(
  left: SignatureDict,
  right: SignatureDict,
  options: PipeOptions,
): SignatureDict {
  const tasks = unchained(left, options)
  const last = tasks.at(-1)
  if (last === undefined) return right
  if (!isChord(last)) return chainOf([...tasks, right])
  return chainOf([...tasks.slice(0, -1), withBody(last, right, options)])
}

function chainThenTask(
  left: SignatureDict,
  right: SignatureDict,
  options: PipeOptions,
): SignatureDict {
  const before = tasksOf(left).slice(0, -1)
  const last = tasksOf(left).at(-1)
  if (last !== undefined && isChord(last)) {
    return withTasks(left, [...before, withBody(last, right, options)])
  }
  if (last === undefined || !isGroup(last)) return chainOf([...unchained(left, options), right])
  const chord = chordOf(tasksOf(last), right)
  const previous = before.at(-1)
  if (previous === undefined || !isChord(previous)) return withTasks(left, [...before, chord])
  return withTasks(left, [...before.slice(0, -1), withBody(previous, chord, options)])
}

/** A chain made anew is its tasks and its options. @see celery 5.6, canvas.py, `_chain.from_dict` */
function withTasks(chain: SignatureDict, tasks: readonly SignatureDict[]): SignatureDict {
  return { ...chainOf(tasks), options: chain.options }
}

function withBody(chord: SignatureDict, next: SignatureDict, options: PipeOptions): SignatureDict {
  return withPart(chord, 'body', pipe(bodyOf(chord), next, options))
}

/**
 * The tasks of a chain, with the chain's own links: the callbacks go to the last, the errbacks to all.
 *
 * @see celery 5.6, canvas.py, `_chain.unchain_tasks`
 */
function unchained(chain: SignatureDict, options: PipeOptions): readonly SignatureDict[] {
  const { link, link_error: linkError } = chain.options
  const tasks = tasksOf(chain)
  return tasks.map((task, index) => {
    const isLast = index === tasks.length - 1
    const linked = isLast ? withCallbacks(task, listOf(link)) : task
    return withErrbacks(linked, linkError, options)
  })
}

function isChain({ subtask_type: type }: SignatureDict): boolean {
  return type === 'chain'
}

function isGroup({ subtask_type: type }: SignatureDict): boolean {
  return type === 'group'
}

function isChord({ subtask_type: type }: SignatureDict): boolean {
  return type === 'chord'
}
