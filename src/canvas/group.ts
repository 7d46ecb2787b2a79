/** In parallel: every member is sent, with the group's id and its own index. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { mergeOptions, textOption } from './call.ts'
import { tasksOf, type Kind, type Recursion } from './kind.ts'
import type { FreezeOptions, Frozen, PlannedResult } from './plan.ts'

export const group: Kind = {
  freeze(signature, options, recursion) {
    const id =
      textOption(signature.options, 'task_id') ?? options.taskId ?? recursion.environment.nextId()
    const members = freezeMembers(tasksOf(signature), { ...options, groupId: id }, recursion)
    const tasks = members.map((member) => member.signature)
    return {
      signature: {
        ...signature,
        kwargs: { ...signature.kwargs, tasks },
        options: { ...signature.options, task_id: id },
      },
      result: resultOf(
        id,
        members.map((member) => member.result),
      ),
    }
  },

  /** @see celery 5.6, canvas.py, `group.apply_async`, `_prepared` and `_apply_tasks` */
  plan(signature, given, recursion) {
    const { task_id, root_id, ...options } = mergeOptions(signature.options, given.options)
    const id = typeof task_id === 'string' ? task_id : recursion.environment.nextId()
    const shared = { groupId: id, ...(typeof root_id === 'string' ? { rootId: root_id } : {}) }
    const members = freezeMembers(tasksOf(signature), shared, recursion)
    const plans = members.map((member) =>
      recursion.plan(member.signature, { ...given, options: { ...options, add_to_parent: false } }),
    )
    return {
      calls: plans.flatMap((plan) => plan.calls),
      result: resultOf(
        id,
        plans.map((plan) => plan.result),
      ),
    }
  },
}

/** Groups within groups become one, each counting its members anew, as Celery does. */
function freezeMembers(
  tasks: readonly SignatureDict[],
  { groupId, rootId }: Pick<FreezeOptions, 'groupId' | 'rootId'>,
  recursion: Recursion,
): readonly Frozen[] {
  const shared = {
    ...(groupId === undefined ? {} : { groupId }),
    ...(rootId === undefined ? {} : { rootId }),
  }
  return tasks.flatMap((task, groupIndex) =>
    task.subtask_type === 'group'
      ? freezeMembers(tasksOf(task), shared, recursion)
      : [recursion.freeze(task, { ...shared, groupIndex })],
  )
}

function resultOf(id: string, members: readonly PlannedResult[]): PlannedResult {
  return { id, parent: null, members }
}
