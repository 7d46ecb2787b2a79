/** Writes plain values as a pickle that every Python 3 reads (protocol 4). */

import {
  fromLuxon,
  isLuxonDateTime,
  PlainDate,
  PlainTime,
  PythonDateTime,
} from '../python/datetime.ts'
import { Decimal } from '../python/decimal.ts'
import { Uuid } from '../python/uuid.ts'
import type { ResultTuple } from '../result.ts'
import { encoding, refuse, toPlain } from './encodable.ts'
import { unicodeBytes } from './pickle-scalar.ts'

/** Nothing is memoized and nothing framed: neither is asked for, and the values are no graph. */
const PROTO_4 = Buffer.from([0x80, 4])
const STOP = Buffer.from('.')

/** A group as Python pickles it. */
export class GroupToPickle {
  readonly group: ResultTuple
  constructor(group: ResultTuple) {
    this.group = group
  }
}

/** @throws EncodeError that names where the value lies that cannot be written */
export function pickle(value: unknown): Buffer {
  return encoding(() => {
    const writer = new Writer()
    writer.value(value instanceof GroupToPickle ? value : toPlain(value, leaf))
    return Buffer.concat([PROTO_4, ...writer.chunks, STOP])
  })
}

/** A set is looked into here, for `toPlain` does not know it. */
function leaf(value: object | string | number | bigint): unknown {
  if (typeof value !== 'object') return value
  if (value instanceof Set) return new Set(Array.from(value, (item) => toPlain(item, leaf)))
  return CLASSES.some(([type]) => value instanceof type) || isLuxonDateTime(value)
    ? value
    : undefined
}

class Writer {
  readonly chunks: Buffer[] = []

  value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.text(value)
      case 'number':
        return this.number(value)
      case 'bigint':
        return this.long(value)
      case 'boolean':
        return this.code(value ? 0x88 : 0x89)
      case 'object':
        return value === null ? this.code('N') : this.object(value)
      case 'undefined':
      case 'function':
      case 'symbol':
      default:
        throw refuse(value)
    }
  }

  code(code: number | string): void {
    this.chunks.push(typeof code === 'number' ? Buffer.of(code) : Buffer.from(code, 'latin1'))
  }

  object(value: object): void {
    if (Array.isArray(value)) return this.list(value)
    const write = CLASSES.find(([type]) => value instanceof type)?.[1]
    if (write !== undefined) return write(this, value)
    if (isLuxonDateTime(value)) return writeDateTime(this, fromLuxon(value))
    this.dict(value)
  }

  text(text: string): void {
    const bytes = unicodeBytes(text)
    this.sized(bytes, 0x8c, 0x58) // SHORT_BINUNICODE, BINUNICODE
  }

  bytes(bytes: Uint8Array): void {
    this.sized(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0x43, 0x42)
  }

  sized(bytes: Buffer, short: number, long: number): void {
    const head = Buffer.alloc(bytes.length < 256 ? 2 : 5)
    head[0] = bytes.length < 256 ? short : long
    head.writeUIntLE(bytes.length, 1, head.length - 1)
    this.chunks.push(head, bytes)
  }

  /** An integer where it is one to the last digit, else a float: as in our JSON. */
  number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.integer(value)
    const head = Buffer.alloc(9)
    head.write('G', 'latin1')
    head.writeDoubleBE(value, 1)
    this.chunks.push(head)
  }

  integer(value: number): void {
    if (value >= 0 && value < 256) return void this.chunks.push(Buffer.of(0x4b, value)) // BININT1
    if (Math.abs(value) >= 2 ** 31) return this.long(BigInt(value))
    const head = Buffer.alloc(5)
    head.write('J', 'latin1')
    head.writeInt32LE(value, 1)
    this.chunks.push(head)
  }

  /** Two's complement, the lowest byte first, with room for the sign. */
  long(value: bigint): void {
    const size = (value < 0n ? -value - 1n : value).toString(16)
    const bits = (size.length - 1) * 4 + 32 - Math.clz32(Number.parseInt(size[0] ?? '0', 16))
    const width = Math.floor(bits / 8) + 1
    const hex = BigInt.asUintN(width * 8, value)
      .toString(16)
      .padStart(width * 2, '0')
    this.sized(Buffer.from(Buffer.from(hex, 'hex').toReversed()), 0x8a, 0x8b) // LONG1, LONG4
  }

  list(items: readonly unknown[]): void {
    this.code('](')
    for (const item of items) this.value(item)
    this.code('e')
  }

  tuple(items: readonly unknown[]): void {
    this.code('(')
    for (const item of items) this.value(item)
    this.code('t')
  }

  dict(members: object): void {
    this.code('}(')
    for (const [name, value] of Object.entries(members)) {
      this.text(name)
      this.value(value)
    }
    this.code('u')
  }

  /** A call of what is named. */
  reduce(module: string, name: string, args: () => void): void {
    this.text(module)
    this.text(name)
    this.code(0x93) // STACK_GLOBAL
    this.code('(')
    args()
    this.code('tR')
  }
}

type Write = (writer: Writer, value: object) => void
type Type = abstract new (...args: never[]) => object

function writing<T extends object>(
  type: abstract new (...args: never[]) => T,
  write: (writer: Writer, value: T) => void,
): readonly [Type, Write] {
  return [type, write as Write]
}

const CLASSES: readonly (readonly [Type, Write])[] = [
  writing(GroupToPickle, (writer, { group }) => writeResult(writer, group)),
  writing(Date, writeDateTime),
  writing(PlainDate, writeDate),
  writing(PlainTime, writeTime),
  writing(Uint8Array, (writer, value) => writer.bytes(value)),
  writing(Set<unknown>, writeSet),
  writing(Decimal, (writer, { value }) =>
    writer.reduce('decimal', 'Decimal', () => writer.text(value)),
  ),
  writing(Uuid, (writer, { hex }) => writer.reduce('uuid', 'UUID', () => writer.text(hex))),
]

/** Only what Python can hash may be in a set: a list goes as a tuple. */
function writeSet(writer: Writer, items: Set<unknown>): void {
  writer.code(0x8f) // EMPTY_SET
  writer.code('(')
  for (const item of items) writeHashable(writer, item)
  writer.code(0x90) // ADDITEMS
}

function writeHashable(writer: Writer, item: unknown): void {
  if (!Array.isArray(item)) return writer.value(item)
  writer.code('(')
  for (const each of item) writeHashable(writer, each)
  writer.code('t')
}

/** @see CPython, Lib/_pydatetime.py, `datetime._getstate` */
function writeDateTime(writer: Writer, value: Date): void {
  const date = value instanceof PythonDateTime ? value : new PythonDateTime(value, { offset: 0 })
  // says what is wrong with a date that Python has not
  date.isoformat()
  const { year, month, day, hour, minute, second, microsecond, offset } = date.fields
  const state = Buffer.alloc(10)
  state.writeUInt16BE(year)
  state.set([month, day, hour, minute, second], 2)
  state.writeUIntBE(microsecond, 7, 3)
  writer.reduce('datetime', 'datetime', () => {
    writer.bytes(state)
    if (offset !== undefined) writeTimezone(writer, offset)
  })
}

function writeDate(writer: Writer, { year, month, day }: PlainDate): void {
  const state = Buffer.from([year >> 8, year & 0xff, month, day])
  writer.reduce('datetime', 'date', () => writer.bytes(state))
}

function writeTime(writer: Writer, time: PlainTime): void {
  const state = Buffer.alloc(6)
  state.set([time.hour, time.minute, time.second])
  state.writeUIntBE(time.microsecond, 3, 3)
  writer.reduce('datetime', 'time', () => {
    writer.bytes(state)
    if (time.offset !== undefined) writeTimezone(writer, time.offset)
  })
}

/** `timezone(timedelta(days, seconds))`; Python makes `timezone.utc` of 0 by itself. */
function writeTimezone(writer: Writer, offset: number): void {
  const days = Math.floor(offset / 86_400)
  writer.reduce('datetime', 'timezone', () =>
    writer.reduce('datetime', 'timedelta', () => {
      writer.value(days)
      writer.value(offset - days * 86_400)
    }),
  )
}

/**
 *     AsyncResult(id, backend, task_name, app, parent)    GroupResult(id, results, parent)
 *
 * Without a backend and an app they are those of the app that reads it. Python writes the backend
 * with its URL, and forgets the parent of a group.
 *
 * @see celery 5.6, result.py, `AsyncResult.__reduce_args__`, `GroupResult.__reduce_args__`
 */
function writeResult(writer: Writer, [[id, parent], members]: ResultTuple): void {
  const name = members === null ? 'AsyncResult' : 'GroupResult'
  writer.reduce('celery.result', name, () => {
    writer.text(id)
    if (members === null) writer.code('NNN')
    else writeResults(writer, members)
    if (parent === null) writer.code('N')
    else writeResult(writer, parent)
  })
}

function writeResults(writer: Writer, members: readonly ResultTuple[]): void {
  writer.code('](')
  for (const member of members) writeResult(writer, member)
  writer.code('e')
}
