/** Remote control on the wire: a request to workers, and the reply of one of them. */

import type { Codec } from './codec.ts'
import { DecodeError } from './errors.ts'
import type { Message, Properties } from './message.ts'
import { isPlainObject, own, type PlainObject } from './plain.ts'

/** Where the replies go. */
export interface ReplyAddress {
  readonly exchange: string
  readonly routingKey: string
}

export interface PidboxRequest {
  /** The name of the command. */
  readonly method: string
  /** Its keyword arguments. */
  readonly arguments: PlainObject
  /** The node names that it is for; null is all. */
  readonly destination: readonly string[] | null
  /** The node names that it is for, as a pattern; without effect beside `destination`. */
  readonly pattern: string | null
  /** How to read the pattern: `glob` or `pcre`. */
  readonly matcher: string | null
  /** Comes back with each reply; null when none is wanted. */
  readonly ticket: string | null
  /** Null when no reply is wanted. */
  readonly replyTo: ReplyAddress | null
}

/** What one worker answers. */
export interface PidboxReply {
  readonly ticket: string | null
  /** By the node's name: mostly `{ ok: … }` or `{ error: … }`. */
  readonly replies: PlainObject
}

/** How to serialize, and what the headers say. */
export interface PidboxOptions {
  readonly codec: Codec
  readonly serializer: string
  /** The sender's Lamport clock. */
  readonly clock: number
}

export interface PidboxRequestOptions extends PidboxOptions {
  /** Seconds since 1970 after which nobody waits for a reply; 0 is never. Workers do not look at it. */
  readonly expires: number
}

/** No name of a node, command or ticket is longer: such a message is not of Celery. */
const MAX_NAME_LENGTH = 1024
/** A node compares its own name with each of them. */
const MAX_DESTINATIONS = 100_000
/** What no clock of a sane peer reaches, and what still counts on by ones. */
const MAX_CLOCK = 2 ** 52

/**
 *     headers     {clock, expires}
 *     properties  delivery_mode 2, priority 0
 *     body        {method, arguments, destination, pattern, matcher[, ticket, reply_to]}
 *
 * @throws EncodeError when the serializer cannot write an argument
 * @see kombu 5.6, pidbox.py, `Mailbox._publish`
 */
export function encodePidboxRequest(
  request: PidboxRequest,
  { clock, expires, ...options }: PidboxRequestOptions,
): Message {
  const { method, arguments: args, destination, pattern, matcher, ticket, replyTo } = request
  const body = { method, arguments: args, destination, pattern, matcher }
  const wanted =
    ticket === null || replyTo === null
      ? {}
      : {
          ticket,
          reply_to: { exchange: replyTo.exchange, routing_key: replyTo.routingKey },
        }
  return encode({ ...body, ...wanted }, { clock, expires }, { deliveryMode: 2 }, options)
}

/**
 *     headers     {ticket, clock}
 *     properties  delivery_mode 1, priority 0
 *     body        {node: reply}
 *
 * @see kombu 5.6, pidbox.py, `Mailbox._publish_reply`
 */
export function encodePidboxReply(
  { ticket, replies }: PidboxReply,
  { clock, ...options }: PidboxOptions,
): Message {
  return encode(replies, { ticket, clock }, { deliveryMode: 1 }, options)
}

/** @throws DecodeError, ContentDisallowed, LimitExceeded */
export function decodePidboxRequest(
  message: Message,
  codec: Codec,
  accept: ReadonlySet<string>,
): PidboxRequest {
  const body = read(message, codec, accept)
  const method = own(body, 'method')
  if (typeof method !== 'string' || method === '' || method.length > MAX_NAME_LENGTH) {
    throw new DecodeError('a remote command needs a name')
  }
  return {
    method,
    arguments: argumentsOf(own(body, 'arguments')),
    destination: destinationOf(own(body, 'destination')),
    pattern: textOf(body, 'pattern'),
    matcher: textOf(body, 'matcher'),
    ticket: textOf(body, 'ticket'),
    replyTo: replyAddress(own(body, 'reply_to')),
  }
}

/** @throws DecodeError, ContentDisallowed, LimitExceeded */
export function decodePidboxReply(
  message: Message,
  codec: Codec,
  accept: ReadonlySet<string>,
): PidboxReply {
  return {
    replies: read(message, codec, accept),
    ticket: textOf(message.headers, 'ticket'),
  }
}

/** The Lamport clock of the sender; 0 when it says none that can be one. */
export function pidboxClock({ headers }: Message): number {
  const clock = own(headers, 'clock')
  return typeof clock === 'number' && Number.isInteger(clock) && clock > 0 && clock < MAX_CLOCK
    ? clock
    : 0
}

function encode(
  body: unknown,
  headers: PlainObject,
  properties: Properties,
  { codec, serializer }: Pick<PidboxOptions, 'codec' | 'serializer'>,
): Message {
  const content = codec.serializers.dumps(body, serializer)
  return { ...content, headers, properties: { ...properties, priority: 0 } }
}

function read(message: Message, codec: Codec, accept: ReadonlySet<string>): PlainObject {
  const body = codec.serializers.loads(message, accept, codec.limits)
  if (!isPlainObject(body)) throw new DecodeError('the body of a remote command is an object')
  return body
}

/** Whatever Python takes for nothing is none. */
function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === false || value === 0
}

function argumentsOf(value: unknown): PlainObject {
  if (isNothing(value)) return {}
  if (!isPlainObject(value)) throw new DecodeError("'arguments' is an object")
  return value
}

function destinationOf(value: unknown): readonly string[] | null {
  if (isNothing(value)) return null
  const names: unknown = typeof value === 'string' ? [value] : value
  if (!Array.isArray(names) || names.length > MAX_DESTINATIONS || !names.every(isText)) {
    throw new DecodeError("'destination' is a list of node names")
  }
  return names.length === 0 ? null : names
}

function replyAddress(value: unknown): ReplyAddress | null {
  if (isNothing(value)) return null
  if (!isPlainObject(value)) throw new DecodeError("'reply_to' is an object")
  const exchange = textOf(value, 'exchange')
  const routingKey = textOf(value, 'routing_key')
  if (exchange === null || routingKey === null) {
    throw new DecodeError("'reply_to' needs an exchange and a routing key")
  }
  return { exchange, routingKey }
}

function textOf(object: PlainObject, name: string): string | null {
  const value = own(object, name)
  if (isNothing(value)) return null
  if (typeof value === 'string' && value.length <= MAX_NAME_LENGTH) return value
  throw new DecodeError(`'${name}' is a text of at most ${MAX_NAME_LENGTH} characters`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
