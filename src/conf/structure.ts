/** The settings that have a structure of their own: queues, routes, policies, TLS; read in both spellings. */

import type { ConnectionOptions } from 'node:tls'
import { ImproperlyConfigured } from '../errors.ts'
import { hint } from '../runtime/nearest.ts'
import type { RetryPolicy } from '../runtime/retry.ts'

/** Seconds, or `{ minutes: 5 }`, or luxon's Duration. */
export type DurationSetting =
  | number
  | {
      readonly [
        unit in 'weeks' | 'days' | 'hours' | 'minutes' | 'seconds' | 'milliseconds'
      ]?: number
    }
  | { toMillis(): number }

export type ExchangeTypeSetting = 'direct' | 'topic' | 'fanout' | 'headers'

/** An exchange in the settings; a string is its name. */
export interface ExchangeSetting {
  readonly name: string
  /** @default taskDefaultExchangeType for the default exchange, else `direct` */
  readonly type?: ExchangeTypeSetting
  /** @default true */
  readonly durable?: boolean
  /** @default false */
  readonly autoDelete?: boolean
  readonly arguments?: Readonly<Record<string, unknown>>
  /** 1 is kept in memory only, 2 survives a restart of the broker. */
  readonly deliveryMode?: 1 | 2
  /** Use it, but never declare it. @default false */
  readonly passive?: boolean
}

export interface BindingSetting {
  readonly exchange: string | ExchangeSetting
  readonly routingKey?: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

/**
 * A queue in the settings.
 *
 * @see kombu 5.6, entity.py, `Queue`; transport/base.py, `to_rabbitmq_queue_arguments`
 */
export interface QueueSetting {
  readonly name: string
  /** @default taskDefaultExchange */
  readonly exchange?: string | ExchangeSetting
  readonly exchangeType?: ExchangeTypeSetting
  /** @default taskDefaultRoutingKey; the queue's name where queues are given by name */
  readonly routingKey?: string
  /** Exchanges that lead here, in place of the one. */
  readonly bindings?: readonly BindingSetting[]
  /** @default true */
  readonly durable?: boolean
  /** @default false */
  readonly exclusive?: boolean
  /** @default false */
  readonly autoDelete?: boolean
  /** `x-…` arguments. */
  readonly queueArguments?: Readonly<Record<string, unknown>>
  /** Seconds until the unused queue is deleted. */
  readonly expires?: number
  /** Seconds until a message is dropped. */
  readonly messageTtl?: number
  readonly maxLength?: number
  readonly maxLengthBytes?: number
  readonly maxPriority?: number
  /** It exists: do not declare it. @default false */
  readonly passive?: boolean
  /** Every worker gets a copy of each message: kombu's `Broadcast`. @default false */
  readonly broadcast?: boolean
}

/** By a list, or by name as Celery's dict form has it. */
export type TaskQueues =
  readonly QueueSetting[] | Readonly<Record<string, Omit<QueueSetting, 'name'>>>

/** Where a task goes, and with which options; those of the call go before them. */
export interface RouteOptions {
  readonly queue?: string
  readonly exchange?: string
  readonly exchangeType?: ExchangeTypeSetting
  readonly routingKey?: string
  readonly priority?: number
  readonly serializer?: string
  readonly compression?: string
  readonly deliveryMode?: 1 | 2
  readonly headers?: Readonly<Record<string, unknown>>
}

/** A string is the name of a queue. */
export type Route = string | RouteOptions

/** Asked with each call; null leaves it to the next. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
  task: unknown,
) => Route | null | undefined

/** Names and globs, or pairs where the name may be a regular expression. */
export type RouteMap =
  Readonly<Record<string, Route>> | readonly (readonly [name: string | RegExp, route: Route])[]

export type TaskRoutes = RouteMap | RouteFunction | readonly (RouteMap | RouteFunction)[]

/** Options of tasks by their name, `*` for all; or a function of the name. */
export type TaskAnnotation =
  | Readonly<Record<string, Readonly<Record<string, unknown>>>>
  | ((name: string) => Readonly<Record<string, unknown>> | null | undefined)

/** One, or several: the later win. */
export type TaskAnnotations = TaskAnnotation | readonly TaskAnnotation[]

/** Node's TLS options, or the names of Python's files. */
export type TlsSetting = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'pfx' | 'ciphers' | 'minVersion' | 'maxVersion'
> & {
  readonly rejectUnauthorized?: boolean
  readonly servername?: string
  readonly caCerts?: string
  readonly certfile?: string
  readonly keyfile?: string
}

export interface BeatEntrySetting {
  readonly task: string
  readonly schedule: unknown
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  readonly options?: Readonly<Record<string, unknown>>
  readonly relative?: boolean
}

/** What is refused as too big; what is left out keeps its default. @see protocol/limits.ts */
export interface LimitsSetting {
  readonly maxBodyBytes?: number
  readonly maxDepth?: number
  readonly maxRatio?: number
}

type Options = Readonly<Record<string, unknown>>

/** The types of structured settings, as they are read. */
export interface Structured {
  timezone: string
  broker_url: string | readonly string[]
  broker_read_url: string | readonly string[]
  broker_write_url: string | readonly string[]
  broker_transport_options: Options
  broker_use_ssl: boolean | TlsSetting
  redis_backend_use_ssl: boolean | TlsSetting | null
  result_accept_content: readonly string[]
  result_backend_transport_options: Options
  task_annotations: TaskAnnotations | null
  task_default_delivery_mode: 1 | 2
  task_default_exchange: string
  task_default_routing_key: string
  task_default_rate_limit: string | number | null
  task_publish_retry_policy: RetryPolicy
  task_queues: readonly QueueSetting[] | null
  task_routes: TaskRoutes | null
  beat_schedule: Readonly<Record<string, BeatEntrySetting>>
  limits: LimitsSetting
}

/** The types of structured settings, as they are given. */
export interface StructuredInput extends Omit<
  Structured,
  'task_default_delivery_mode' | 'task_publish_retry_policy' | 'task_queues'
> {
  seconds: DurationSetting
  task_default_delivery_mode: 1 | 2 | 'transient' | 'persistent'
  task_publish_retry_policy: Partial<RetryPolicy>
  task_queues: TaskQueues | null
}

/** What a member of a structured setting must be. */
type Shape = 'string' | 'number' | 'boolean' | 'object' | 'any'
type ShapeOf<T> = Readonly<Record<keyof T, Shape>>

export const ROUTE_SHAPE: ShapeOf<RouteOptions> = {
  queue: 'string',
  exchange: 'string',
  exchangeType: 'string',
  routingKey: 'string',
  priority: 'number',
  serializer: 'string',
  compression: 'string',
  deliveryMode: 'any',
  headers: 'object',
}

export const EXCHANGE_SHAPE: ShapeOf<ExchangeSetting> = {
  name: 'string',
  type: 'string',
  durable: 'boolean',
  autoDelete: 'boolean',
  arguments: 'object',
  deliveryMode: 'any',
  passive: 'boolean',
}

export const BINDING_SHAPE: ShapeOf<BindingSetting> = {
  exchange: 'any',
  routingKey: 'string',
  arguments: 'object',
}

export const QUEUE_SHAPE: ShapeOf<QueueSetting> = {
  name: 'string',
  exchange: 'any',
  exchangeType: 'string',
  routingKey: 'string',
  bindings: 'object',
  durable: 'boolean',
  exclusive: 'boolean',
  autoDelete: 'boolean',
  queueArguments: 'object',
  expires: 'number',
  messageTtl: 'number',
  maxLength: 'number',
  maxLengthBytes: 'number',
  maxPriority: 'number',
  passive: 'boolean',
  broadcast: 'boolean',
}

export const POLICY_SHAPE: ShapeOf<RetryPolicy> = {
  maxRetries: 'any',
  intervalStart: 'number',
  intervalStep: 'number',
  intervalMax: 'number',
}

export const LIMITS_SHAPE: ShapeOf<LimitsSetting> = {
  maxBodyBytes: 'number',
  maxDepth: 'number',
  maxRatio: 'number',
}

/** Other words for the same member, from kombu's dict form. */
const ALIASES: Readonly<Record<string, string>> = {
  bindingKey: 'routingKey',
  arguments: 'queueArguments',
  noDeclare: 'passive',
}

/** Reads an object's members in either spelling; refuses what it does not know, by name. */
export function readMembers(
  value: unknown,
  shape: Readonly<Record<string, Shape>>,
  where: string,
): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) {
    throw new ImproperlyConfigured(`${where} must be an object, not ${typeName(value)}`)
  }
  const members: Record<string, unknown> = {}
  for (const [given, member] of Object.entries(value)) {
    if (member === undefined || member === null) continue
    const name = memberName(given, shape)
    if (name === undefined) {
      throw new ImproperlyConfigured(
        `${where} has no option '${given}'${hint(given, Object.keys(shape))}`,
      )
    }
    if (!fits(member, shape[name])) {
      throw new ImproperlyConfigured(
        `option '${given}' of ${where} must be of type ${shape[name]}, not ${typeName(member)}`,
      )
    }
    members[name] = member
  }
  return members
}

/** An object's members with their names in camelCase, one level deep: transport options. */
export function camelMembers(value: Options): Options {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      camel(name),
      camel(name) === 'retryPolicy' && isRecord(member) ? camelMembers(member) : member,
    ]),
  )
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a value is, without telling what it says: it may be a secret. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function memberName(given: string, shape: Readonly<Record<string, Shape>>): string | undefined {
  const name = camel(given)
  if (Object.hasOwn(shape, name)) return name
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined
  return alias !== undefined && Object.hasOwn(shape, alias) ? alias : undefined
}

function fits(value: unknown, shape: Shape | undefined): boolean {
  if (shape === 'any') return true
  if (shape === 'number') return typeof value === 'number' && Number.isFinite(value)
  return typeof value === shape
}

function camel(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
