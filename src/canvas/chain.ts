/** One after another: the first is sent, and carries the rest in reverse; a group with a successor is a chord. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { CeleryError } from '../../protocol/errors.ts'
import { indexOption, listOf, merge, mergeOptions, textOption } from './call.ts'
import type { Kind, Recursion } from './kind.ts'
import { withImmutable } from './immutable.ts'
import { withCallbacks, withErrbacks, withPart } from './links.ts'
import { pipe } from './pipe.ts'
import {
  withAncestor,
  type FreezeOptions,
  type Frozen,
  type Given,
  type PlanEnvironment,
  type PlannedResult,
} from './plan.ts'
import { bodyOf, chordOf, endsOf, tasksOf } from './primitives.ts'

export const chain: Kind = {
  /** Freezes every task; the chain stands for its last one. */
  freeze(signature, options, recursion) {
    const steps = prepare(signature, { args: [], kwargs: {}, options: {} }, options, recursion)
    const tasks = steps.map((step) => step.signature).toReversed()
    const result = lastOf(steps)
    return {
      signature: {
        ...signature,
        kwargs: { ...signature.kwargs, tasks },
        options: { ...signature.options, task_id: result.id },
      },
      result,
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
      index === 0 ? withCallbacks(step.signature, link) : step.signature,
    )
    const first = linked.pop()
    if (first === undefined) throw emptyChain()
    const rest = recursion.environment.useLink
      ? {}
      : { chain: [...listOf(options['chain']), ...linked] }
    const plan = recursion.plan(first, {
      args: [],
      kwargs: {},
      options: { ...options, ...rest },
    })
    return { ...plan, result }
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
  return {
    taskId: textOption(options, 'task_id'),
    rootId: textOption(options, 'root_id'),
    groupId: textOption(options, 'group_id'),
    groupIndex: indexOption(options, 'group_index'),
    chord: (options['chord'] ?? undefined) as SignatureDict | undefined,
  }
}

/**
 * The steps, last first: nested chains are spliced in, a group of one is its task, one with a successor
 * a chord; the first takes the given arguments, and only the last the chain's own id, group and chord.
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
  const { environment } = recursion
  const tasks = flatten(tasksOf(signature))
  const steps: Frozen[] = []
  for (const [back, task] of tasks.toReversed().entries()) {
    const isFirst = back === tasks.length - 1
    const complete = isFirst ? firstOf(task, signature, given) : task
    const step = asHeader(complete, steps, linkError, environment)
    const frozen = recursion.freeze(step, back === 0 ? options : { rootId: options.rootId })
    const next = environment.useLink ? steps.at(-1)?.signature : undefined
    const linked = withCallbacks(frozen.signature, next)
    steps.push({ ...frozen, signature: withErrbacks(linked, linkError, environment) })
  }
  return steps
}

/** An immutable chain starts with an immutable task: Python workers read only that. */
function firstOf(task: SignatureDict, of: SignatureDict, given: Given): SignatureDict {
  const complete = merge(task, { ...given, options: {} })
  return of.immutable ? withImmutable(complete, true) : complete
}

/**
 * A group that something follows is the header of a chord with that as its body, in the place of both. So
 * is a group that is the end of a chord's body: else each of its tasks, or none, would be followed. A chord
 * has its errbacks before the tasks of its header get to bear its body.
 */
function asHeader(
  task: SignatureDict,
  steps: Frozen[],
  linkError: unknown,
  environment: PlanEnvironment,
): SignatureDict {
  if (task.subtask_type === 'chord') {
    const guarded = withErrbacks(task, linkError, environment)
    const next = endsOf(bodyOf(task)).length === 1 ? undefined : steps.pop()
    if (next === undefined) return guarded
    return withPart(guarded, 'body', pipe(bodyOf(guarded), next.signature, environment))
  }
  const next = task.subtask_type === 'group' ? steps.pop() : undefined
  return next === undefined ? task : { ...chordOf(task, next.signature), args: task.args }
}

/** Chains within chains become one, and a group of one is its task. @see celery 5.6, canvas.py, `maybe_unroll_group` */
function flatten(tasks: readonly SignatureDict[]): readonly SignatureDict[] {
  return tasks.flatMap((task) => {
    if (task.subtask_type === 'chain') return flatten(unchain(task))
    if (task.subtask_type !== 'group') return [task]
    const [only, ...more] = tasksOf(task)
    return only === undefined || more.length > 0 ? [task] : flatten([only])
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
    const guarded = withErrbacks(task, linkError, {})
    return index === tasks.length - 1 ? withCallbacks(guarded, link) : guarded
  })
}

/** The result of the last task, each with the one before as its parent. */
function lastOf(steps: readonly Frozen[]): PlannedResult {
  const result = steps
    .toReversed()
    .reduce<PlannedResult | null>((parent, step) => withAncestor(step.result, parent), null)
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
