/** From the options of a call to its task message: checked, with every header filled in. */

import type { Properties } from '../../protocol/message.ts'
import { reprArgs, reprKwargs } from '../../protocol/python/repr.ts'
import { readSignature, type SignatureDict } from '../../protocol/signature.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'
import type { Settings } from '../conf/settings.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { hint } from '../runtime/nearest.ts'
import { newId } from '../task/id.ts'
import type { CallOptions, SignatureLike } from '../task/sender.ts'
import { fromNow, instant, seconds } from './time.ts'

/** What a message needs beside the call itself. */
export interface CallEnvironment {
  readonly conf: Settings
  /** Who sends it: `gen<pid>@<host>`. */
  readonly origin: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** The caller's own headers, or its route's. */
  readonly headers: Readonly<Record<string, unknown>> | undefined
}

/** Every option of a call; a new one must be named here. */
const OPTIONS: Readonly<Record<keyof CallOptions, true>> = {
  kwargs: true,
  countdown: true,
  eta: true,
  expires: true,
  queue: true,
  exchange: true,
  routingKey: true,
  priority: true,
  serializer: true,
  compression: true,
  headers: true,
  taskId: true,
  shadow: true,
  ignoreResult: true,
  timeLimit: true,
  softTimeLimit: true,
  retries: true,
  replyTo: true,
  link: true,
  linkError: true,
  chain: true,
  chord: true,
  groupId: true,
  groupIndex: true,
  rootId: true,
  parentId: true,
  replacedTaskNesting: true,
  stamps: true,
  origin: true,
  addToParent: true,
  argsrepr: true,
  kwargsrepr: true,
  properties: true,
  deliveryMode: true,
  retry: true,
  timeout: true,
  signal: true,
}

export const NO_KWARGS: Readonly<Record<string, unknown>> = Object.freeze({})
const NO_HEADERS: Readonly<Record<string, unknown>> = Object.freeze({})

/** @see celery 5.6, app/amqp.py, `AMQP.as_task_v2` */
export function taskMessage(
  name: string,
  args: readonly unknown[],
  options: CallOptions,
  from: CallEnvironment,
): TaskMessage {
  const { conf, origin, now } = from
  const kwargs = options.kwargs ?? NO_KWARGS
  const id = options.taskId ?? newId()
  const stamps = options.stamps ?? {}
  const stampedHeaders = Object.keys(stamps)
  return {
    protocol: conf.taskProtocol,
    lang: 'py',
    task: name,
    id,
    shadow: options.shadow ?? null,
    ...times(options, now, conf.timezone),
    group: options.groupId ?? null,
    groupIndex: options.groupIndex ?? null,
    retries: options.retries ?? 0,
    ...limits(options),
    rootId: options.rootId ?? id,
    parentId: options.parentId ?? null,
    argsrepr: options.argsrepr ?? reprArgs(args),
    kwargsrepr: options.kwargsrepr ?? reprKwargs(kwargs),
    origin: options.origin ?? origin,
    ignoreResult: options.ignoreResult ?? null,
    replacedTaskNesting: options.replacedTaskNesting ?? 0,
    stampedHeaders: stampedHeaders.length === 0 ? null : stampedHeaders,
    stamps,
    custom: from.headers ?? NO_HEADERS,
    args,
    kwargs,
    embed: {
      callbacks: signatures(options.link, 'link'),
      errbacks: signatures(options.linkError, 'linkError'),
      chain: options.chain ?? null,
      chord: options.chord ?? null,
    },
  }
}

/** @throws ImproperlyConfigured, naming what is wrong, never what the arguments say */
export function checkCall(name: unknown, args: unknown, options: CallOptions): void {
  if (typeof name !== 'string' || name === '') {
    throw new ImproperlyConfigured('a task is sent by its name, a text')
  }
  if (!Array.isArray(args)) {
    throw new ImproperlyConfigured(`the arguments of '${name}' must be a list`)
  }
  for (const option in options) {
    if (Object.hasOwn(OPTIONS, option)) continue
    const nearest = hint(option, Object.keys(OPTIONS))
    throw new ImproperlyConfigured(
      `'${name}' was called with an unknown option '${option}'${nearest}`,
    )
  }
  const { kwargs, priority, taskId } = options
  if (kwargs !== undefined && (typeof kwargs !== 'object' || Array.isArray(kwargs))) {
    throw new ImproperlyConfigured(`the keyword arguments of '${name}' must be an object`)
  }
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)) {
    throw new ImproperlyConfigured(`the priority of '${name}' must be a whole number, 0 to 255`)
  }
  if (taskId === '') throw new ImproperlyConfigured(`the id of a task must not be empty`)
}

/** `countdown: 0` is no countdown, as in Celery. */
function times(
  { countdown, eta, expires }: CallOptions,
  now: number,
  timezone: string,
): Pick<TaskMessage, 'eta' | 'expires'> {
  const wait = countdown === undefined ? 0 : seconds(countdown, 'countdown')
  if (wait !== 0 && eta !== undefined) {
    throw new ImproperlyConfigured('a call has a countdown or an eta, not both')
  }
  return {
    eta:
      wait !== 0
        ? fromNow(wait, now, timezone, 'countdown')
        : eta === undefined
          ? null
          : instant(eta, timezone, 'eta'),
    expires: expires === undefined ? null : expiry(expires, now, timezone),
  }
}

function expiry(expires: unknown, now: number, timezone: string): string {
  const isTime = typeof expires === 'string' || expires instanceof Date || isDateTime(expires)
  if (isTime) return instant(expires, timezone, 'expires')
  return fromNow(seconds(expires, 'expires'), now, timezone, 'expires')
}

function isDateTime(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('toJSDate' in value || isOnlyIso(value))
}

/** luxon's Duration has a `toISO` too, but it also knows its milliseconds. */
function isOnlyIso(value: object): boolean {
  return 'toISO' in value && !('milliseconds' in value)
}

/** @throws ImproperlyConfigured when the task could never be told before it is ended */
function limits(options: CallOptions): Pick<TaskMessage, 'timeLimit' | 'softTimeLimit'> {
  const { timeLimit: hard, softTimeLimit: soft } = options
  const timeLimit = hard === undefined ? null : seconds(hard, 'timeLimit')
  const softTimeLimit = soft === undefined ? null : seconds(soft, 'softTimeLimit')
  if (timeLimit !== null && softTimeLimit !== null && softTimeLimit > timeLimit) {
    throw new ImproperlyConfigured('softTimeLimit must not exceed timeLimit')
  }
  return { timeLimit, softTimeLimit }
}

function signatures(
  given: SignatureLike | readonly SignatureLike[] | undefined,
  what: string,
): readonly SignatureDict[] | null {
  if (given === undefined) return null
  const list = (Array.isArray(given) ? given : [given]) as readonly SignatureLike[]
  return list.map((one) =>
    readSignature('toJSON' in one && typeof one.toJSON === 'function' ? one.toJSON() : one, what),
  )
}

/** AMQP's own by our names or on the wire's; any other goes to `extra`, which only virtual transports keep. */
const PROPERTIES: ReadonlyMap<string, keyof Properties> = new Map([
  ['messageId', 'messageId'],
  ['message_id', 'messageId'],
  ['timestamp', 'timestamp'],
  ['type', 'type'],
  ['userId', 'userId'],
  ['user_id', 'userId'],
  ['appId', 'appId'],
  ['app_id', 'appId'],
  ['expiration', 'expiration'],
  ['correlationId', 'correlationId'],
  ['correlation_id', 'correlationId'],
])

export function ownProperties(given: Readonly<Record<string, unknown>>): Properties {
  const known: Record<string, unknown> = {}
  const extra: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const property = PROPERTIES.get(name)
    if (property === undefined) extra[name] = value
    else known[property] = value
  }
  return { ...known, ...(Object.keys(extra).length === 0 ? {} : { extra }) }
}
