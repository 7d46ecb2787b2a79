/** Waits for the members of a group together, and puts what they give in its place. */

import type { ResultMeta } from '../../protocol/result.ts'
import { PROPAGATE_STATES, SUCCESS } from '../../protocol/states.ts'
import { Feed } from './feed.ts'
import type { GetOptions } from './options.ts'
import { raised } from './remote-error.ts'
import { ancestorsOf, tasksOf, type ResultNode, type TaskHandle } from './tree.ts'
import { parentError, waitFor } from './wait.ts'

export interface Joining {
  readonly members: readonly ResultNode[]
  /** The group itself, when what ran before it matters. */
  readonly owner?: ResultNode | undefined
}

/** A member that has completed; of one that failed, `value` is its error when nothing is thrown. */
export interface Completed<T = unknown> {
  readonly index: number
  readonly value: T
}

interface Hooks {
  readonly onTask?: (meta: ResultMeta) => void
  readonly onMember?: (completed: Completed) => void
}

/** The results of all members, in their order. */
export async function joinMembers(
  joining: Joining,
  options: GetOptions,
): Promise<readonly unknown[]> {
  const { members } = joining
  const values = Array.from<unknown>({ length: members.length })
  await wait(joining, options, {
    onMember: ({ index, value }) => {
      const id = members[index]?.id
      if (options.callback === undefined) values[index] = value
      else if (id !== undefined) options.callback(id, value)
    },
  })
  return values
}

/** Each member as it completes. */
export function iterateMembers(
  joining: Joining,
  options: GetOptions,
): AsyncIterableIterator<Completed, undefined, undefined> {
  return feed<Completed>(options, (push, signal) =>
    wait(joining, { ...options, signal }, { onMember: push }),
  )
}

/** The meta of each task as it is ready; none is thrown. */
export function iterateTasks(
  joining: Joining,
  options: GetOptions,
): AsyncIterableIterator<ResultMeta, undefined, undefined> {
  return feed<ResultMeta>(options, (push, signal) =>
    wait(joining, { ...options, signal, propagate: false }, { onTask: push }),
  )
}

function feed<T>(
  { signal }: GetOptions,
  run: (push: (item: T) => void, signal: AbortSignal) => Promise<void>,
): Feed<T> {
  return new Feed<T>({
    signal,
    subscribe: (push, onEnd) => {
      const left = new AbortController()
      run(push, left.signal).then(() => onEnd(), onEnd)
      return () => left.abort()
    },
  })
}

async function wait(joining: Joining, options: GetOptions, hooks: Hooks): Promise<void> {
  const { timeout, signal, onMessage, propagate = true, followParents = true } = options
  const pending = new Pending(joining.members)
  const isOver = pending.tasks.every(({ known }) => known !== undefined)
  const parents = propagate && followParents && !isOver ? parentsOf(joining) : undefined
  let failed: Error | undefined
  for (const index of pending.empty) hooks.onMember?.({ index, value: pending.valueOf(index) })
  const onReady = (meta: ResultMeta, task: number): void => {
    hooks.onTask?.(meta)
    if (propagate && PROPAGATE_STATES.has(meta.status)) throw (failed = raised(meta.result))
    const index = pending.settle(task, meta.result)
    if (index !== undefined) hooks.onMember?.({ index, value: pending.valueOf(index) })
  }
  try {
    await waitFor(pending.tasks, { timeout, signal, onMessage, parents, onReady })
  } catch (error) {
    if (parents === undefined || error !== failed) throw error
    // a member that failed with what ran before it may be heard of first
    throw (await parentError(parents).catch(() => undefined)) ?? error
  }
}

function parentsOf({ members, owner }: Joining): readonly TaskHandle[] {
  const nodes = members.flatMap(withMembers)
  return ancestorsOf(owner === undefined ? nodes : [owner, ...nodes])
}

function withMembers(node: ResultNode): readonly ResultNode[] {
  return [node, ...(node.results ?? []).flatMap(withMembers)]
}

/** What is still to come, of members that may be groups of groups. */
class Pending {
  /** The tasks of all members, in order. */
  readonly tasks: readonly TaskHandle[]
  readonly #members: readonly ResultNode[]
  readonly #values: unknown[]
  /** Which member a task is of. */
  readonly #memberOf: number[] = []
  /** Where the tasks of a member begin. */
  readonly #first: number[] = []
  /** How many tasks of a member are to come. */
  readonly #left: number[] = []

  constructor(members: readonly ResultNode[]) {
    this.#members = members
    const tasks: TaskHandle[] = []
    for (const [index, member] of members.entries()) {
      const own = tasksOf(member)
      this.#first.push(tasks.length)
      this.#left.push(own.length)
      for (const task of own) {
        tasks.push(settled(task))
        this.#memberOf.push(index)
      }
    }
    this.tasks = tasks
    this.#values = Array.from<unknown>({ length: tasks.length })
  }

  /** The members that are groups without tasks. */
  get empty(): readonly number[] {
    return this.#left.flatMap((left, index) => (left === 0 ? [index] : []))
  }

  /** The member that is complete with this task, if any. */
  settle(task: number, value: unknown): number | undefined {
    this.#values[task] = value
    const member = this.#memberOf[task] ?? 0
    const left = (this.#left[member] ?? 0) - 1
    this.#left[member] = left
    return left === 0 ? member : undefined
  }

  valueOf(index: number): unknown {
    let task = this.#first[index] ?? 0
    const take = (node: ResultNode | undefined): unknown => {
      if (node?.results !== undefined) return node.results.map(take)
      task += 1
      return this.#values[task - 1]
    }
    return take(this.#members[index])
  }
}

/** Of an ignored task nothing will come: there is nothing to wait for. */
function settled(task: TaskHandle): TaskHandle {
  if (!task.ignored) return task
  const nothing = { result: undefined, traceback: null, children: null, dateDone: null }
  return { ...task, known: { taskId: task.taskId, status: SUCCESS, ...nothing } }
}
