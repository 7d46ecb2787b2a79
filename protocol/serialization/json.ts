/** kombu's JSON: Python's spelling to the byte, typed values, big integers, NaN and infinities. */

import { isAscii, isUtf8 } from 'node:buffer'
import { parse as parseLossless } from 'lossless-json'
import { DecodeError } from '../errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { spellNumber } from '../python/float.ts'
import { checkDepth, endOfString } from './depth.ts'
import { encoding, hasToJson, MAX_ENCODE_DEPTH, refuse, refuseDepth, within } from './encodable.ts'
import { isPlainObject, type PlainObject } from '../plain.ts'
import type { Serializer } from './serializer.ts'
import { fromTyped, toTyped, type Typed } from './typed.ts'

export const json: Serializer = {
  name: 'json',
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  encode: (value) => Buffer.from(dumps(value), 'latin1'),
  decode: (body, limits) => loads(bodyText(body), limits),
}

/** The text of a body that must be UTF-8. @throws DecodeError */
export function bodyText(body: Buffer): string {
  if (isAscii(body)) return body.toString('latin1')
  if (!isUtf8(body)) throw new DecodeError('the body is not valid UTF-8')
  return body.toString('utf8')
}

/**
 * As Python's `json.dumps` writes it: `", "` and `": "`, ASCII only. One difference: JavaScript
 * keeps keys that look like integers first, so their order is not the sender's.
 *
 * @throws EncodeError that names where the value lies that cannot be written
 */
export function dumps(value: unknown): string {
  return encoding(() => encode(value, 0))
}

function encode(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      return spellAny(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return value.toString()
    case 'object':
      return value === null ? 'null' : encodeObject(value, depth)
    case 'undefined':
      return 'null'
    case 'function':
    case 'symbol':
    default:
      throw refuse(value)
  }
}

function encodeObject(value: object, depth: number): string {
  if (depth > MAX_ENCODE_DEPTH) throw refuseDepth()
  if (Array.isArray(value)) return encodeList(value, depth + 1)
  const plain = isPlainObject(value)
  const typed = plain ? undefined : toTyped(value)
  if (typed !== undefined) return encodeTyped(typed)
  if (hasToJson(value)) return encode(value.toJSON(), depth + 1)
  if (!plain) throw refuse(value)
  return encodeMembers(value, depth + 1)
}

function encodeList(list: readonly unknown[], depth: number): string {
  let text = '['
  let index = 0
  try {
    for (; index < list.length; index += 1) {
      text += index === 0 ? encode(list[index], depth) : `, ${encode(list[index], depth)}`
    }
  } catch (error) {
    throw within(error, index)
  }
  return `${text}]`
}

function encodeMembers(value: PlainObject, depth: number): string {
  let text = '{'
  let key = ''
  try {
    for (key of Object.keys(value)) {
      const member = value[key]
      if (member === undefined) continue
      text += `${text.length === 1 ? '' : ', '}${quote(key)}: ${encode(member, depth)}`
    }
  } catch (error) {
    throw within(error, key)
  }
  return `${text}}`
}

function encodeTyped([type, value]: Typed): string {
  const text = typeof value === 'string' ? quote(value) : `{"hex": ${quote(value.hex)}}`
  return `{"__type__": "${type}", "__value__": ${text}}`
}

/** Anything but printable ASCII without the quote and the backslash. */
const ODD = /[^ !#-[\]-~]/
const NOT_ASCII = /[\x7f-\uffff]/g

/** `JSON.stringify` escapes what is below a blank, and lone surrogates, just as Python does. */
function quote(text: string): string {
  if (!ODD.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(NOT_ASCII, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The bare words are not JSON, but Python writes and reads them. */
function spellAny(value: number): string {
  if (Number.isFinite(value)) return spellNumber(value)
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? 'Infinity' : '-Infinity'
}

/** A name that must be looked at after parsing, as itself or behind an escape of its letters. */
const SUSPECT = /__(?:type|proto)__|\\u00[4-7]/
/** Sixteen digits may be more than a number can hold. */
const LONG_NUMBER = /\d{16}/

/**
 * As kombu's `loads`: typed values at every depth become what they stand for, an integer beyond
 * 2^53 a bigint, bare `NaN` and `Infinity` numbers. Text with nothing of the kind in it goes
 * through `JSON.parse` alone.
 *
 * @throws DecodeError without a word of the text; LimitExceeded when it nests too deep
 */
export function loads(text: string, limits: Limits = DEFAULT_LIMITS): unknown {
  checkDepth(text, limits.maxDepth)
  const value = LONG_NUMBER.test(text) ? parseExact(text) : parse(text)
  return SUSPECT.test(text) ? revive(value) : value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (text.includes('NaN') || text.includes('Infinity')) return parseExact(text)
    throw syntaxError(error)
  }
}

function parseExact(text: string): unknown {
  const parseOptions = { parseNumber, onDuplicateKey: lastWins }
  try {
    return parseLossless(nonFiniteAsNumbers(text), null, parseOptions)
  } catch (error) {
    throw error instanceof DecodeError ? error : syntaxError(error)
  }
}

function lastWins({ newValue }: { readonly newValue: unknown }): unknown {
  return newValue
}

/** Where it broke, but not on what: V8 and the parser both quote the text. */
function syntaxError(error: unknown): DecodeError {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
  const place = position === undefined ? '' : ` at position ${position}`
  return new DecodeError(`the body is not valid JSON${place}`)
}

/** Spellings of zero that nobody uses, for the three numbers that have none in JSON. */
const NON_FINITE: ReadonlyMap<string, string> = new Map([
  ['NaN', '-0e-0001 '],
  ['Infinity', '-0e-0002 '],
  ['-Infinity', '-0e-0003 '],
])
const NON_FINITE_VALUES: ReadonlyMap<string, number> = new Map([
  ['-0e-0001', NaN],
  ['-0e-0002', Infinity],
  ['-0e-0003', -Infinity],
])

/** One pass over the text: strings are skipped, bare words replaced. */
function nonFiniteAsNumbers(text: string): string {
  if (!text.includes('NaN') && !text.includes('Infinity')) return text
  const token = /"|NaN|-?Infinity/g
  let result = ''
  let done = 0
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const number = NON_FINITE.get(match[0])
    if (number === undefined) {
      token.lastIndex = endOfString(text, match.index)
      continue
    }
    result += text.slice(done, match.index) + number
    done = token.lastIndex
  }
  return result + text.slice(done)
}

const INTEGER = /^-?\d+$/
/** @see CPython, `sys.int_info.default_max_str_digits`: Python refuses longer integers too */
const MAX_DIGITS = 4300

function parseNumber(text: string): number | bigint {
  const nonFinite = NON_FINITE_VALUES.get(text)
  if (nonFinite !== undefined) return nonFinite
  const value = Number(text)
  if (Number.isSafeInteger(value) || !INTEGER.test(text)) return value
  if (text.length > MAX_DIGITS) throw new DecodeError('the body has an integer of too many digits')
  return BigInt(text)
}

/** Innermost first, as Python's object hook. What was just parsed is ours to change. */
function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) value[index] = revive(value[index])
    return value
  }
  return reviveObject(value)
}

function reviveObject(value: object): unknown {
  const members = value as Record<string, unknown>
  const keys = Object.keys(members)
  for (const key of keys) {
    if (key === '__proto__') throw new DecodeError('the body has a key __proto__')
    members[key] = revive(members[key])
  }
  const typed = keys.length === 2 && Object.hasOwn(members, '__type__')
  if (!typed || !Object.hasOwn(members, '__value__')) return value
  return fromTyped(members['__type__'], members['__value__'])
}
