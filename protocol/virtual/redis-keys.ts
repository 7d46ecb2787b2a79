/** Every Redis key, channel and separator of kombu's broker and Celery's backend, by name. */

/** Stands between a queue and its priority step, and between the parts of a binding. */
export const SEPARATOR = '\x06\x16'

/** The lists that a queue has; the first one is the plain name. @see kombu 5.6, transport/redis.py */
export const PRIORITY_STEPS: readonly number[] = [0, 3, 6, 9]

const MIN_PRIORITY = 0
const MAX_PRIORITY = 9

/** Seconds that the lock of a restoring consumer lasts. */
export const UNACKED_MUTEX_EXPIRE = 300
/** Seconds until a delivery that nobody settled goes back to its queue. */
export const VISIBILITY_TIMEOUT = 3600

/** `broker_transport_options` as far as they name keys; all who share a database must agree. */
export interface RedisKeyOptions {
  /** Stands before every key and channel. @default '' */
  readonly globalKeyprefix?: string
  /** The database, which is part of the fanout channels. @default 0 */
  readonly db?: number
  /** @default {@link SEPARATOR} */
  readonly sep?: string
  /** Rising, from 0. @default {@link PRIORITY_STEPS} */
  readonly prioritySteps?: readonly number[]
  /** @default 'unacked' */
  readonly unackedKey?: string
  /** @default 'unacked_index' */
  readonly unackedIndexKey?: string
  /** @default 'unacked_mutex' */
  readonly unackedMutexKey?: string
  /** False for none, or a text in which `{db}` is the database. @default '/{db}.' */
  readonly fanoutPrefix?: boolean | string
  /** Whether the routing key is a part of the channel. @default true */
  readonly fanoutPatterns?: boolean
}

/** One member of a binding set. */
export interface BindingMember {
  readonly routingKey: string
  /** The regular expression of a topic key; `''` for the other types. */
  readonly pattern: string
  readonly queue: string
}

/** The keys of a broker in one database. */
export interface RedisKeys {
  readonly prioritySteps: readonly number[]
  /** Hash: delivery tag to `[envelope, exchange, routing key]`. */
  readonly unacked: string
  /** Sorted set: delivery tag by the second of its delivery. */
  readonly unackedIndex: string
  /** The lock of the one who restores. */
  readonly unackedMutex: string
  /**
   * Hash, of ours and not of kombu's: each owner that holds anything. Its value is empty, or the second at
   * which it was first found missing, or `alive` when it may not be looked for.
   */
  readonly unackedOwners: string
  /** Stands for a few seconds after somebody has looked for owners that are missing; of ours. */
  readonly unackedLook: string
  /**
   * Hash, of ours: what one owner holds, delivery tag to the score that it gave it in `unackedIndex`.
   * An owner is one connection: `<run_id of the server>:<client id>`.
   */
  unackedOwner(id: string): string
  /** `<queue>` or `<queue>SEP<step>`: the list where a message of this priority goes. */
  queue(name: string, priority?: unknown): string
  /** All lists of a queue, the one that is served first at the front. */
  steps(name: string): string[]
  /** The arguments of BRPOP: for each step, for each queue. */
  poll(names: readonly string[]): string[]
  /** The queue that a list belongs to. */
  queueOf(key: string): string
  /** Set of `<routing key>SEP<pattern>SEP<queue>`. */
  binding(exchange: string): string
  bindingMember(member: BindingMember): string
  readBindingMember(text: string): BindingMember | undefined
  /** Where a fanout exchange is published. */
  channel(exchange: string, routingKey?: string): string
  /** What a queue subscribes to: glob patterns, for PSUBSCRIBE. */
  channelPattern(exchange: string, bindingKey?: string): string
  /** The exchange that a channel stands for. */
  exchangeOf(channel: string): string
}

/** @see kombu 5.6, transport/redis.py, `Channel` and `GlobalKeyPrefixMixin` */
export function redisKeys(options: RedisKeyOptions = {}): RedisKeys {
  const prefix = options.globalKeyprefix ?? ''
  const unacked = prefix + (options.unackedKey ?? 'unacked')
  return {
    unacked,
    unackedIndex: prefix + (options.unackedIndexKey ?? 'unacked_index'),
    unackedMutex: prefix + (options.unackedMutexKey ?? 'unacked_mutex'),
    unackedOwners: `${unacked}.owners`,
    unackedLook: `${unacked}.owners.look`,
    unackedOwner: (id) => `${unacked}.owner:${id}`,
    ...queueKeys(prefix, options),
    ...bindingKeys(prefix, options.sep ?? SEPARATOR),
    ...channelKeys(prefix, options),
  }
}

function queueKeys(
  prefix: string,
  options: RedisKeyOptions,
): Pick<RedisKeys, 'prioritySteps' | 'queue' | 'steps' | 'poll' | 'queueOf'> {
  const sep = options.sep ?? SEPARATOR
  const prioritySteps = options.prioritySteps ?? PRIORITY_STEPS
  const list = (name: string, step: number): string =>
    step === 0 ? prefix + name : `${prefix}${name}${sep}${step}`
  return {
    prioritySteps,
    queue: (name, priority) => list(name, priorityStep(priority, prioritySteps)),
    steps: (name) => prioritySteps.map((step) => list(name, step)),
    poll: (names) => prioritySteps.flatMap((step) => names.map((name) => list(name, step))),
    queueOf: (key) => {
      const name = stripPrefix(key, prefix)
      const end = name.lastIndexOf(sep)
      return end === -1 ? name : name.slice(0, end)
    },
  }
}

function bindingKeys(
  prefix: string,
  sep: string,
): Pick<RedisKeys, 'binding' | 'bindingMember' | 'readBindingMember'> {
  return {
    binding: (exchange) => `${prefix}_kombu.binding.${exchange}`,
    bindingMember: ({ routingKey, pattern, queue }) => [routingKey, pattern, queue].join(sep),
    readBindingMember: (text) => {
      const [routingKey, pattern, queue, more] = text.split(sep)
      if (routingKey === undefined || pattern === undefined || queue === undefined) return undefined
      return more === undefined ? { routingKey, pattern, queue } : undefined
    },
  }
}

function channelKeys(
  prefix: string,
  options: RedisKeyOptions,
): Pick<RedisKeys, 'channel' | 'channelPattern' | 'exchangeOf'> {
  const fanout = prefix + fanoutPrefix(options)
  const patterns = options.fanoutPatterns ?? true
  const channel = (exchange: string, routingKey = ''): string =>
    routingKey !== '' && patterns ? `${fanout}${exchange}/${routingKey}` : fanout + exchange
  return {
    channel,
    channelPattern: (exchange, bindingKey = '') =>
      channel(exchange, bindingKey.replaceAll('#', '*')),
    exchangeOf: (name) => {
      const text = stripPrefix(name, prefix)
      const local = text.startsWith('/') ? text.slice(text.indexOf('.') + 1) : text
      const end = local.indexOf('/')
      return end === -1 ? local : local.slice(0, end)
    },
  }
}

function fanoutPrefix({ fanoutPrefix: given = true, db = 0 }: RedisKeyOptions): string {
  if (given === false || given === '') return ''
  return (given === true ? '/{db}.' : given).replaceAll('{db}', String(db))
}

function stripPrefix(key: string, prefix: string): string {
  return prefix !== '' && key.startsWith(prefix) ? key.slice(prefix.length) : key
}

/**
 * The step that a priority falls on: the largest one that is not above it. What is no number is 0.
 *
 * @see kombu 5.6, transport/virtual/base.py, `_get_message_priority`
 */
export function priorityStep(priority: unknown, steps: readonly number[] = PRIORITY_STEPS): number {
  const wanted = toPriority(priority)
  return steps.findLast((step) => step <= wanted) ?? steps.at(-1) ?? 0
}

function toPriority(value: unknown): number {
  const digits = typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value)
  const number = typeof value === 'number' || digits ? Math.trunc(Number(value)) : MIN_PRIORITY
  if (Number.isNaN(number)) return MIN_PRIORITY
  return Math.min(Math.max(number, MIN_PRIORITY), MAX_PRIORITY)
}

/** The keys of Celery's key/value result backends. */
export interface ResultKeys {
  /** The meta of a task; the same text is the channel where it is published. */
  task(id: string): string
  /** The saved members of a group. */
  group(id: string): string
  /** The parts of a chord that are done. */
  chordJoin(groupId: string): string
  /** How many parts were added while the chord ran. */
  chordAdded(groupId: string): string
  /** How many parts there are. */
  chordSize(groupId: string): string
  /** Who ends the chord, once all parts are done; ours. */
  chordClaim(groupId: string): string
  chordUnlock(groupId: string): string
  /** The id of a task's or a group's key; the key itself when it is neither. */
  idOf(key: string): string
}

/** @see celery 5.6, backends/base.py, `KeyValueStoreBackend` */
export function resultKeys(globalKeyprefix = ''): ResultKeys {
  const bare = globalKeyprefix === '' || ':_-.'.includes(globalKeyprefix.slice(-1))
  const prefix = bare ? globalKeyprefix : `${globalKeyprefix}_`
  const task = `${prefix}celery-task-meta-`
  const group = `${prefix}celery-taskset-meta-`
  return {
    task: (id) => task + id,
    group: (id) => group + id,
    chordJoin: (id) => `${group}${id}.j`,
    chordAdded: (id) => `${group}${id}.t`,
    chordSize: (id) => `${group}${id}.s`,
    chordClaim: (id) => `${group}${id}.c`,
    chordUnlock: (id) => `${prefix}chord-unlock-${id}`,
    idOf: (key) => {
      if (key.startsWith(task)) return key.slice(task.length)
      return key.startsWith(group) ? key.slice(group.length) : key
    },
  }
}
