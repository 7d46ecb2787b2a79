/** The results that a result leads to: the tasks that it sent, what they sent, and so on. */

import { IncompleteStream } from '../errors.ts'
import { DependencyGraph, type GraphFormat } from './graph.ts'
import type { DependencyOptions, GetOptions } from './options.ts'
import type { ResultNode } from './tree.ts'

/** A result, and the one that led to it: undefined of the first. */
export type Dependency = readonly [parent: ResultNode | undefined, node: ResultNode]

/** A result, and what it gives. */
export type Collected = readonly [node: ResultNode, value: unknown]

export interface CollectOptions extends DependencyOptions, GetOptions {}

export interface GraphOptions extends DependencyOptions {
  readonly format?: GraphFormat
}

/**
 * Breadth first. Whether a result is ready is asked after it was told: who waits for it first, as
 * `collect` does, meets none that is not. A result that is met again is told again, but not what it leads to: what was stored
 * may run in a circle.
 *
 * @see celery 5.6, result.py, `AsyncResult.iterdeps`
 */
export async function* iterdeps(
  root: ResultNode,
  { intermediate = false }: DependencyOptions,
): AsyncGenerator<Dependency, void, undefined> {
  const line: Dependency[] = [[undefined, root]]
  const met = new Set<string>()
  // grows while it is walked
  for (const [parent, node] of line) {
    yield [parent, node]
    if (!(await node.ready())) {
      if (!intermediate) throw new IncompleteStream(node.id)
      continue
    }
    if (met.has(node.id)) continue
    met.add(node.id)
    for (const child of (await node.children()) ?? []) line.push([node, child])
  }
}

/** @see celery 5.6, result.py, `AsyncResult.collect` */
export async function* collect(
  root: ResultNode,
  { intermediate, ...options }: CollectOptions,
): AsyncGenerator<Collected, void, undefined> {
  for await (const [, node] of iterdeps(root, { intermediate })) {
    yield [node, await node.get(options)]
  }
}

/** @see celery 5.6, result.py, `AsyncResult.get_leaf` */
export async function getLeaf(root: ResultNode): Promise<unknown> {
  let value: unknown
  for await (const [, node] of iterdeps(root, {})) value = await node.get()
  return value
}

/** @see celery 5.6, result.py, `AsyncResult.build_graph` */
export async function buildGraph(
  root: ResultNode,
  { format, ...options }: GraphOptions,
): Promise<DependencyGraph<ResultNode>> {
  const graph = new DependencyGraph<ResultNode>({ root: root.id, shape: 'oval', ...format })
  for await (const [parent, node] of iterdeps(root, options)) {
    graph.addArc(node)
    if (parent !== undefined) graph.addEdge(parent, node)
  }
  return graph
}
