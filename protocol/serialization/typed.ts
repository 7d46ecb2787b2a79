/** kombu's typed values in JSON: `{"__type__": …, "__value__": …}` for what JSON has no type for. */

import { isUtf8 } from 'node:buffer'
import { DecodeError } from '../errors.ts'
import {
  fromLuxon,
  isLuxonDateTime,
  isoformat,
  parseIsoformat,
  parsePlainDate,
  parsePlainTime,
  PlainDate,
  PlainTime,
} from '../python/datetime.ts'
import { Decimal, isDecimalText } from '../python/decimal.ts'
import { spellNumber } from '../python/float.ts'
import { Uuid, uuidHex } from '../python/uuid.ts'

/** A type's marker and its value, which is plain JSON. */
export type Typed = readonly [type: string, value: string | { readonly hex: string }]

/**
 * The typed form of an instance, or undefined when kombu has none for it.
 *
 * @see kombu 5.6, utils/json.py, `JSONEncoder.default` and `_register_default_types`
 */
export function toTyped(value: object): Typed | undefined {
  if (value instanceof Date) return ['datetime', isoformat(value)]
  if (value instanceof Uint8Array) return bytesTyped(value)
  if (value instanceof PlainDate) return ['date', value.toString()]
  if (value instanceof PlainTime) return ['time', value.toString()]
  if (value instanceof Decimal) return ['decimal', value.value]
  if (value instanceof Uuid) return ['uuid', { hex: value.hex }]
  return isLuxonDateTime(value) ? ['datetime', isoformat(fromLuxon(value))] : undefined
}

/**
 * The value of a typed object. A type that we do not know is an error, as in kombu: the sender
 * meant something that the task would not get.
 *
 * @throws DecodeError
 */
export function fromTyped(type: unknown, value: unknown): unknown {
  const decode = typeof type === 'string' ? DECODERS.get(type) : undefined
  if (decode === undefined) throw new DecodeError('a typed JSON value is of an unsupported type')
  const decoded = decode(value)
  if (decoded === undefined) throw new DecodeError(`a JSON value is not a valid ${String(type)}`)
  return decoded
}

type Decoder = (value: unknown) => unknown

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['datetime', ofText(parseIsoformat)],
  ['date', ofText(parsePlainDate)],
  ['time', ofText(parsePlainTime)],
  ['decimal', readDecimal],
  ['uuid', readUuid],
  ['bytes', ofText(readUtf8)],
  ['base64', ofText(readBase64)],
])

function ofText(decode: (text: string) => unknown): Decoder {
  return (value) => (typeof value === 'string' ? decode(value) : undefined)
}

function bytesTyped(value: Uint8Array): Typed {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (isUtf8(bytes)) return ['bytes', bytes.toString('utf8')]
  return ['base64', bytes.toString('base64')]
}

/** A number stands for its shortest digits; Python would take its binary value to the last digit. */
function readDecimal(value: unknown): Decimal | undefined {
  if (typeof value === 'bigint') return new Decimal(value)
  const text = typeof value === 'number' ? spellFinite(value) : value
  if (typeof text !== 'string') return undefined
  const trimmed = text.trim()
  return isDecimalText(trimmed) ? new Decimal(trimmed) : undefined
}

function spellFinite(value: number): string {
  return Number.isFinite(value) ? spellNumber(value) : String(value)
}

/** The arguments of `uuid.UUID`, of which `hex` and `int` make sense in JSON. */
function readUuid(value: unknown): Uuid | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const [member, ...more] = Object.entries(value)
  if (member === undefined || more.length > 0) return undefined
  const [name, content] = member
  if (name === 'hex' && typeof content === 'string') return uuidOf(content)
  if (name !== 'int' || !(typeof content === 'bigint' || Number.isSafeInteger(content))) {
    return undefined
  }
  const digits = BigInt(content).toString(16).padStart(32, '0')
  return uuidOf(digits)
}

function uuidOf(text: string): Uuid | undefined {
  return uuidHex(text) === undefined ? undefined : new Uuid(text)
}

const LONE_SURROGATE = /\p{Cs}/u

/** Python cannot encode a lone surrogate either. */
function readUtf8(text: string): Buffer | undefined {
  return LONE_SURROGATE.test(text) ? undefined : Buffer.from(text, 'utf8')
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const DATA = /[A-Za-z0-9+/]/

/** Characters outside the alphabet are passed over; the padding must be there. */
function readBase64(text: string): Buffer | undefined {
  const plain = text.length % 4 === 0 && BASE64.test(text)
  const data = plain ? text : base64Data(text)
  return data === undefined ? undefined : Buffer.from(data, 'base64')
}

/** @see CPython, Modules/binascii.c, `a2b_base64` without strict mode: padding ends it, once due */
function base64Data(text: string): string | undefined {
  const data: string[] = []
  let pads = 0
  for (const character of text) {
    const place = data.length % 4
    if (character === '=' && place >= 2 && place + (pads += 1) >= 4) return data.join('')
    if (!DATA.test(character)) continue
    pads = 0
    data.push(character)
  }
  return data.length % 4 === 0 ? data.join('') : undefined
}
