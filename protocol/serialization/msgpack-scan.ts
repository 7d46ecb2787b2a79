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

interface Level {
  readonly isMap: boolean
  /** How many values are still to come; of a map, keys and values. */
  left: number
}

/**
 * Walks the structure without building anything. The decoder reserves room for as many members as
 * an array claims, so each claim is checked against what follows.
 *
 * @throws DecodeError, LimitExceeded
 */
export function scan(body: Buffer, maxDepth: number): Scan {
  const levels: Level[] = [{ isMap: false, left: 1 }]
  const found = { wide: false, bytes: false }
  let at = 0
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (level.left === 0) {
      levels.pop()
      continue
    }
    const head = readHead(body, at)
    if (isKey(level) && head.kind !== 'str') {
      throw new DecodeError('a key in the msgpack body is not a string')
    }
    level.left -= 1
    at = head.start
    if (head.kind === 'array' || head.kind === 'map')
      enter(levels, head, body.length - at, maxDepth)
    else at += head.size
    found.wide ||= head.kind === 'wide'
    found.bytes ||= head.kind === 'bin'
  }
  if (at !== body.length) throw new DecodeError('the msgpack body does not end where it should')
  return found
}

/** Keys and values come by turns. */
function isKey({ isMap, left }: Level): boolean {
  return isMap && left % 2 === 0
}

function enter(levels: Level[], head: Head, remaining: number, maxDepth: number): void {
  levels.push({ isMap: head.kind === 'map', left: members(head, remaining) })
  if (levels.length > maxDepth + 1) {
    throw new LimitExceeded(`the msgpack body nests deeper than ${maxDepth} levels`)
  }
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
