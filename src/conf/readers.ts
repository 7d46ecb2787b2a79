/** How each setting with a structure is read: both spellings in, one shape out. */

import { ImproperlyConfigured } from '../errors.ts'
import type { SettingName } from './settings.ts'
import {
  BINDING_SHAPE,
  EXCHANGE_SHAPE,
  LIMITS_SHAPE,
  POLICY_SHAPE,
  QUEUE_SHAPE,
  ROUTE_SHAPE,
  camelMembers,
  isRecord,
  readMembers,
  typeName,
  type QueueSetting,
  type Route,
} from './structure.ts'

type Reader = (value: unknown, where: string) => unknown

/** The members of a policy that is given in part are Celery's defaults. @see SETTINGS */
const POLICY = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 }

export const READERS: Readonly<Partial<Record<SettingName, Reader>>> = {
  timezone: readTimezone,
  broker_url: readUrls,
  broker_read_url: readUrls,
  broker_write_url: readUrls,
  broker_transport_options: readOptions,
  broker_use_ssl: readTls,
  redis_backend_use_ssl: readTls,
  result_backend_transport_options: readOptions,
  task_annotations: readAnnotations,
  task_default_delivery_mode: readDeliveryMode,
  task_default_rate_limit: readRateLimit,
  task_publish_retry_policy: (value, where) => ({
    ...POLICY,
    ...readMembers(value, POLICY_SHAPE, where),
  }),
  task_queues: readQueues,
  task_routes: readRoutes,
  beat_schedule: readOptionsAsGiven,
  limits: (value, where) => readMembers(value, LIMITS_SHAPE, where),
}

function wrong(where: string, what: string, value: unknown): ImproperlyConfigured {
  return new ImproperlyConfigured(`${where} must be ${what}, not ${typeName(value)}`)
}

function readTimezone(value: unknown, where: string): string {
  if (typeof value !== 'string') throw wrong(where, 'the name of a time zone', value)
  try {
    new Intl.DateTimeFormat('en', { timeZone: value }).format()
    return value
  } catch {
    throw new ImproperlyConfigured(`${where} names no time zone that is known here: '${value}'`)
  }
}

function readUrls(value: unknown, where: string): string | readonly string[] {
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.length > 0 && value.every((url) => typeof url === 'string')) {
    return [...value]
  }
  throw wrong(where, 'a URL or a list of URLs', value)
}

function readOptions(value: unknown, where: string): unknown {
  if (!isRecord(value)) throw wrong(where, 'an object', value)
  return camelMembers(value)
}

function readOptionsAsGiven(value: unknown, where: string): unknown {
  if (!isRecord(value)) throw wrong(where, 'an object', value)
  return value
}

/** kombu's Redis transport begins the names with `ssl_`, its AMQP transport does not. */
function readTls(value: unknown, where: string): unknown {
  if (typeof value === 'boolean') return value
  if (!isRecord(value)) throw wrong(where, 'true, false or an object', value)
  const bare = Object.entries(value).map(([name, member]) => [name.replace(/^ssl_/, ''), member])
  const { certReqs, ...options } = camelMembers(Object.fromEntries(bare))
  return certReqs === undefined ? options : { rejectUnauthorized: verifies(certReqs), ...options }
}

/** `ssl.CERT_NONE` is 0, its name, or `none` as in a URL. */
function verifies(certReqs: unknown): boolean {
  return certReqs !== 0 && !/^(cert_)?none$/i.test(String(certReqs))
}

function readAnnotations(value: unknown, where: string): unknown {
  if (Array.isArray(value)) return value.map((one) => readAnnotations(one, where))
  if (typeof value === 'function') return value
  if (!isRecord(value)) throw wrong(where, 'an object or a function', value)
  return Object.fromEntries(
    Object.entries(value).map(([name, options]) => {
      if (!isRecord(options)) throw wrong(`${where} for '${name}'`, 'an object', options)
      return [name, camelMembers(options)]
    }),
  )
}

const DELIVERY_MODES: ReadonlyMap<unknown, 1 | 2> = new Map<unknown, 1 | 2>([
  [1, 1],
  ['transient', 1],
  [2, 2],
  ['persistent', 2],
])

function readDeliveryMode(value: unknown, where: string): 1 | 2 {
  const mode = DELIVERY_MODES.get(value)
  if (mode === undefined) throw wrong(where, "1, 2, 'transient' or 'persistent'", value)
  return mode
}

function readRateLimit(value: unknown, where: string): string | number {
  if (typeof value === 'number' && value >= 0) return value
  if (typeof value === 'string') return value
  throw wrong(where, "such as '10/m'", value)
}

/** A list as it is; an object by name, where the routing key is the name when none is given. */
function readQueues(value: unknown, where: string): readonly QueueSetting[] {
  if (Array.isArray(value))
    return value.map((queue, index) => readQueue(queue, `${where}[${index}]`))
  if (!isRecord(value)) throw wrong(where, 'a list or an object', value)
  return Object.entries(value).map(([name, queue]) =>
    readQueue(
      { routingKey: name, ...readMembers(queue, QUEUE_SHAPE, `${where}.${name}`), name },
      where,
    ),
  )
}

/** @see kombu 5.6, entity.py, `Queue` */
export function readQueue(value: unknown, where: string): QueueSetting {
  if (typeof value === 'string') return { name: value }
  const members = readMembers(value, QUEUE_SHAPE, where)
  if (typeof members['name'] !== 'string' || members['name'] === '') {
    throw new ImproperlyConfigured(`${where} needs a name`)
  }
  const { exchange, bindings, ...rest } = members
  return {
    ...rest,
    ...(exchange === undefined ? {} : { exchange: readExchange(exchange, where) }),
    ...(bindings === undefined ? {} : { bindings: readBindings(bindings, where) }),
  } as unknown as QueueSetting
}

function readExchange(value: unknown, where: string): unknown {
  if (typeof value === 'string') return value
  const { deliveryMode, ...members } = readMembers(value, EXCHANGE_SHAPE, `exchange of ${where}`)
  return deliveryMode === undefined
    ? members
    : { ...members, deliveryMode: readDeliveryMode(deliveryMode, where) }
}

function readBindings(value: unknown, where: string): unknown {
  if (!Array.isArray(value) || value.length === 0)
    throw wrong(`bindings of ${where}`, 'a list', value)
  return value.map((binding) => {
    const { exchange, ...rest } = readMembers(binding, BINDING_SHAPE, `binding of ${where}`)
    return { ...rest, exchange: readExchange(exchange, where) }
  })
}

/** One router or a list of them; a list of pairs is one. @see celery 5.6, app/routes.py, `prepare` */
function readRoutes(value: unknown, where: string): unknown {
  if (Array.isArray(value) && !isPairs(value))
    return value.map((router) => readRouter(router, where))
  return readRouter(value, where)
}

function readRouter(value: unknown, where: string): unknown {
  if (typeof value === 'function') return value
  if (typeof value === 'string') {
    throw new ImproperlyConfigured(`${where} names a Python router; give the function itself`)
  }
  const pairs: unknown = Array.isArray(value)
    ? value
    : isRecord(value)
      ? Object.entries(value)
      : null
  if (!isPairs(pairs)) throw wrong(where, 'an object, a list of pairs or a function', value)
  return pairs.map(([name, route]) => [name, readRoute(route, `${where} for '${String(name)}'`)])
}

function isPairs(value: unknown): value is [string | RegExp, unknown][] {
  return (
    Array.isArray(value) &&
    value.every(
      (pair) =>
        Array.isArray(pair) &&
        pair.length === 2 &&
        (typeof pair[0] === 'string' || pair[0] instanceof RegExp) &&
        !Array.isArray(pair[1]),
    )
  )
}

/** What a router answers, too: a queue's name, or options in either spelling. */
export function readRoute(value: unknown, where: string): Route {
  if (typeof value === 'string') return value
  const { deliveryMode, ...route } = readMembers(value, ROUTE_SHAPE, where)
  return deliveryMode === undefined
    ? route
    : { ...route, deliveryMode: readDeliveryMode(deliveryMode, where) }
}
