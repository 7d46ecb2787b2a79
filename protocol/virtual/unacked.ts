/** The record of a delivery in hand on Redis, and the envelope as it goes back to its queue. */

import { DecodeError } from '../errors.ts'
import { dumps } from '../serialization/json.ts'

/** What `unacked` holds of one delivery. */
export interface UnackedRecord {
  /** The envelope, as it came from the list. */
  readonly raw: string
  readonly exchange: string
  readonly routingKey: string
}

/** `[envelope, exchange, routing key]`. @see kombu 5.6, transport/redis.py, `QoS.append` */
export function encodeUnacked({ raw, exchange, routingKey }: UnackedRecord): string {
  return `[${raw}, ${dumps(exchange)}, ${dumps(routingKey)}]`
}

/**
 * The record of a message that waits for a time and is in nobody's hand. A blank in front tells it from
 * one whose holder has died: no reader of JSON minds, and a Python worker writes it anew without. It
 * goes back to its queue alone, whatever its exchange would copy it to.
 */
export function encodePostponed(raw: string, queue: string): string {
  return ` ${encodeUnacked({ raw, exchange: '', routingKey: queue })}`
}

/** Whether a record was written by {@link encodePostponed}. */
export function isPostponed(text: string): boolean {
  return text.startsWith(' ')
}

/** Takes a record apart without reading the envelope, which stays the text that it was. */
export function decodeUnacked(text: string): UnackedRecord {
  const [raw, exchange, routingKey, more] = [...elements(text)]
  if (
    raw === undefined ||
    exchange === undefined ||
    routingKey === undefined ||
    more !== undefined
  ) {
    throw new DecodeError('a record of unacked is not a list of three')
  }
  return { raw, exchange: readText(exchange), routingKey: readText(routingKey) }
}

/**
 * The envelope of a message that goes back: `headers.redelivered` and
 * `properties.delivery_info.redelivered` are true, or, when it shall not be marked, no longer so where
 * they were there; all else is the text that it was. What is no
 * envelope is returned unchanged: it was in the queue, and it is not for us to lose it.
 *
 * @see kombu 5.6, transport/redis.py, `_do_restore_message`
 */
export function markRedelivered(raw: string, redelivered: boolean = true): string {
  const mark = redelivered ? isTrue : wasTrue
  const marked = setMember(raw, ['properties', 'delivery_info'], 'redelivered', mark)
  return setMember(marked, ['headers'], 'redelivered', mark)
}

/** What becomes of a header that counts. */
export type Count = 'keep' | 'more' | 'none'

const COUNTS: Readonly<Record<Count, (old: string | undefined) => string | undefined>> = {
  keep: (old) => old,
  more: (old = '') => String((/^\d{1,15}$/.test(old) ? Number(old) : 0) + 1),
  none: (old) => (old === undefined ? undefined : '0'),
}

/** The envelope with one more, or none, in a header that counts, which is absent at first; all else as it was. */
export function countInHeader(raw: string, name: string, count: Count): string {
  return count === 'keep' ? raw : setMember(raw, ['headers'], name, COUNTS[count])
}

function isTrue(): string {
  return 'true'
}

function wasTrue(old: string | undefined): string | undefined {
  return old === undefined ? undefined : 'false'
}

/** Replaces or adds a member of the object at the path, unless the value is undefined; what has no such object stays as it is. */
function setMember(
  text: string,
  path: readonly string[],
  name: string,
  value: (old: string | undefined) => string | undefined,
): string {
  try {
    let at = skipSpace(text, 0)
    for (const step of path) at = find(text, at, step)?.start ?? text.length
    if (text[at] !== '{') return text
    const member = find(text, at, name)
    const next = value(member && text.slice(member.start, member.end))
    if (next === undefined) return text
    if (member !== undefined) return splice(text, member.start, member.end, next)
    const end = skipValue(text, at) - 1
    const empty = skipSpace(text, at + 1) === end
    return splice(text, end, end, `${empty ? '' : ', '}"${name}": ${next}`)
  } catch (error) {
    if (error instanceof DecodeError) return text
    throw error
  }
}

function splice(text: string, start: number, end: number, into: string): string {
  return text.slice(0, start) + into + text.slice(end)
}

interface Span {
  readonly start: number
  readonly end: number
}

/** The value of an object's member; of the last one, when it is there twice. */
function find(text: string, from: number, name: string): Span | undefined {
  if (text[from] !== '{') return undefined
  const key = `"${name}"`
  let found: Span | undefined
  let at = skipSpace(text, from + 1)
  while (text[at] === '"') {
    const keyEnd = skipString(text, at)
    const start = skipSpace(text, skipSign(text, skipSpace(text, keyEnd), ':'))
    const end = skipValue(text, start)
    if (text.startsWith(key, at) && keyEnd - at === key.length) found = { start, end }
    at = skipSpace(text, end)
    if (text[at] !== ',') break
    at = skipSpace(text, at + 1)
  }
  return found
}

function* elements(text: string): Generator<string> {
  let at = skipSpace(text, skipSign(text, skipSpace(text, 0), '['))
  while (text[at] !== ']') {
    const end = skipValue(text, at)
    yield text.slice(at, end)
    at = skipSpace(text, end)
    if (text[at] === ']') break
    at = skipSpace(text, skipSign(text, at, ','))
  }
}

function skipValue(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return skipString(text, from)
  if (first !== '{' && first !== '[') return skipScalar(text, from)
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const sign = text[at]
    if (sign === '"') at = skipString(text, at) - 1
    else if (sign === '{' || sign === '[') depth++
    else if ((sign === '}' || sign === ']') && --depth === 0) return at + 1
  }
  throw notJson()
}

/** To behind the closing quote: the first one that no odd number of backslashes stands before. */
function skipString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return at + 1
  }
  throw notJson()
}

function skipScalar(text: string, from: number): number {
  let at = from
  while (at < text.length && !',]} \t\r\n'.includes(text[at] ?? '')) at++
  if (at === from) throw notJson()
  return at
}

function skipSign(text: string, at: number, sign: string): number {
  if (text[at] !== sign) throw notJson()
  return at + 1
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? '')) at++
  return at
}

function readText(json: string): string {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value === 'string') return value
  } catch (error) {
    throw new DecodeError('a record of unacked is not JSON', { cause: error })
  }
  throw new DecodeError('the exchange or the routing key in a record of unacked is not text')
}

function notJson(): DecodeError {
  return new DecodeError('a record of unacked is not JSON')
}
