/** AMQP field tables, the encoding of message headers, in the subset that py-amqp and RabbitMQ read alike. */

import { DecodeError, EncodeError, LimitExceeded } from '../../errors.ts'

/** The deepest nesting, and the most values in all, of a table that is read or written. */
export const MAX_TABLE_DEPTH = 32
export const MAX_TABLE_VALUES = 1_000

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** Writes AMQP's primitive types into one buffer that it does not outgrow. */
export class Writer {
  readonly buffer: Buffer
  offset = 0
  #values = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }

  reset(): void {
    this.offset = 0
    this.#values = 0
  }

  #reserve(size: number): number {
    const at = this.offset
    if (at + size > this.buffer.length) {
      throw new LimitExceeded(
        `the headers and properties of a message take more than one AMQP frame (${this.buffer.length} bytes): ` +
          'put large values into the arguments, or shorten argsrepr and kwargsrepr',
      )
    }
    this.offset = at + size
    return at
  }

  octet(value: number): void {
    this.buffer[this.#reserve(1)] = value
  }

  short(value: number): void {
    this.buffer.writeUInt16BE(value, this.#reserve(2))
  }

  long(value: number): void {
    this.buffer.writeUInt32BE(value, this.#reserve(4))
  }

  longlong(value: number): void {
    const at = this.#reserve(8)
    this.buffer.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at)
    this.buffer.writeUInt32BE(value % 0x1_0000_0000, at + 4)
  }

  /** Up to 255 bytes, with its length in front. */
  shortstr(value: string, what: string): void {
    const length = Buffer.byteLength(value)
    if (length > 255) {
      throw new EncodeError(`${what} takes ${length} bytes; AMQP allows 255`)
    }
    const at = this.#reserve(1 + length)
    this.buffer[at] = length
    this.buffer.write(value, at + 1)
  }

  #longstr(value: string): void {
    const length = Buffer.byteLength(value)
    const at = this.#reserve(4 + length)
    this.buffer.writeUInt32BE(length, at)
    this.buffer.write(value, at + 4)
  }

  /** `long-uint` of what `write` adds after it. */
  #sized(write: () => void): void {
    const at = this.#reserve(4)
    write()
    this.buffer.writeUInt32BE(this.offset - at - 4, at)
  }

  /** A table with its length; keys whose value is undefined are left out, as in JSON. */
  table(table: object, depth = 0): void {
    this.#sized(() => {
      for (const [key, value] of Object.entries(table)) {
        if (value === undefined) continue
        this.shortstr(key, `the header name ${key.slice(0, 20)}…`)
        this.value(value, depth)
      }
    })
  }

  /**
   * One value with its type letter. Integers are `I` or `L` only: py-amqp misreads the shorter ones.
   *
   * @see py-amqp 5.3, amqp/serialization.py, `_write_item` and `_read_item`
   */
  value(value: unknown, depth = 0): void {
    this.#values += 1
    if (depth > MAX_TABLE_DEPTH || this.#values > MAX_TABLE_VALUES) {
      throw new LimitExceeded(
        `headers may have ${MAX_TABLE_VALUES} values and ${MAX_TABLE_DEPTH} levels at most`,
      )
    }
    this.#scalar(value, depth)
  }

  #scalar(value: unknown, depth: number): void {
    if (typeof value === 'string') {
      this.octet(0x53) // S
      this.#longstr(value)
    } else if (typeof value === 'number') {
      this.#number(value)
    } else if (typeof value === 'bigint') {
      this.#int64(value)
    } else if (typeof value === 'boolean') {
      this.octet(0x74) // t
      this.octet(value ? 1 : 0)
    } else if (value === null || value === undefined) {
      this.octet(0x56) // V; undefined is an element of a list
    } else if (typeof value === 'object') {
      this.#object(value, depth)
    } else {
      throw new EncodeError(`a header cannot hold a ${typeof value}`)
    }
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Object.is(value, -0)) {
      this.octet(0x64) // d
      this.buffer.writeDoubleBE(value, this.#reserve(8))
    } else if (value >= -0x8000_0000 && value <= 0x7fff_ffff) {
      this.octet(0x49) // I
      this.buffer.writeInt32BE(value, this.#reserve(4))
    } else if (Number.isSafeInteger(value)) {
      this.#int64(BigInt(value))
    } else {
      this.octet(0x64) // d: it was a float before it was an integer
      this.buffer.writeDoubleBE(value, this.#reserve(8))
    }
  }

  #int64(value: bigint): void {
    if (value < INT64_MIN || value > INT64_MAX) {
      throw new EncodeError('an integer in a header must fit into 64 bits: send it as a string')
    }
    this.octet(0x4c) // L
    this.buffer.writeBigInt64BE(value, this.#reserve(8))
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.octet(0x41) // A
      return this.#sized(() => {
        for (const item of value) this.value(item, depth + 1)
      })
    }
    if (value instanceof Uint8Array) {
      this.octet(0x78) // x
      this.long(value.length)
      this.buffer.set(value, this.#reserve(value.length))
      return
    }
    if (value instanceof Date) {
      this.octet(0x54) // T, whole seconds
      return this.longlong(Math.floor(value.getTime() / 1000))
    }
    if (!isPlain(value)) {
      throw new EncodeError(`a header cannot hold a ${value.constructor.name}: send it as a string`)
    }
    this.octet(0x46) // F
    this.table(value, depth + 1)
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** Reads AMQP's primitive types; every read past the end is a DecodeError. */
export class Reader {
  readonly #buffer: Buffer
  offset: number
  #values = 0

  constructor(buffer: Buffer, offset = 0) {
    this.#buffer = buffer
    this.offset = offset
  }

  #advance(size: number): number {
    const at = this.offset
    if (at + size > this.#buffer.length) throw new DecodeError('an AMQP header table is cut off')
    this.offset = at + size
    return at
  }

  octet(): number {
    return this.#buffer.readUInt8(this.#advance(1))
  }

  short(): number {
    return this.#buffer.readUInt16BE(this.#advance(2))
  }

  long(): number {
    return this.#buffer.readUInt32BE(this.#advance(4))
  }

  longlong(): number {
    return Number(this.#buffer.readBigUInt64BE(this.#advance(8)))
  }

  /** The next bytes, not copied. */
  take(size: number): Buffer {
    const at = this.#advance(size)
    return this.#buffer.subarray(at, at + size)
  }

  text(length: number): string {
    const at = this.#advance(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  shortstr(): string {
    return this.text(this.octet())
  }

  /** Hostile keys such as `__proto__` become own properties like any other. */
  table(depth = 0): Record<string, unknown> {
    const table: Record<string, unknown> = {}
    const end = this.#end()
    while (this.offset < end) {
      const key = this.shortstr()
      const value = this.value(depth)
      if (key === '__proto__') {
        const own = { value, enumerable: true, configurable: true, writable: true }
        Object.defineProperty(table, key, own)
      } else {
        table[key] = value
      }
    }
    return table
  }

  array(depth: number): unknown[] {
    const array: unknown[] = []
    const end = this.#end()
    while (this.offset < end) array.push(this.value(depth))
    return array
  }

  #end(): number {
    const length = this.long()
    const end = this.offset + length
    if (end > this.#buffer.length) throw new DecodeError('an AMQP header table is cut off')
    return end
  }

  value(depth = 0): unknown {
    this.#values += 1
    if (depth > MAX_TABLE_DEPTH || this.#values > MAX_TABLE_VALUES) {
      throw new LimitExceeded(
        `the headers have more than ${MAX_TABLE_VALUES} values or ${MAX_TABLE_DEPTH} levels`,
      )
    }
    const read = READ.get(this.octet())
    if (read === undefined) throw new DecodeError('an AMQP header has an unknown type')
    return read(this, depth)
  }
}

type Read = (from: Reader, depth: number) => unknown

/**
 * The type letters that RabbitMQ and py-amqp know. Where they differ (`s` is a short integer to one
 * and a short string to the other) RabbitMQ's reading is taken.
 *
 * @see https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3
 */
const TYPES: Readonly<Record<string, Read>> = {
  S: (from) => from.text(from.long()),
  x: (from) => Buffer.from(from.take(from.long())),
  t: (from) => from.octet() !== 0,
  b: (from) => from.take(1).readInt8(),
  B: (from) => from.octet(),
  s: (from) => from.take(2).readInt16BE(),
  U: (from) => from.take(2).readInt16BE(),
  u: (from) => from.short(),
  I: (from) => from.take(4).readInt32BE(),
  i: (from) => from.long(),
  l: (from) => integer(from.take(8).readBigInt64BE()),
  L: (from) => integer(from.take(8).readBigInt64BE()),
  f: (from) => from.take(4).readFloatBE(),
  d: (from) => from.take(8).readDoubleBE(),
  D: (from) => decimal(from.octet(), from.take(4).readInt32BE()),
  T: (from) => timestamp(from.longlong()),
  F: (from, depth) => from.table(depth + 1),
  A: (from, depth) => from.array(depth + 1),
  V: () => null,
}

const READ: ReadonlyMap<number, Read> = new Map(
  Object.entries(TYPES).map(([letter, read]) => [letter.charCodeAt(0), read]),
)

/** An integer, as a number as long as none of its digits is lost. */
function integer(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function decimal(places: number, digits: number): number {
  return Number(`${digits}e-${places}`)
}

/** Beyond what a Date can hold it stays a number of seconds. */
function timestamp(seconds: number): Date | number {
  return seconds > 8_640_000_000_000 ? seconds : new Date(seconds * 1000)
}
