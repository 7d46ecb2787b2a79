/** Text and numbers in a pickle, in the spellings of all protocols. */

import { isUtf8 } from 'node:buffer'
import { DecodeError } from '../errors.ts'

/** More digits are no number that anybody counts with; to read them takes quadratic time. */
const MAX_LONG_BYTES = 4096

/** UTF-8 where a lone surrogate is three bytes, too (Python's `surrogatepass`). @throws DecodeError */
export function unicodeText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const parts: string[] = []
  let from = 0
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    const [second = 0, third = 0] = [bytes[at + 1], bytes[at + 2]]
    if (second < 0xa0 || second > 0xbf || third < 0x80 || third > 0xbf) continue
    parts.push(utf8(bytes.subarray(from, at)))
    parts.push(String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f)))
    from = at + 3
  }
  parts.push(utf8(bytes.subarray(from)))
  return parts.join('')
}

function utf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new DecodeError('a pickle has text that is no UTF-8')
  return bytes.toString('utf8')
}

const LONE_SURROGATE = /\p{Cs}/u

export function unicodeBytes(text: string): Buffer {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text, 'utf8')
  return Buffer.concat(Array.from(text, characterBytes))
}

function characterBytes(character: string): Buffer {
  if (!LONE_SURROGATE.test(character)) return Buffer.from(character, 'utf8')
  const code = character.charCodeAt(0)
  return Buffer.from([0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)])
}

/** Protocol 1 spells booleans as integers of two digits. */
export function readInt(line: string): unknown {
  if (line === '01') return true
  return line === '00' ? false : integer(line)
}

export function integer(text: string): number | bigint {
  const digits = text.trim()
  if (!/^[+-]?\d+$/.test(digits)) throw new DecodeError('a pickle has an integer with no digits')
  if (digits.length > MAX_LONG_BYTES * 2) throw new DecodeError('a pickle has too long an integer')
  return narrow(BigInt(digits.replace(/^\+/, '')))
}

/** Two's complement, the lowest byte first. */
export function long(bytes: Buffer): number | bigint {
  if (bytes.length > MAX_LONG_BYTES) throw new DecodeError('a pickle has too long an integer')
  if (bytes.length === 0) return 0
  const digits = Buffer.from(bytes.toReversed()).toString('hex')
  return narrow(BigInt.asIntN(bytes.length * 8, BigInt(`0x${digits}`)))
}

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

const WORDS: ReadonlyMap<string, number> = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
])

export function readFloat(line: string): number {
  const text = line.trim()
  const value = WORDS.get(text) ?? (text === '' ? NaN : Number(text))
  if (Number.isNaN(value) && text !== 'nan') {
    throw new DecodeError('a pickle has a float with no digits')
  }
  return value
}

/** A string of Python 2 as its repr: only plain ones are read. */
export function quoted(line: string): string {
  const [, , text] = /^(['"])(.*)\1\s*$/.exec(line) ?? []
  if (text === undefined || text.includes('\\')) {
    throw new DecodeError('a pickle has a string that celeriac does not read')
  }
  return text
}

/** Python's `raw-unicode-escape`. */
export function rawUnicode(line: string): string {
  return line.replace(
    /\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g,
    (_, short?: string, long_?: string) => {
      const code = Number.parseInt(short ?? long_ ?? '', 16)
      if (code > 0x10ffff) throw new DecodeError('a pickle has text that is no Unicode')
      return String.fromCodePoint(code)
    },
  )
}
