/** The JSON envelope that carries a message through Redis, where AMQP has a frame of its own. */

import { CeleryError, DecodeError, LimitExceeded } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Message, Properties } from '../message.ts'
import { isPlainObject, own, type PlainObject } from '../plain.ts'
import { dumps, loads } from '../serialization/json.ts'

/** Where an envelope goes. */
export interface EnvelopeAddress {
  /** `''` for the queue that the routing key names. */
  readonly exchange: string
  readonly routingKey: string
  /** Made anew for each publish. */
  readonly deliveryTag: string | number
}

/** An envelope, read. */
export interface Envelope extends EnvelopeAddress {
  readonly message: Message
  /** It was given back, or its consumer was lost. */
  readonly redelivered: boolean
}

/** Wire name of each property to ours, with what it must be. */
const PROPERTIES: Readonly<Record<string, readonly [name: keyof Properties, type: PropertyType]>> =
  {
    correlation_id: ['correlationId', 'string'],
    reply_to: ['replyTo', 'string'],
    app_id: ['appId', 'string'],
    type: ['type', 'string'],
    message_id: ['messageId', 'string'],
    user_id: ['userId', 'string'],
    timestamp: ['timestamp', 'number'],
    delivery_mode: ['deliveryMode', 'mode'],
    expiration: ['expiration', 'string'],
    priority: ['priority', 'number'],
  }

type PropertyType = 'string' | 'number' | 'mode'

const IS: Readonly<Record<PropertyType, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  mode: (value) => value === 1 || value === 2,
}

const KNOWN = new Map(Object.entries(PROPERTIES))
const WIRE_NAMES = new Map(Object.entries(PROPERTIES).map(([wire, [name]]) => [name, wire]))
/** Members of `properties` that are the envelope's own. */
const OWN = new Set(['delivery_info', 'body_encoding', 'delivery_tag'])
/** Written at places of their own, not among the user's. */
const PLACED = new Set<keyof Properties>(['deliveryMode', 'expiration', 'priority', 'extra'])

/** What headers and properties may take beside the body, in characters. */
const HEAD_ROOM = 4 * 1024 * 1024

/**
 * The text that is pushed to the list or published to the channel.
 *
 *     {body, content-encoding, content-type, headers, properties: {
 *       correlation_id, reply_to, the user's own…, delivery_mode, [expiration],
 *       delivery_info: {exchange, routing_key}, priority, body_encoding, delivery_tag}}
 *
 * @see kombu 5.6, transport/virtual/base.py, `prepare_message` and `_inplace_augment_message`
 */
export function encodeEnvelope(message: Message, address: EnvelopeAddress): string {
  const head = dumps({
    'content-encoding': message.contentEncoding || null,
    'content-type': message.contentType || null,
    headers: message.headers,
    properties: wireProperties(message.properties, address),
  })
  // Base64 needs no escapes, and is the largest part by far: it is not walked a second time.
  return `{"body": "${message.body.toString('base64')}", ${head.slice(1)}`
}

function wireProperties(properties: Properties, address: EnvelopeAddress): Record<string, unknown> {
  const wire: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    const wireName = WIRE_NAMES.get(name as keyof Properties)
    if (wireName === undefined || PLACED.has(name as keyof Properties)) continue
    if (value !== undefined) wire[wireName] = value
  }
  for (const [name, value] of Object.entries(properties.extra ?? {})) {
    if (!OWN.has(name) && !Object.hasOwn(wire, name)) wire[name] = value
  }
  wire['delivery_mode'] = properties.deliveryMode ?? 2
  if (properties.expiration !== undefined) wire['expiration'] = properties.expiration
  wire['delivery_info'] = { exchange: address.exchange, routing_key: address.routingKey }
  wire['priority'] = properties.priority ?? 0
  wire['body_encoding'] = 'base64'
  wire['delivery_tag'] = address.deliveryTag
  return wire
}

/**
 * Reads an envelope; one that would end a Celery worker is a {@link DecodeError} that names the member.
 *
 * @throws LimitExceeded when it, or its body, is larger than the limits allow
 */
export function decodeEnvelope(raw: string, limits: Limits): Envelope {
  // Four characters of base64 are three bytes.
  if (raw.length > Math.ceil(limits.maxBodyBytes / 3) * 4 + HEAD_ROOM) {
    throw new LimitExceeded(`an envelope of ${raw.length} characters is larger than the limit`)
  }
  const envelope = mapping(parse(raw, limits), 'the envelope')
  const properties = mapping(own(envelope, 'properties'), 'properties')
  const info = mapping(own(properties, 'delivery_info'), 'properties.delivery_info')
  return {
    message: {
      body: readBody(own(envelope, 'body'), own(properties, 'body_encoding'), limits),
      contentType: text(own(envelope, 'content-type') ?? '', 'content-type'),
      contentEncoding: text(own(envelope, 'content-encoding') ?? '', 'content-encoding'),
      headers: mapping(own(envelope, 'headers') ?? {}, 'headers'),
      properties: readProperties(properties),
    },
    exchange: text(own(info, 'exchange'), 'properties.delivery_info.exchange'),
    routingKey: text(own(info, 'routing_key'), 'properties.delivery_info.routing_key'),
    deliveryTag: readTag(own(properties, 'delivery_tag')),
    redelivered: own(info, 'redelivered') === true,
  }
}

function parse(raw: string, limits: Limits): unknown {
  try {
    return loads(raw, limits)
  } catch (error) {
    if (error instanceof CeleryError && !(error instanceof DecodeError)) throw error
    throw new DecodeError('the envelope is not JSON', { cause: error })
  }
}

/** Base64 unless the sender says that it is plain text. @see kombu 5.6, virtual/base.py, `decode_body` */
function readBody(body: unknown, encoding: unknown, limits: Limits): Buffer {
  const content = text(body, 'body')
  const name = text(encoding ?? 'utf-8', 'properties.body_encoding').toLowerCase()
  if (name !== 'base64' && name !== 'utf-8' && name !== '') {
    throw new DecodeError(`the envelope's body_encoding is neither base64 nor utf-8`)
  }
  const bytes = name === 'base64' ? readBase64(content) : Buffer.from(content, 'utf8')
  if (bytes.length > limits.maxBodyBytes) {
    throw new LimitExceeded(
      `a body of ${bytes.length} bytes is larger than the limit of ${limits.maxBodyBytes}`,
    )
  }
  return bytes
}

/**
 * Standard, padded base64. Python skips signs that are not of the alphabet, such as line ends, and so
 * do we; but not the two of the URL-safe alphabet, which it skips as well and so spoils the body.
 */
function readBase64(content: string): Buffer {
  const bytes = Buffer.from(content, 'base64')
  if (isPlainBase64(content, bytes)) return bytes
  if (/[-_]/.test(content)) throw new DecodeError(`the envelope's body is URL-safe base64`)
  const signs = content.replace(/[^A-Za-z0-9+/=]/g, '')
  if (signs.length % 4 !== 0) throw new DecodeError(`the envelope's body is base64 without padding`)
  return Buffer.from(signs, 'base64')
}

/** Whether nothing was skipped: then the length of the text tells that of the bytes. */
function isPlainBase64(content: string, bytes: Buffer): boolean {
  if (content.length % 4 !== 0 || content.includes('-') || content.includes('_')) return false
  const padding = content.endsWith('==') ? 2 : content.endsWith('=') ? 1 : 0
  return bytes.length === (content.length / 4) * 3 - padding
}

/** A known property of a wrong type is kept among the others: it is not for us to read. */
function readProperties(wire: PlainObject): Properties {
  const properties: Record<string, unknown> = {}
  let extra: Record<string, unknown> | undefined
  for (const name of Object.keys(wire)) {
    const value = wire[name]
    if (OWN.has(name) || value === null) continue
    const known = KNOWN.get(name)
    if (known !== undefined && IS[known[1]](value)) {
      properties[known[0]] = value
    } else {
      // Without a prototype a property may have any name.
      extra ??= Object.create(null) as Record<string, unknown>
      extra[name] = value
    }
  }
  return extra === undefined ? properties : { ...properties, extra }
}

function readTag(tag: unknown): string | number {
  if (typeof tag === 'number' || (typeof tag === 'string' && tag !== '')) return tag
  throw new DecodeError(`the envelope's properties.delivery_tag is neither text nor a number`)
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  throw new DecodeError(`the envelope's ${name} is ${value === undefined ? 'missing' : 'not text'}`)
}

function mapping(value: unknown, name: string): PlainObject {
  if (isPlainObject(value)) return value
  throw new DecodeError(`${name} is ${value === undefined ? 'missing' : 'not an object'}`)
}
