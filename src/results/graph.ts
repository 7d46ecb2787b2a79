/** What depends on what, and how it is drawn: Graphviz's DOT. */

/** Attributes of Graphviz, in the order they are written. */
export type Attributes = Readonly<Record<string, string | number>>

/** How a graph looks. */
export interface GraphFormat {
  /** The name of the graph. @default 'dependencies' */
  readonly id?: string
  /** With arrows or without. @default 'digraph' */
  readonly type?: 'digraph' | 'graph'
  /** The node in the middle. @default none */
  readonly root?: string | undefined
  /** @default 'box' */
  readonly shape?: string
  /** Attributes of all that is drawn, over the ones that there are. @default none more */
  readonly scheme?: Attributes
}

const SCHEME: Attributes = {
  shape: 'box',
  arrowhead: 'vee',
  style: 'filled',
  fontname: 'HelveticaNeue',
}
const EDGE: Attributes = { color: 'darkseagreen4', arrowcolor: 'black', arrowsize: 0.7 }
const NODE: Attributes = { fillcolor: 'palegreen3', color: 'palegreen4' }
const TERMINAL: Attributes = { fillcolor: 'palegreen1', color: 'palegreen2' }
const GRAPH: Attributes = { bgcolor: 'mintcream' }

interface Arc<T> {
  readonly node: T
  readonly adjacent: T[]
}

/**
 * Nodes are told apart by their text. Like Celery's it does not look for circles.
 *
 * @see celery 5.6, utils/graph.py, `DependencyGraph`
 */
export class DependencyGraph<T> implements Iterable<T> {
  readonly #format: GraphFormat
  readonly #arcs = new Map<string, Arc<T>>()

  constructor(format: GraphFormat = {}) {
    this.#format = format
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#arcs.size
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const { node } of this.#arcs.values()) yield node
  }

  has(node: T): boolean {
    return this.#arcs.has(String(node))
  }

  /** Adds a node, unless it is there. */
  addArc(node: T): void {
    if (!this.has(node)) this.#arcs.set(String(node), { node, adjacent: [] })
  }

  /** The first leads to the second. Both become nodes. */
  addEdge(from: T, to: T): void {
    this.addArc(from)
    this.addArc(to)
    this.#arcs.get(String(from))?.adjacent.push(to)
  }

  /** What a node leads to. */
  adjacent(node: T): readonly T[] {
    return [...(this.#arcs.get(String(node))?.adjacent ?? [])]
  }

  /** The nodes that lead to others. */
  edges(): readonly T[] {
    return [...this].filter((node) => this.adjacent(node).length > 0)
  }

  /** In the order in which they must be done: what a node leads to is before it. */
  topsort(): readonly T[] {
    const sorted = new Map<string, T>()
    const open = new Set<string>()
    const stack = [...this].toReversed()
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const key = String(node)
      const missing = open.has(key)
        ? []
        : this.adjacent(node).filter((next) => !sorted.has(String(next)) && !open.has(String(next)))
      open.add(key)
      stack.push(...missing.toReversed())
      if (missing.length > 0) continue
      sorted.set(key, node)
      stack.pop()
    }
    return [...sorted.values()]
  }

  /**
   *     digraph id {
   *         graph [attributes]
   *         "a" [attributes]
   *         "a" -> "b" [attributes]
   *     }
   *
   * @see celery 5.6, utils/graph.py, `DependencyGraph.to_dot`
   */
  toDot(format: GraphFormat = this.#format): string {
    const draw = new Drawing(format)
    const drawn = new Set<string>()
    const lines = [draw.head()]
    for (const [key, { adjacent }] of this.#arcs) {
      if (!drawn.has(key)) lines.push(draw.node(key, adjacent.length === 0))
      drawn.add(key)
      for (const next of adjacent) lines.push(draw.edge(key, String(next)))
    }
    return [...lines, '}', ''].join('\n')
  }

  /** Each node with what it leads to, one a line: what `console.log` shows. */
  toString(): string {
    const lines = [...this].flatMap((node) => [
      String(node),
      ...this.adjacent(node).map((next) => `     ${String(next)}`),
    ])
    return lines.join('\n')
  }
}

/** @see celery 5.6, utils/graph.py, `GraphFormatter` */
class Drawing {
  readonly #format: GraphFormat
  readonly #scheme: Attributes

  constructor(format: GraphFormat) {
    this.#format = format
    const { shape } = format
    this.#scheme = { ...SCHEME, ...(shape === undefined ? {} : { shape }), ...format.scheme }
  }

  head(): string {
    const { type = 'digraph', id = 'dependencies', root } = this.#format
    const graph = { ...GRAPH, root: root ?? 'None' }
    return `${type} ${id} {\n    graph [${this.#attributes(graph)}]`
  }

  node(label: string, terminal: boolean): string {
    return `    ${quoted(label)} [${this.#attributes(terminal ? TERMINAL : NODE)}]`
  }

  edge(from: string, to: string): string {
    const direction = this.#format.type === 'graph' ? '--' : '->'
    return `    ${quoted(from)} ${direction} ${quoted(to)} [${this.#attributes(EDGE)}]`
  }

  #attributes(own: Attributes): string {
    const all = Object.entries({ ...this.#scheme, ...own })
    return all.map(([name, value]) => `${name}=${quoted(String(value))}`).join(', ')
  }
}

/** Ids come from others: a quote in one must not end it. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)}"`
}
