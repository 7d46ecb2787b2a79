/** What a copy of a message must not say to the broker: kept in a header of ours, put back on arrival. */

import type { Message } from '../../../protocol/message.ts'
import { isPlainObject, own, type PlainObject } from '../../../protocol/plain.ts'
import type { Content } from './properties.ts'
import { isWaitQueue } from './wait-queue.ts'

const KEPT = 'x-celeriac-kept'
const DEATHS = 'x-death'
const DEATH_FIELDS = ['queue', 'reason', 'exchange'] as const
const FIRST_DEATH = 'x-first-death-'
const LAST_DEATH = 'x-last-death-'

/**
 * Headers that RabbitMQ reads when a message is published. It drops one whose `x-death` says that it
 * expired out of the queue before to which it is dead-lettered now, and it sends a copy to whoever stands in `CC`.
 *
 * @see https://www.rabbitmq.com/docs/dlx#automatic-dead-letter-cycles
 * @see https://www.rabbitmq.com/docs/sender-selected
 */
const READ_BY_BROKER: readonly string[] = [
  DEATHS,
  ...DEATH_FIELDS.map((field) => FIRST_DEATH + field),
  ...DEATH_FIELDS.map((field) => LAST_DEATH + field),
  'CC',
  'BCC',
]

/** How a message came to its queue. */
export interface Route {
  readonly exchange: string
  readonly routingKey: string
}

export interface CopyOptions {
  /** Who is logged in: RabbitMQ refuses a message in the name of another. */
  readonly user: string
  /** When it shall be delivered, in milliseconds since 1970; it does not expire before. @default at once */
  readonly until?: number
}

/** What arrived, as it was sent at first. */
export interface Sent extends Content, Partial<Route> {
  readonly until?: number
}

/** A message that was delivered, as it may be published again to the same queue. */
export function copyOf(
  delivery: Route & { readonly message: Message },
  options: CopyOptions,
): Message {
  const { message, exchange, routingKey } = delivery
  const { user, until } = options
  const { userId, expiration, ...properties } = message.properties
  const headers: Record<string, unknown> = { ...message.headers }
  const moved: Record<string, unknown> = {}
  for (const name of READ_BY_BROKER) {
    if (!Object.hasOwn(headers, name)) continue
    moved[name] = headers[name]
    delete headers[name]
  }
  const kept = {
    exchange,
    routingKey,
    ...(Object.keys(moved).length === 0 ? {} : { headers: moved }),
    ...(until === undefined ? {} : { until }),
    ...(until === undefined || expiration === undefined ? {} : { expiration }),
  }
  headers[KEPT] = kept
  return {
    ...message,
    headers,
    properties: {
      ...properties,
      ...(userId === user ? { userId } : {}),
      ...(until === undefined && expiration !== undefined ? { expiration } : {}),
    },
  }
}

/** What arrived, without what our wait queues and {@link copyOf} added. */
export function asSent(content: Content): Sent {
  const { headers } = content
  if (!Object.hasOwn(headers, KEPT) && !Object.hasOwn(headers, DEATHS)) return content
  const { [KEPT]: aside, ...rest } = headers
  const kept = tableOf(aside)
  const until = own(kept, 'until')
  return {
    ...content,
    ...texts(kept, ['exchange', 'routingKey']),
    ...(typeof until === 'number' ? { until } : {}),
    headers: withoutOurDeaths(rest, tableOf(own(kept, 'headers'))),
    properties: { ...texts(kept, ['expiration']), ...content.properties },
  }
}

/** A death in a queue of ours is none; those that were kept came before all others. */
function withoutOurDeaths(headers: PlainObject, kept: PlainObject): PlainObject {
  const deaths = [...listOf(own(headers, DEATHS)), ...listOf(own(kept, DEATHS))]
  const left = deaths.filter((death) => !isWaitQueue(own(tableOf(death), 'queue')))
  const result: Record<string, unknown> = { ...headers }
  if (left.length > 0) result[DEATHS] = left
  else if (deaths.length > 0) delete result[DEATHS]
  replaceDeath(result, FIRST_DEATH, left.at(-1))
  // Nothing died after a last death of ours; what died before was kept.
  replaceDeath(result, LAST_DEATH, undefined)
  for (const name of READ_BY_BROKER) {
    if (name !== DEATHS && Object.hasOwn(kept, name)) result[name] = kept[name]
  }
  return result
}

function replaceDeath(headers: Record<string, unknown>, prefix: string, death: unknown): void {
  if (!isWaitQueue(own(headers, `${prefix}queue`))) return
  for (const field of DEATH_FIELDS) {
    const value = own(tableOf(death), field)
    if (value === undefined) delete headers[prefix + field]
    else headers[prefix + field] = value
  }
}

function texts<K extends string>(
  table: PlainObject,
  names: readonly K[],
): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {}
  for (const name of names) {
    const value = own(table, name)
    if (typeof value === 'string') found[name] = value
  }
  return found
}

function tableOf(value: unknown): PlainObject {
  return isPlainObject(value) ? value : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
