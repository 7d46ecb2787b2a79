/** The transport options that Redis knows, under Celery's names in either spelling, resolved and checked. */

import {
  redisKeys,
  UNACKED_MUTEX_EXPIRE,
  VISIBILITY_TIMEOUT,
} from '../../../protocol/virtual/redis-keys.ts'
import type { RedisKeys } from '../../../protocol/virtual/redis-keys.ts'
import { ImproperlyConfigured } from '../../errors.ts'
import type { RedisConnectOptions } from '../../redis.ts'

export type QueueOrderStrategy = 'round_robin' | 'priority' | 'sorted'

/** Seconds throughout. */
export interface RedisTransportSettings {
  /** Until a delivery that nobody settled or renewed goes back; all consumers of a database must agree. */
  readonly visibilityTimeout: number
  readonly unackedMutexExpire: number
  /** How many are given back in one step of a sweep. */
  readonly unackedRestoreLimit: number
  /**
   * How long a worker's connection must be gone until others take what it held: as long may it take to
   * come back. Ours; kombu knows only the visibility timeout.
   */
  readonly ownerGrace: number
  /** How long it is remembered who holds what, when nobody fetches or renews. */
  readonly ownerExpires: number
  readonly queueOrderStrategy: QueueOrderStrategy
  /** Whether deliveries are leased at all; without it they die with the worker, as with kombu. */
  readonly ackEmulation: boolean
  /** Takes the messages that no binding wants. */
  readonly deadletterQueue: string | undefined
  /** The longest time between two looks at the queues, whatever the server told. */
  readonly pollingInterval: number
  /** Silence of the server, while it owes an answer, that means that it is gone. */
  readonly socketTimeout: number
  /** Between two questions whether the server is still there. */
  readonly healthCheckInterval: number
  readonly keys: RedisKeys
  readonly connect: RedisConnectOptions
}

const STRATEGIES: ReadonlySet<string> = new Set(['round_robin', 'priority', 'sorted'])

const DEFAULTS = {
  restoreLimit: 250,
  ownerGrace: 15,
  pollingInterval: 1,
  socketTimeout: 10,
  /** kombu's 25 s would find a half-open connection too late. */
  healthCheckInterval: 5,
} as const

/** Seconds that an owner is remembered at least, however short the visibility timeout. */
const LEAST_REMEMBERED = 60

type Given = Readonly<Record<string, unknown>>

/** @see kombu 5.6, transport/redis.py, `Channel.from_transport_options` */
export function resolveOptions(
  given: Given,
  db: number,
  connectTimeout: number,
): RedisTransportSettings {
  const read = reader(given)
  const strategy = read.text('queueOrderStrategy') ?? 'round_robin'
  if (!STRATEGIES.has(strategy)) {
    throw new ImproperlyConfigured(`queue_order_strategy is one of ${[...STRATEGIES].join(', ')}`)
  }
  const visibilityTimeout = read.seconds('visibilityTimeout') ?? VISIBILITY_TIMEOUT
  return {
    visibilityTimeout,
    unackedMutexExpire: read.seconds('unackedMutexExpire') ?? UNACKED_MUTEX_EXPIRE,
    unackedRestoreLimit: read.seconds('unackedRestoreLimit') ?? DEFAULTS.restoreLimit,
    ownerGrace: read.seconds('ownerGrace') ?? DEFAULTS.ownerGrace,
    ownerExpires: Math.ceil(Math.max(2 * visibilityTimeout, LEAST_REMEMBERED)),
    queueOrderStrategy: strategy as QueueOrderStrategy,
    ackEmulation: read.flag('ackEmulation') ?? true,
    deadletterQueue: read.text('deadletterQueue'),
    pollingInterval: read.seconds('pollingInterval') ?? DEFAULTS.pollingInterval,
    socketTimeout: read.seconds('socketTimeout') ?? DEFAULTS.socketTimeout,
    healthCheckInterval: Math.min(
      read.seconds('healthCheckInterval') ?? DEFAULTS.healthCheckInterval,
      DEFAULTS.healthCheckInterval,
    ),
    keys: keysOf(read, db),
    connect: {
      connectTimeout: read.seconds('socketConnectTimeout') ?? connectTimeout,
      clientName: read.text('clientName'),
      masterName: read.text('masterName'),
      sentinelKwargs: read.record('sentinelKwargs'),
    },
  }
}

/** The keys that every script on leases begins with. */
export function leaseKeys({ keys }: RedisTransportSettings, owner: string): string[] {
  return [keys.unacked, keys.unackedIndex, keys.unackedOwners, keys.unackedOwner(owner)]
}

function keysOf(read: Reader, db: number): RedisKeys {
  const entries = {
    globalKeyprefix: read.text('globalKeyprefix'),
    sep: read.text('sep'),
    prioritySteps: read.numbers('prioritySteps'),
    unackedKey: read.text('unackedKey'),
    unackedIndexKey: read.text('unackedIndexKey'),
    unackedMutexKey: read.text('unackedMutexKey'),
    fanoutPrefix: read.flag('fanoutPrefix') ?? read.text('fanoutPrefix'),
    fanoutPatterns: read.flag('fanoutPatterns'),
  }
  const present = Object.entries(entries).filter(([, value]) => value !== undefined)
  return redisKeys({ db, ...Object.fromEntries(present) })
}

interface Reader {
  text(name: string): string | undefined
  flag(name: string): boolean | undefined
  /** A number above zero. */
  seconds(name: string): number | undefined
  numbers(name: string): readonly number[] | undefined
  record(name: string): Given | undefined
}

/** Reads an option under its camelCase or its snake_case name. */
function reader(given: Given): Reader {
  const find = (name: string): unknown => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return Object.hasOwn(given, name)
      ? given[name]
      : Object.hasOwn(given, snake)
        ? given[snake]
        : undefined
  }
  const refuse = (name: string, wanted: string): never => {
    throw new ImproperlyConfigured(`the transport option '${name}' must be ${wanted}`)
  }
  return {
    text: (name) => {
      const value = find(name)
      return typeof value === 'string' ? value : undefined
    },
    flag: (name) => {
      const value = find(name)
      return typeof value === 'boolean' ? value : undefined
    },
    seconds: (name) => {
      const value = find(name)
      if (value === undefined || value === null) return undefined
      return typeof value === 'number' && value > 0 ? value : refuse(name, 'a number above 0')
    },
    numbers: (name) => {
      const value = find(name)
      if (value === undefined || value === null) return undefined
      const fine = Array.isArray(value) && value.length > 0 && value.every(Number.isInteger)
      return fine
        ? (value as number[]).toSorted((a, b) => a - b)
        : refuse(name, 'a list of integers')
    },
    record: (name) => {
      const value = find(name)
      return typeof value === 'object' && value !== null ? (value as Given) : undefined
    },
  }
}
