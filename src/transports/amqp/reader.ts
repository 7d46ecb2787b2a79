/** Reads AMQP's types and field tables, with every type letter that other clients write. */

import { DecodeError, LimitExceeded } from '../../errors.ts'

/** The deepest nesting, and the most values in all, of a table that is read or written. */
const MAX_TABLE_DEPTH = 32
const MAX_TABLE_VALUES = 1_000

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
