/** In parallel: every member is sent, with the group's id and its own index. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { mergeOptions, textOption } from './call.ts'
import type { Kind, Recursion } from './kind.ts'
import type { FreezeOptions, Frozen, Given, Plan, PlannedResult } from './plan.ts'
import { tasksOf } from './primitives.ts'

export const group: Kind = {
  /**
   * At the end of a chain in a chord's header it takes the id of that chord's group, so that its
   * members are parts. Members get the id of a group of their own only when they are sent.
   *
   * @see celery 5.6, canvas.py, `group._freeze_group_tasks`
   */
  freeze(signature, options, recursion) {
    const { taskId, groupId, groupIndex, chord } = options
    const id = textOption(signature.options, 'task_id') ?? groupId ?? taskId
    const ownId = id ?? recursion.environment.nextId()
    const { root_id = options.rootId ?? null, parent_id = options.parentId ?? null } =
      signature.options
    const line = { rootId: idOf(root_id), parentId: idOf(parent_id) }
    const members = freezeMembers(tasksOf(signature), { ...options, ...line }, recursion)
    const frozen: Record<string, unknown> = { ...signature.options, task_id: ownId }
    if (groupId !== undefined) frozen['group_id'] = groupId
    if (chord !== undefined) frozen['chord'] = chord
    if (groupIndex !== undefined) frozen['group_index'] = groupIndex
    const tasks = members.map((member) => member.signature)
    return {
      signature: {
        ...signature,
        kwargs: { ...signature.kwargs, tasks },
        options: { ...frozen, root_id, parent_id },
      },
      result: groupResult(
        ownId,
        members.map((member) => member.result),
      ),
    }
  },

  /**
   * The chord that its members are parts of has its size already: to tell another, as Celery does
   * here, would have it run too early, or never.
   *
   * @see celery 5.6, canvas.py, `group.apply_async`, `_prepared` and `_apply_tasks`
   */
  plan(signature, given, recursion) {
    const {
      task_id,
      root_id,
      group_id: _group,
      group_index: _index,
      chord,
      ...options
    } = mergeOptions(signature.options, given.options)
    const { tasks: _, ...kwargs } = signature.kwargs
    const id = typeof task_id === 'string' ? task_id : recursion.environment.nextId()
    const shared = {
      groupId: id,
      rootId: typeof root_id === 'string' ? root_id : undefined,
      chord: (chord ?? undefined) as SignatureDict | undefined,
    }
    const members = freezeMembers(tasksOf(signature), shared, recursion)
    const args = [...given.args, ...signature.args]
    const { result, ...sent } = planMembers(
      { ...shared, groupId: id },
      members,
      { args, kwargs: { ...kwargs, ...given.kwargs }, options },
      recursion,
    )
    const whole = alone(result)
    return {
      ...sent,
      result: whole,
      ...(options['add_to_parent'] === false ? {} : { started: whole }),
    }
  },
}

/** Groups within groups become one. @see celery 5.6, canvas.py, `group._freeze_unroll` */
export function freezeMembers(
  tasks: readonly SignatureDict[],
  { groupId, rootId, parentId, chord }: FreezeOptions,
  recursion: Recursion,
): readonly Frozen[] {
  return tasks
    .flatMap(ungroup)
    .map((task, groupIndex) =>
      recursion.freeze(task, { groupId, rootId, parentId, chord, groupIndex }),
    )
}

/**
 * Sends frozen members with the same options; they are the children of nobody but their group. The body
 * of a chord among them is told of the group, and of the chord, again.
 *
 * @see celery 5.6, canvas.py, `group._apply_tasks`
 */
export function planMembers(
  { groupId: id, chord }: { readonly groupId: string; readonly chord?: SignatureDict | undefined },
  members: readonly Frozen[],
  given: Given,
  recursion: Recursion,
): Omit<Plan, 'started'> {
  const parts = chord === undefined ? { group_id: id } : { group_id: id, chord }
  const options = { ...given.options, ...parts, add_to_parent: false }
  const plans = members.map((member) => recursion.plan(member.signature, { ...given, options }))
  const chords = plans.flatMap((plan) => plan.chords ?? [])
  return {
    calls: plans.flatMap((plan) => plan.calls),
    result: groupResult(
      id,
      plans.map((plan) => plan.result),
    ),
    ...(chords.length === 0 ? {} : { chords }),
  }
}

/**
 * A group of nothing but a chain that ends in a group stands for that group.
 *
 * @see celery 5.6, canvas.py, `group.apply_async`
 */
export function alone(result: PlannedResult): PlannedResult {
  const [only, ...more] = result.members ?? []
  return only?.members === undefined || more.length > 0 ? result : only
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function ungroup(task: SignatureDict): readonly SignatureDict[] {
  return task.subtask_type === 'group' ? tasksOf(task).flatMap(ungroup) : [task]
}

function groupResult(id: string, members: readonly PlannedResult[]): PlannedResult {
  return { id, parent: null, members }
}
