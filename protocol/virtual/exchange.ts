/** Which queues a message reaches, where no broker works it out: on Redis and in memory. */

export type VirtualExchangeType = 'direct' | 'topic' | 'fanout'

/** One row of an exchange's table. */
export interface VirtualBinding {
  readonly queue: string
  readonly routingKey: string
  /** The regular expression that kombu stored beside the key; absent where nobody stored one. */
  readonly pattern?: string
}

/**
 * The queues that a message reaches, each once, in the order they were bound.
 *
 *     direct    the two keys are equal
 *     topic     the bound key is a pattern, see {@link topicPattern}
 *     fanout    always
 */
export function lookup(
  type: VirtualExchangeType,
  bindings: readonly VirtualBinding[],
  routingKey: string,
): string[] {
  const matches = MATCHES[type]
  const reached = bindings.filter((binding) => matches(binding, routingKey))
  return [...new Set(reached.map((binding) => binding.queue))]
}

const MATCHES: Record<VirtualExchangeType, (bound: VirtualBinding, routingKey: string) => boolean> =
  {
    direct: (bound, routingKey) => bound.routingKey === routingKey,
    topic: (bound, routingKey) =>
      compile(bound.pattern ?? topicPattern(bound.routingKey)).test(routingKey),
    fanout: () => true,
  }

const WILDCARDS = new Map([
  ['*', '.*?[^\\.]'],
  ['#', '.*?'],
])

/**
 * A topic key as a regular expression, as kombu understands it, not as RabbitMQ does: `*` runs
 * on over dots (`a.*` matches `a.b.c`) and `#` wants its own dot (`a.#` does not match `a`).
 * Python workers on the same Redis match by this very text, which we store as they do.
 *
 * @see kombu 5.6, transport/virtual/exchange.py, `TopicExchange.key_to_pattern`
 */
export function topicPattern(key: string): string {
  const words = escape(key).split('.')
  return `^${words.map((word) => WILDCARDS.get(word) ?? word).join('\\.')}$`
}

/** @see kombu 5.6, utils/text.py, `escape_regex` with `white='.#*'` */
function escape(key: string): string {
  return key.replace(/[^\p{L}\p{N}.#*]/gu, (sign) => (sign === '\0' ? '\\000' : `\\${sign}`))
}

const COMPILED = new Map<string, Pattern>()
/** Patterns that are kept ready; above it all are made anew, which costs time but no memory. */
const MAX_COMPILED = 1000

interface Pattern {
  test(text: string): boolean
}

const NEVER: Pattern = { test: () => false }

/** A stored pattern; one that is no regular expression here matches nothing, as if it were not bound. */
function compile(pattern: string): Pattern {
  const known = COMPILED.get(pattern)
  if (known !== undefined) return known
  if (COMPILED.size >= MAX_COMPILED) COMPILED.clear()
  const made = toRegExp(pattern)
  COMPILED.set(pattern, made)
  return made
}

function toRegExp(pattern: string): Pattern {
  try {
    return new RegExp(pattern)
  } catch {
    // Such as `^**$` of a key `**`: Python's re refuses it too.
    return NEVER
  }
}
