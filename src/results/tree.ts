/** A result and its parents as nested tuples, as they stand on the wire, and back. */

import { DecodeError } from '../../protocol/errors.ts'
import type { ResultTuple } from '../../protocol/result.ts'
import type { Seconds } from '../runtime/duration.ts'

/** One result of the tree that a call grows: a task's, or a group's. */
export interface ResultNode {
  readonly id: string
  /** What ran before it, where that is known. */
  readonly parent: ResultNode | undefined
  /** The members of a group; undefined for a task. */
  readonly results?: readonly ResultNode[]
  /** The result; rejects when it failed. */
  get(options?: { readonly timeout?: Seconds | undefined }): Promise<unknown>
  asTuple(): ResultTuple
  forget(): Promise<void>
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

/** A task's node as a tuple. @see celery 5.6, result.py, `AsyncResult.as_tuple` */
export function taskTuple(node: ResultNode): ResultTuple {
  return [[node.id, node.parent?.asTuple() ?? null], null]
}

/** A group's node as a tuple. @see celery 5.6, result.py, `GroupResult.as_tuple` */
export function groupTuple(node: ResultNode): ResultTuple {
  const members = (node.results ?? []).map((member) => member.asTuple())
  return [[node.id, node.parent?.asTuple() ?? null], members]
}

/** The ids of the tasks that ran before a node, the first one first; of a group, all its members. */
export function ancestors(node: ResultNode): readonly string[] {
  const { parent } = node
  return parent === undefined ? [] : [...ancestors(parent), ...taskIds(parent)]
}

function taskIds(node: ResultNode): readonly string[] {
  return node.results === undefined ? [node.id] : node.results.flatMap(taskIds)
}

function isNone(value: unknown): boolean {
  return value === null || value === undefined || value === false
}
