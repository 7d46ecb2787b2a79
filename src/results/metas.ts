/** What is known of many tasks, with one question to their backend. */

import type { ResultMeta } from '../../protocol/result.ts'
import { READY_STATES, type TaskState } from '../../protocol/states.ts'
import type { ResultBackend } from './backend.ts'
import { tasksOf, type ResultNode, type TaskHandle } from './tree.ts'

export interface Known {
  readonly meta: ResultMeta
  readonly ready: boolean
}

/** By the id of the task. What is ready is not asked for again. */
export async function metasOf(tasks: readonly TaskHandle[]): Promise<ReadonlyMap<string, Known>> {
  const known = new Map<string, Known>()
  const asked = new Map<ResultBackend, TaskHandle[]>()
  for (const task of tasks) {
    if (task.known !== undefined) {
      known.set(task.taskId, { meta: task.known, ready: true })
      continue
    }
    const { backend } = task.source
    const others = asked.get(backend)
    if (others === undefined) asked.set(backend, [task])
    else others.push(task)
  }
  const answers = Array.from(asked, async ([backend, unknown]) => {
    const metas = await backend.fetchMany(unknown.map(({ taskId }) => taskId))
    for (const [index, task] of unknown.entries()) {
      const answer = metas[index]
      if (answer === undefined) continue
      const meta = task.learn(answer)
      known.set(task.taskId, { meta, ready: READY_STATES.has(meta.status) })
    }
  })
  await Promise.all(answers)
  return known
}

/** The states of a node's tasks. */
export function statesOf(
  node: ResultNode,
  known: ReadonlyMap<string, Known>,
): readonly (TaskState | undefined)[] {
  return tasksOf(node).map(({ taskId }) => known.get(taskId)?.meta.status)
}
