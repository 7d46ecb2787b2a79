/** Results as a tree: what they have in common, what ran before them, and their form as nested tuples. */

import { DecodeError } from '../../protocol/errors.ts'
import type { ResultMeta, ResultTuple } from '../../protocol/result.ts'
import type { GetOptions, MaybeThrowOptions } from './options.ts'
import type { ResultSource, RevokeOptions } from './source.ts'

/** One result of the tree that a call grows: a task's, or a group's. */
export interface ResultNode<T = unknown> {
  readonly id: string
  /** What ran before it, where that is known. */
  readonly parent: ResultNode | undefined
  /** The members of a group; undefined for a task. */
  readonly results?: readonly ResultNode[]
  /** For those who look after many tasks at once; undefined for a group. */
  readonly taskHandle?: TaskHandle
  /** The result; rejects when it failed. */
  get(options?: GetOptions): Promise<T>
  ready(): Promise<boolean>
  successful(): Promise<boolean>
  failed(): Promise<boolean>
  maybeThrow(options?: MaybeThrowOptions): Promise<unknown>
  /** The members of a group; what a task sent, undefined when that is not known. */
  children(): Promise<readonly ResultNode[] | undefined>
  forget(): Promise<void>
  revoke(options?: RevokeOptions): Promise<void>
  asTuple(): ResultTuple
  /** The ids of its tasks, and of those that ran before. */
  asList(): readonly string[]
}

/** One task behind its result. Its metas have errors in the place of the exceptions' data. */
export interface TaskHandle {
  readonly taskId: string
  readonly source: ResultSource
  /** Nobody stores its result, and nobody waits for it. */
  readonly ignored: boolean
  /** Its meta, once nothing more will come. */
  readonly known: ResultMeta | undefined
  /** Keeps a meta as a backend gives it. */
  learn(meta: ResultMeta): ResultMeta
  /** Deletes what is stored of this task alone. */
  forget(): Promise<void>
  /** Where there is no worker to tell: takes a revoke for itself. */
  readonly revokeLocally?: () => void
}

/** Makes the nodes: results know a backend, which tuples do not. */
export interface NodeMaker {
  task(id: string, parent: ResultNode | undefined): ResultNode
  group(id: string, results: readonly ResultNode[], parent: ResultNode | undefined): ResultNode
}

/** Deeper than any real chain of parents; what is deeper was made to break us. */
const MAX_DEPTH = 1000

/**
 *     [[id, parent], null]          a task
 *     [[id, parent], [member, …]]   a group
 *     [id, null]                    also a task: older releases left the pair out
 *
 * @throws DecodeError when it is none of these
 * @see celery 5.6, result.py, `result_from_tuple`
 */
export function fromTuple(tuple: unknown, make: NodeMaker, depth = 0): ResultNode {
  if (depth > MAX_DEPTH) throw new DecodeError('a result tuple is nested too deeply')
  if (!Array.isArray(tuple)) throw new DecodeError('a result tuple must be a list')
  const [head, members] = tuple as readonly unknown[]
  const [id, parentTuple] = Array.isArray(head) ? (head as readonly unknown[]) : [head, null]
  if (typeof id !== 'string') throw new DecodeError('the id in a result tuple must be a string')
  const parent = isNone(parentTuple) ? undefined : fromTuple(parentTuple, make, depth + 1)
  if (isNone(members)) return make.task(id, parent)
  if (!Array.isArray(members)) throw new DecodeError('the members of a group must be a list')
  const results = members.map((member) => fromTuple(member, make, depth + 1))
  return make.group(id, results, parent)
}

/**
 * A node as a tuple.
 *
 * @see celery 5.6, result.py, `AsyncResult.as_tuple` and `GroupResult.as_tuple`
 */
export function tupleOf(node: ResultNode): ResultTuple {
  let tuple: ResultTuple | null = null
  for (const { id, results } of lineOf(node).toReversed()) {
    tuple = [[id, tuple], results?.map((member) => member.asTuple()) ?? null]
  }
  return tuple as unknown as ResultTuple
}

/** The ids of its tasks, and of those that ran before it. */
export function idsOf(node: ResultNode): readonly string[] {
  return lineOf(node).flatMap(({ id, results }) =>
    results === undefined ? [id] : results.flatMap((member) => member.asList()),
  )
}

/** Itself, then what ran before it. A long chain is too long to call oneself for each. */
function lineOf(node: ResultNode): readonly ResultNode[] {
  const line: ResultNode[] = []
  for (let at: ResultNode | undefined = node; at !== undefined; at = at.parent) line.push(at)
  return line
}

/** Each once: with a task those that ran before it; with a group its members, not what ran before it. */
export function tasksForgottenWith(nodes: readonly ResultNode[]): readonly TaskHandle[] {
  const met = new Set<string>()
  const tasks: TaskHandle[] = []
  const left = [...nodes]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (met.has(node.id)) continue
    met.add(node.id)
    const { taskHandle: task, parent } = node
    if (task === undefined) for (const member of node.results ?? []) left.push(member)
    else {
      tasks.push(task)
      if (parent !== undefined) left.push(parent)
    }
  }
  return tasks
}

/** The tasks of a node, those of a group in their order. */
export function tasksOf(node: ResultNode): readonly TaskHandle[] {
  const task = node.taskHandle
  return task === undefined ? (node.results ?? []).flatMap(tasksOf) : [task]
}

/** The tasks that ran before some nodes, each once and the first one first; of a group, all its members. */
export function ancestorsOf(nodes: readonly ResultNode[]): readonly TaskHandle[] {
  const seen = new Set<ResultNode>()
  const tasks = new Map<string, TaskHandle>()
  for (const node of nodes) {
    const line: ResultNode[] = []
    for (let { parent } = node; parent !== undefined && !seen.has(parent); { parent } = parent) {
      seen.add(parent)
      line.push(parent)
    }
    for (const task of line.toReversed().flatMap(tasksOf)) tasks.set(task.taskId, task)
  }
  return [...tasks.values()]
}

function isNone(value: unknown): boolean {
  return value === null || value === undefined || value === false
}

/** `console.log` shows the `repr()` of a class. */
export function inspectable(of: { readonly prototype: { repr(): string } }): void {
  const value = function (this: { repr(): string }): string {
    return this.repr()
  }
  Object.defineProperty(of.prototype, Symbol.for('nodejs.util.inspect.custom'), { value })
}
