/** One after another: the first is sent, and carries the rest in reverse. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { CeleryError } from '../../protocol/errors.ts'
import { indexOption, listOf, merge, mergeOptions, textOption, withLinks } from './call.ts'
import { notSupported, tasksOf, type Kind, type Recursion } from './kind.ts'
import type { FreezeOptions, Frozen, Given, PlannedResult } from './plan.ts'

export const chain: Kind = {
  /** Freezes every task; the chain stands for its last one. */
  freeze(signature, options, recursion) {
    const steps = prepare(signature, { args: [], kwargs: {}, options: {} }, options, recursion)
    const tasks = steps.map((step) => step.signature).toReversed()
    const id = options.taskId === undefined ? {} : { task_id: options.taskId }
    return {
      signature: {
        ...signature,
        kwargs: { ...signature.kwargs, tasks },
        options: { ...signature.options, ...id },
      },
      result: lastOf(steps),
    }
  },

  /** @see celery 5.6, canvas.py, `_chain.run` */
  plan(signature, given, recursion) {
    const all = mergeOptions(signature.options, given.options)
    const { link, link_error, ...options } = without(all, TAKEN)
    const args = signature.immutable ? signature.args : [...given.args, ...signature.args]
    const steps = prepare(signature, { ...given, args }, frozenBy(all), recursion, link_error)
    const result = lastOf(steps)
    const linked = steps.map((step, index) =>
      index === 0 ? withLinks(step.signature, 'link', link) : step.signature,
    )
    const first = linked.pop()
    if (first === undefined) throw emptyChain()
    const rest = recursion.environment.useLink
      ? {}
      : { chain: [...listOf(options['chain']), ...linked] }
    const { calls } = recursion.plan(first, {
      args: [],
      kwargs: {},
      options: { ...options, ...rest },
    })
    return { calls, result }
  },
}

/** The options of a chain that its last task gets, or that `plan` uses up. */
const TAKEN = new Set([
  'task_id',
  'group_id',
  'chord',
  'group_index',
  'root_id',
  'parent_id',
  'use_link',
])

function frozenBy(options: Readonly<Record<string, unknown>>): FreezeOptions {
  const taskId = textOption(options, 'task_id')
  const rootId = textOption(options, 'root_id')
  const groupId = textOption(options, 'group_id')
  const groupIndex = indexOption(options, 'group_index')
  const chord = options['chord'] as SignatureDict | null | undefined
  return {
    ...(taskId === undefined ? {} : { taskId }),
    ...(rootId === undefined ? {} : { rootId }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(groupIndex === undefined ? {} : { groupIndex }),
    ...(chord === null || chord === undefined ? {} : { chord }),
  }
}

/**
 * The steps, last first: nested chains are spliced in, a group of one is its task, the first takes the
 * given arguments, and only the last takes the chain's own id, group and chord.
 *
 * @see celery 5.6, canvas.py, `_chain.prepare_steps`
 */
function prepare(
  signature: SignatureDict,
  given: Given,
  options: FreezeOptions,
  recursion: Recursion,
  linkError?: unknown,
): readonly Frozen[] {
  const { rootId } = options
  const notLast: FreezeOptions = rootId === undefined ? {} : { rootId }
  const tasks = flatten(tasksOf(signature))
  const steps: Frozen[] = []
  for (const [back, task] of tasks.toReversed().entries()) {
    const isFirst = back === tasks.length - 1
    const complete = isFirst ? merge(task, { ...given, options: {} }) : task
    const frozen = recursion.freeze(complete, back === 0 ? options : notLast)
    const next = recursion.environment.useLink ? steps.at(-1)?.signature : undefined
    const linked = withLinks(frozen.signature, 'link', next)
    steps.push({ ...frozen, signature: withLinks(linked, 'link_error', linkError) })
  }
  return steps
}

/** Chains within chains become one; what this release cannot send within a chain is refused. */
function flatten(tasks: readonly SignatureDict[]): readonly SignatureDict[] {
  return tasks.flatMap((task) => {
    if (task.subtask_type === 'chain') return flatten(unchain(task))
    if (task.subtask_type === 'group') return flatten([unroll(task)])
    if (task.subtask_type === 'chord') throw notSupported('a chord within a chain')
    return [task]
  })
}

/**
 * The tasks of a chain, with the chain's own links: those go to the last, the errbacks to all. Any
 * other signature is its own only task.
 *
 * @see celery 5.6, canvas.py, `_chain.unchain_tasks`
 */
export function unchain(signature: SignatureDict): readonly SignatureDict[] {
  if (signature.subtask_type !== 'chain') return [signature]
  const { link, link_error: linkError } = signature.options
  const tasks = tasksOf(signature).flatMap(unchain)
  return tasks.map((task, index) => {
    const guarded = withLinks(task, 'link_error', linkError)
    return index === tasks.length - 1 ? withLinks(guarded, 'link', link) : guarded
  })
}

/** @see celery 5.6, canvas.py, `maybe_unroll_group` */
function unroll(group: SignatureDict): SignatureDict {
  const [only, ...more] = tasksOf(group)
  if (only === undefined || more.length > 0) throw notSupported('a group within a chain')
  return only
}

/** The result of the last task, each with the one before as its parent. */
function lastOf(steps: readonly Frozen[]): PlannedResult {
  const result = steps
    .toReversed()
    .reduce<PlannedResult | null>((parent, step) => ({ ...step.result, parent }), null)
  if (result === null) throw emptyChain()
  return result
}

function emptyChain(): CeleryError {
  return new CeleryError('ERR_INVALID_TASK', 'a chain without tasks cannot be sent: give it one')
}

function without(
  options: Readonly<Record<string, unknown>>,
  names: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.has(name)))
}
