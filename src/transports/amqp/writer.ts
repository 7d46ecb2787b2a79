/** Writes AMQP's types and field tables, in the subset that py-amqp and RabbitMQ read alike. */

import { EncodeError, LimitExceeded } from '../../errors.ts'

/** The deepest nesting, and the most values in all, of a table that is read or written. */
const MAX_TABLE_DEPTH = 32
const MAX_TABLE_VALUES = 1_000

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
