/** A message's content type, headers and properties, as AMQP's basic properties and back. */

import type { DeliveryMode, Message, Properties } from '../../../protocol/message.ts'
import { EncodeError } from '../../errors.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

const CONTENT_TYPE = 0x8000
const CONTENT_ENCODING = 0x4000
const HEADERS = 0x2000
const DELIVERY_MODE = 0x1000
const PRIORITY = 0x0800
const CORRELATION_ID = 0x0400
const REPLY_TO = 0x0200
const EXPIRATION = 0x0100
const MESSAGE_ID = 0x0080
const TIMESTAMP = 0x0040
const TYPE = 0x0020
const USER_ID = 0x0010
const APP_ID = 0x0008
const CLUSTER_ID = 0x0004
/** Another word of flags follows; the protocol has no property for it. */
const MORE = 0x0001

const SHORTSTRS = [
  ['correlationId', CORRELATION_ID],
  ['replyTo', REPLY_TO],
  ['expiration', EXPIRATION],
  ['messageId', MESSAGE_ID],
] as const

const LAST_SHORTSTRS = [
  ['type', TYPE],
  ['userId', USER_ID],
  ['appId', APP_ID],
] as const

/**
 * Flags, then each property that is there, in the order of the flags:
 *
 *     content-type shortstr, content-encoding shortstr, headers table, delivery-mode octet,
 *     priority octet, correlation-id shortstr, reply-to shortstr, expiration shortstr,
 *     message-id shortstr, timestamp longlong, type shortstr, user-id shortstr, app-id shortstr
 *
 * @throws EncodeError, LimitExceeded
 */
export function writeProperties(to: Writer, message: Message): void {
  const { contentType, contentEncoding, properties } = message
  const at = to.offset
  to.short(0)
  let flags = HEADERS
  if (contentType !== '') {
    flags |= CONTENT_TYPE
    to.shortstr(contentType, 'the content type')
  }
  if (contentEncoding !== '') {
    flags |= CONTENT_ENCODING
    to.shortstr(contentEncoding, 'the content encoding')
  }
  to.table(message.headers)
  flags |= writeOctets(to, properties)
  flags |= writeShortstrs(to, properties, SHORTSTRS)
  if (properties.timestamp !== undefined) {
    flags |= TIMESTAMP
    to.longlong(whole(properties.timestamp, Number.MAX_SAFE_INTEGER, 'timestamp'))
  }
  flags |= writeShortstrs(to, properties, LAST_SHORTSTRS)
  to.buffer.writeUInt16BE(flags, at)
}

function writeOctets(to: Writer, { deliveryMode, priority }: Properties): number {
  let flags = 0
  if (deliveryMode !== undefined) {
    flags |= DELIVERY_MODE
    to.octet(whole(deliveryMode, 2, 'deliveryMode'))
  }
  if (priority !== undefined) {
    flags |= PRIORITY
    to.octet(whole(priority, 255, 'priority'))
  }
  return flags
}

function writeShortstrs(
  to: Writer,
  properties: Properties,
  table: typeof SHORTSTRS | typeof LAST_SHORTSTRS,
): number {
  let flags = 0
  for (const [name, flag] of table) {
    const value = properties[name]
    if (value === undefined) continue
    flags |= flag
    to.shortstr(value, `the property ${name}`)
  }
  return flags
}

function whole(value: number, max: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new EncodeError(`the property ${name} must be a whole number from 0 to ${max}`)
}

/** What a content header says of its message, without the body. */
export type Content = Omit<Message, 'body'>

/**
 * The reverse of {@link writeProperties}.
 *
 * @throws DecodeError, LimitExceeded
 */
export function readProperties(from: Reader): Content {
  const flags = from.short()
  for (let more = flags; more & MORE;) more = from.short()
  const shortstr = (flag: number): string | undefined =>
    flags & flag ? from.shortstr() : undefined
  // Each read moves on: the order of these lines is the order on the wire.
  const contentType = shortstr(CONTENT_TYPE) ?? ''
  const contentEncoding = shortstr(CONTENT_ENCODING) ?? ''
  const headers = flags & HEADERS ? from.table() : {}
  const deliveryMode = flags & DELIVERY_MODE ? (from.octet() as DeliveryMode) : undefined
  const priority = flags & PRIORITY ? from.octet() : undefined
  const properties: { -readonly [K in keyof Properties]: Properties[K] } = {}
  if (deliveryMode !== undefined) properties.deliveryMode = deliveryMode
  if (priority !== undefined) properties.priority = priority
  readShortstrs(from, flags, SHORTSTRS, properties)
  if (flags & TIMESTAMP) properties.timestamp = from.longlong()
  readShortstrs(from, flags, LAST_SHORTSTRS, properties)
  shortstr(CLUSTER_ID)
  return { contentType, contentEncoding, headers, properties }
}

function readShortstrs(
  from: Reader,
  flags: number,
  table: typeof SHORTSTRS | typeof LAST_SHORTSTRS,
  properties: { -readonly [K in keyof Properties]: Properties[K] },
): void {
  for (const [name, flag] of table) {
    if (flags & flag) properties[name] = from.shortstr()
  }
}
