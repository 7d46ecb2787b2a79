/** Looks over msgpack bytes before they are decoded: whole, shallow, and of types we read. */

import { DecodeError, LimitExceeded } from '../errors.ts'

/** What the decoded value will hold that needs work afterwards. */
export interface Scan {
  /** Integers of 64 bits. */
  readonly wide: boolean
  readonly bytes: boolean
}

/** How many bytes of length or value follow each head byte from 0xc0, and what they tell. */
type Kind = 'value' | 'wide' | 'str' | 'bin' | 'array' | 'map' | 'refused'

/**
 *     c0 nil  c2 false  c3 true  c4-c6 bin  c7-c9 ext  ca-cb float  cc-cf uint  d0-d3 int
 *     d4-d8 fixext  d9-db str  dc-dd array  de-df map
 */
const HEADS: readonly (readonly [kind: Kind, size: number])[] = [
  ...([
    ['value', 0],
    ['refused', 0],
    ['value', 0],
    ['value', 0],
  ] as const),
  ...([
    ['bin', 1],
    ['bin', 2],
    ['bin', 4],
  ] as const),
  ...([
    ['refused', 0],
    ['refused', 0],
    ['refused', 0],
  ] as const),
  ...([
    ['value', 4],
    ['value', 8],
  ] as const),
  ...([
    ['value', 1],
    ['value', 2],
    ['value', 4],
    ['wide', 8],
  ] as const),
  ...([
    ['value', 1],
    ['value', 2],
    ['value', 4],
    ['wide', 8],
  ] as const),
  ...([
    ['refused', 0],
    ['refused', 0],
    ['refused', 0],
    ['refused', 0],
    ['refused', 0],
  ] as const),
  ...([
    ['str', 1],
    ['str', 2],
    ['str', 4],
  ] as const),
  ...([
    ['array', 2],
    ['array', 4],
  ] as const),
  ...([
    ['map', 2],
    ['map', 4],
  ] as const),
]

interface Head {
  readonly kind: Kind
  /** Bytes of a scalar, of a string; members of an array or a map. */
  readonly size: number
  /** Where the contents begin. */
  readonly start: number
}

/**
 * Walks the structure without building anything. The decoder reserves room for as many members as
 * an array claims, so each claim is checked against what follows.
 *
 * @throws DecodeError, LimitExceeded
 */
export function scan(body: Buffer, maxDepth: number): Scan {
  /** How many values are still to come at each level, and whether the level is a map. */
  const left = [1]
  const maps = [false]
  const found = { wide: false, bytes: false }
  let at = 0
  while (left.length > 0) {
    const level = left.length - 1
    const rest = left[level] ?? 0
    if (rest === 0) {
      left.pop()
      maps.pop()
      continue
    }
    left[level] = rest - 1
    const head = readHead(body, at)
    // The members of a map are keys and values by turns.
    if (maps[level] === true && rest % 2 === 0 && head.kind !== 'str') {
      throw new DecodeError('a key in the msgpack body is not a string')
    }
    at = head.start
    if (head.kind === 'array' || head.kind === 'map') {
      left.push(members(head, body.length - at))
      maps.push(head.kind === 'map')
      if (left.length > maxDepth + 1) {
        throw new LimitExceeded(`the msgpack body nests deeper than ${maxDepth} levels`)
      }
      continue
    }
    at += head.size
    found.wide ||= head.kind === 'wide'
    found.bytes ||= head.kind === 'bin'
  }
  if (at !== body.length) throw new DecodeError('the msgpack body does not end where it should')
  return found
}

function members({ kind, size }: Head, remaining: number): number {
  const count = kind === 'map' ? size * 2 : size
  if (count > remaining) throw new DecodeError('the msgpack body claims more than it holds')
  return count
}

function readHead(body: Buffer, at: number): Head {
  const byte = body[at]
  if (byte === undefined) throw new DecodeError('the msgpack body is cut short')
  const start = at + 1
  if (byte < 0x80 || byte >= 0xe0) return { kind: 'value', size: 0, start }
  if (byte < 0x90) return { kind: 'map', size: byte & 0x0f, start }
  if (byte < 0xa0) return { kind: 'array', size: byte & 0x0f, start }
  if (byte < 0xc0) return { kind: 'str', size: byte & 0x1f, start }
  const [kind, size] = HEADS[byte - 0xc0] ?? ['refused', 0]
  if (kind === 'refused') throw new DecodeError('the msgpack body has an extension type')
  if (kind === 'value' || kind === 'wide') return { kind, size, start }
  if (start + size > body.length) throw new DecodeError('the msgpack body is cut short')
  return { kind, size: body.readUIntBE(start, size), start: start + size }
}
