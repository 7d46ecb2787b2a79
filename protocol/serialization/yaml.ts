/** YAML 1.1 as PyYAML's `safe_load` and `safe_dump` know it; no tags that build objects. */

import {
  DEFAULT_SCALAR_STYLE_RULES,
  defineScalarTag,
  dump,
  intYaml11Tag,
  load,
  NOT_RESOLVED,
  SCALAR_STYLE,
  timestampTag,
  floatYaml11Tag,
  YAML11_SCHEMA,
  YAMLException,
  type ScalarLayout,
} from 'js-yaml'
import { DecodeError, LimitExceeded } from '../errors.ts'
import type { Limits } from '../limits.ts'
import {
  fromLuxon,
  isLuxonDateTime,
  isoformat,
  parseIsoformat,
  PlainDate,
} from '../python/datetime.ts'
import { spellNumber } from '../python/float.ts'
import { bodyText } from './json.ts'
import { encoding, refuse, toPlain } from './encodable.ts'
import { isPlainObject, type PlainObject } from '../plain.ts'
import type { Serializer } from './serializer.ts'
import { toTyped } from './typed.ts'

/**
 * The same text as `yaml.safe_dump` for plain data. It differs, and PyYAML reads it as the same
 * value, where PyYAML folds lines at 80 columns, quotes lines that break, ends a lone scalar with
 * `...`, and names repeated objects with anchors.
 *
 * @see kombu 5.6, serialization.py, `register_yaml`
 */
export const yaml: Serializer = {
  name: 'yaml',
  contentType: 'application/x-yaml',
  contentEncoding: 'utf-8',
  encode: (value) =>
    Buffer.from(
      encoding(() => dumpText(value)),
      'latin1',
    ),
  decode: (body, limits) => {
    const text = bodyText(body)
    const value = loadText(text, limits)
    return new Reviver(limits, body.length).revive(value, 0)
  },
}

/** PyYAML refuses decimals, UUIDs and times of day; so do we, before `toJSON` turns them to text. */
function leaf(value: object | string | number | bigint): unknown {
  if (typeof value !== 'object') return value
  if (value instanceof Date || value instanceof PlainDate) return value
  if (value instanceof Uint8Array) return value
  if (isLuxonDateTime(value)) return fromLuxon(value)
  if (toTyped(value) !== undefined) throw refuse(value)
  return undefined
}

/** Integers keep their digits. */
const intTag = defineScalarTag<number | bigint>(intYaml11Tag.tagName, {
  implicit: true,
  implicitFirstChars: intYaml11Tag.implicitFirstChars,
  resolve: (source, isExplicit, tagName) => {
    const value = intYaml11Tag.resolve(source, isExplicit, tagName)
    if (value === NOT_RESOLVED || Number.isSafeInteger(value)) return value
    return bigInteger(source) ?? NOT_RESOLVED
  },
  identify: (value) => typeof value === 'bigint' || (isInt(value) && !Object.is(value, -0)),
  represent: String,
})

/** @see PyYAML, representer.py, `represent_float`: YAML 1.1 wants a point in a float */
const floatTag = defineScalarTag<number>(floatYaml11Tag.tagName, {
  ...floatYaml11Tag,
  identify: (value) => typeof value === 'number' && (!isInt(value) || Object.is(value, -0)),
  represent: (value: number) => {
    if (!Number.isFinite(value)) return floatYaml11Tag.represent(value)
    const text = spellNumber(value)
    return text.includes('.') ? text : text.replace('e', '.0e')
  },
})

/** Dates and datetimes, with microseconds and offset. */
const datetimeTag = defineScalarTag<Date | PlainDate>(timestampTag.tagName, {
  implicit: true,
  implicitFirstChars: timestampTag.implicitFirstChars,
  resolve: (source, isExplicit, tagName) => {
    const value = timestampTag.resolve(source, isExplicit, tagName)
    return value === NOT_RESOLVED ? value : timestamp(source)
  },
  identify: (value) => value instanceof Date || value instanceof PlainDate,
  represent: (value: Date | PlainDate) =>
    value instanceof Date ? isoformat(value).replace('T', ' ') : value.toString(),
})

const SCHEMA = YAML11_SCHEMA.withTags(intTag, floatTag, datetimeTag)
const NOT_ASCII = /[\x7f-\u{10ffff}]/u
const EVERY_NOT_ASCII = /[\x7f-\u{10ffff}]/gu

/** PyYAML writes ASCII alone; only double quotes can hold an escape. */
function doubleQuoteNotAscii(layout: ScalarLayout): void {
  if (NOT_ASCII.test(layout.node.value)) layout.style = SCALAR_STYLE.DOUBLE_QUOTED
}

function dumpText(value: unknown): string {
  const text = dump(toPlain(value, leaf), {
    schema: SCHEMA,
    noRefs: true,
    sortKeys: true,
    seqNoIndent: true,
    lineWidth: -1,
    scalarStyleRules: [doubleQuoteNotAscii, ...Object.values(DEFAULT_SCALAR_STYLE_RULES)],
  })
  return text.replace(EVERY_NOT_ASCII, escape)
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16).toUpperCase()
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

function loadText(text: string, limits: Limits): unknown {
  // PyYAML takes nothing at all for None.
  if (text.trim() === '') return null
  try {
    return load(text, { schema: SCHEMA, json: true, maxDepth: limits.maxDepth })
  } catch (error) {
    if (error instanceof DecodeError) throw error
    // The message shows a piece of the body; the place alone is enough.
    const line = error instanceof YAMLException ? error.mark?.line : undefined
    const place = line === undefined ? '' : ` (line ${line + 1})`
    throw new DecodeError(`the body is not valid YAML${place}`)
  }
}

/** Members that a small body may still expand to by aliases. */
const FREE_MEMBERS = 10_000

/**
 * Goes over what was loaded: bytes become Buffers, `__proto__` is refused, and aliases are counted
 * as often as they stand there. Nine lines of aliases make a thousand million members.
 */
class Reviver {
  readonly #limits: Limits
  #members: number

  constructor(limits: Limits, bodyBytes: number) {
    this.#limits = limits
    this.#members = Math.max(bodyBytes, FREE_MEMBERS)
  }

  revive(value: unknown, depth: number): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (depth >= this.#limits.maxDepth + 1) throw new LimitExceeded('the YAML body nests too deep')
    if (value instanceof Uint8Array) return bufferOf(value)
    const parts = Array.isArray(value) ? value : Object.keys(value)
    this.#members -= parts.length + 1
    if (this.#members < 0) throw new LimitExceeded('the YAML body expands to too many members')
    if (Array.isArray(value)) return value.map((item) => this.revive(item, depth + 1))
    return isPlainObject(value) ? this.#reviveMembers(value, depth) : value
  }

  #reviveMembers(value: PlainObject, depth: number): unknown {
    const copy: Record<string, unknown> = {}
    for (const [key, member] of Object.entries(value)) {
      if (key === '__proto__') throw new DecodeError('the body has a key __proto__')
      copy[key] = this.revive(member, depth + 1)
    }
    return copy
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isInt(value: unknown): boolean {
  return Number.isSafeInteger(value)
}

/** Beyond 2^53; binary, octal and hexadecimal as YAML 1.1 writes them, the sign in front. */
function bigInteger(source: string): bigint | undefined {
  const digits = source.replaceAll('_', '').replace(/^[-+]/, '')
  const text = /^0[0-7]+$/.test(digits) ? `0o${digits}` : digits
  if (!/^(?:0[box])?[0-9a-f]{1,4300}$/i.test(text)) return undefined
  return source.startsWith('-') ? -BigInt(text) : BigInt(text)
}

const TIMESTAMP =
  /^(\d{4})-(\d\d?)-(\d\d?)[Tt \t]+(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:Z|([-+])(\d\d?)(?::(\d\d))?))?$/

/** @see PyYAML, constructor.py, `construct_yaml_timestamp` */
function timestamp(source: string): Date | PlainDate {
  const match = TIMESTAMP.exec(source)
  if (match === null) {
    const { year, month, day } = parseIsoformat(source).fields
    return new PlainDate(year, month, day)
  }
  const [month, day, hour, offsetHour] = [2, 3, 4, 9].map((group) => match[group]?.padStart(2, '0'))
  const fraction = match[7] === undefined || match[7] === '' ? '' : `.${match[7]}`
  const offset = offsetHour === undefined ? '' : `${match[8]}${offsetHour}:${match[10] ?? '00'}`
  const zone = source.endsWith('Z') ? '+00:00' : offset
  const time = `${hour}:${match[5]}:${match[6]}${fraction}${zone}`
  return parseIsoformat(`${match[1]}-${month}-${day}T${time}`)
}
