/** msgpack as kombu writes it: bytes stay bytes, integers stay integers, no extension types. */

import { decode, Encoder } from '@msgpack/msgpack'
import { DecodeError } from '../errors.ts'
import { scan } from './msgpack-scan.ts'
import { encoding, refuse, toPlain, Unserializable } from './encodable.ts'
import { isPlainObject } from '../plain.ts'
import type { Serializer } from './serializer.ts'
import { toTyped } from './typed.ts'

/** @see kombu 5.6, serialization.py, `register_msgpack`: `packb(use_bin_type=True)`, `unpackb(raw=False)` */
export const msgpack: Serializer = {
  name: 'msgpack',
  contentType: 'application/x-msgpack',
  contentEncoding: 'binary',
  encode: (value) =>
    encoding(() => {
      const packed = ENCODER.encode(toPlain(value, leaf))
      return Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
    }),
  decode: (body, limits) => {
    const { wide, bytes } = scan(body, limits.maxDepth)
    const value = decodeScanned(body, wide)
    return wide || bytes ? revive(value) : value
  },
}

const ENCODER = new Encoder({ useBigInt64: true, maxDepth: 1002 })
const INT32_MIN = -(2 ** 31)
const UINT32_MAX = 2 ** 32 - 1
const INT64_MIN = -(2n ** 63n)
const UINT64_MAX = 2n ** 64n - 1n
const LONE_SURROGATE = /\p{Cs}/u

/**
 * The encoder writes a number beyond 32 bits as a float, and a bigint beyond 64 bits as 0.
 * Dates, decimals and UUIDs are refused, as Python's packer does. -0 goes as the integer 0.
 */
function leaf(value: object | string | number | bigint): unknown {
  if (typeof value === 'number') return numberLeaf(value)
  if (typeof value === 'string') return stringLeaf(value)
  if (typeof value === 'object') return objectLeaf(value)
  if (value >= INT64_MIN && value <= UINT64_MAX) return value
  throw new Unserializable('Integer value out of range: msgpack has 64 bits')
}

function numberLeaf(value: number): number | bigint {
  if (!Number.isSafeInteger(value)) return value
  return value < INT32_MIN || value > UINT32_MAX ? BigInt(value) : value
}

function stringLeaf(value: string): string {
  if (LONE_SURROGATE.test(value)) throw new Unserializable('a lone surrogate is not UTF-8')
  return value
}

function objectLeaf(value: object): unknown {
  if (value instanceof Uint8Array) return value
  if (toTyped(value) !== undefined) throw refuse(value)
  return undefined
}

function decodeScanned(body: Buffer, wide: boolean): unknown {
  try {
    return decode(body, { useBigInt64: wide })
  } catch {
    // Its message may quote a key.
    throw new DecodeError('the msgpack body cannot be read')
  }
}

/** Bigints that fit become numbers again, and bytes Buffers. */
function revive(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
  if (Array.isArray(value)) return value.map(revive)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revive(member)]))
}
