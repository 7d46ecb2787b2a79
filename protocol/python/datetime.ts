/** Python's dates and times on the wire: `isoformat()` both ways, with nothing lost on the way. */

import { DecodeError, EncodeError } from '../errors.ts'
import { dayMs, isDate, parseDateTime, parseTime, type DateTimeFields } from './isoparse.ts'

export interface PythonDateTimeOptions {
  /** The microseconds below the millisecond, 0 to 999. */
  readonly microseconds?: number
  /** Seconds east of UTC; without one the datetime is naive, and its fields are taken as UTC. */
  readonly offset?: number | undefined
}

/**
 * A `datetime.datetime`: a `Date` that also keeps the microseconds and the offset, so that what
 * came from Python goes back as the same text. A change through `Date`'s own setters drops the
 * microseconds; the offset stays.
 */
export class PythonDateTime extends Date {
  /** Seconds east of UTC; undefined when the datetime is naive. */
  readonly offset: number | undefined
  readonly #microseconds: number
  readonly #unchanged: number

  constructor(time: number | Date, options: PythonDateTimeOptions = {}) {
    super(typeof time === 'number' ? time : time.getTime())
    this.offset = options.offset
    this.#microseconds = options.microseconds ?? 0
    this.#unchanged = this.getTime()
  }

  /** The fraction of the second, 0 to 999999. */
  get microsecond(): number {
    const below = this.getTime() === this.#unchanged ? this.#microseconds : 0
    return this.getUTCMilliseconds() * 1000 + below
  }

  /** The fields on the clock at its own offset. */
  get fields(): DateTimeFields {
    const wall = new Date(this.getTime() + (this.offset ?? 0) * 1000)
    return {
      year: wall.getUTCFullYear(),
      month: wall.getUTCMonth() + 1,
      day: wall.getUTCDate(),
      hour: wall.getUTCHours(),
      minute: wall.getUTCMinutes(),
      second: wall.getUTCSeconds(),
      microsecond: this.microsecond,
      offset: this.offset,
    }
  }

  isoformat(): string {
    const { microsecond, offset } = this
    const wall = isoSecond(this.getTime() + (offset ?? 0) * 1000)
    return wall + fraction(microsecond) + (offset === undefined ? '' : offsetText(offset))
  }
}

/** A `datetime.date`. */
export class PlainDate {
  readonly year: number
  readonly month: number
  readonly day: number

  constructor(year: number, month: number, day: number) {
    if (!isDate(year, month, day)) throw new RangeError(`no such day: ${year}-${month}-${day}`)
    this.year = year
    this.month = month
    this.day = day
  }

  /** `YYYY-MM-DD`. */
  toString(): string {
    return `${digits(this.year, 4)}-${digits(this.month)}-${digits(this.day)}`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A `datetime.time`. */
export class PlainTime {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  /** Seconds east of UTC; undefined when the time is naive. */
  readonly offset: number | undefined

  constructor(hour: number, minute = 0, second = 0, microsecond = 0, offset?: number) {
    const inside = hour < 24 && minute < 60 && second < 60 && microsecond < 1e6
    if (!inside || Math.min(hour, minute, second, microsecond) < 0) {
      throw new RangeError(`no such time: ${hour}:${minute}:${second}.${microsecond}`)
    }
    this.hour = hour
    this.minute = minute
    this.second = second
    this.microsecond = microsecond
    this.offset = offset
  }

  /** `HH:MM:SS[.ffffff][+HH:MM]`. */
  toString(): string {
    const text = `${digits(this.hour)}:${digits(this.minute)}:${digits(this.second)}`
    const offset = this.offset === undefined ? '' : offsetText(this.offset)
    return text + fraction(this.microsecond) + offset
  }

  toJSON(): string {
    return this.toString()
  }
}

/**
 * As Python's `datetime.isoformat()`: a `PythonDateTime` at its own offset or naive, any other
 * `Date` in UTC. UTC is `+00:00`, never `Z`, which Python before 3.11 cannot read.
 */
export function isoformat(date: Date): string {
  if (date instanceof PythonDateTime) return date.isoformat()
  const ms = date.getTime()
  return isoSecond(ms) + fraction((((ms % 1000) + 1000) % 1000) * 1000) + '+00:00'
}

/** Text of `eta`, `expires`, `date_done` or a typed JSON value. @throws DecodeError */
export function parseIsoformat(text: string): PythonDateTime {
  const fields = typeof text === 'string' ? parseDateTime(text) : undefined
  if (fields === undefined) throw new DecodeError('not an ISO 8601 date and time')
  const ms = dayMs(fields.year, fields.month, fields.day) + timeMs(fields)
  const microseconds = fields.microsecond % 1000
  return new PythonDateTime(ms, { microseconds, offset: fields.offset })
}

/** The date of a date and time, as kombu reads its type `date`. @throws DecodeError */
export function parsePlainDate(text: string): PlainDate {
  const fields = parseDateTime(text)
  if (fields === undefined) throw new DecodeError('not an ISO 8601 date')
  return new PlainDate(fields.year, fields.month, fields.day)
}

/** @throws DecodeError */
export function parsePlainTime(text: string): PlainTime {
  const fields = parseTime(text)
  if (fields === undefined) throw new DecodeError('not an ISO 8601 time')
  const { hour, minute, second, microsecond, offset } = fields
  return new PlainTime(hour, minute, second, microsecond, offset)
}

/** What we need of a luxon `DateTime`; luxon itself stays out of the codec. */
export interface LuxonDateTime {
  readonly isLuxonDateTime: true
  /** Minutes east of UTC. */
  readonly offset: number
  toMillis(): number
}

export function isLuxonDateTime(value: unknown): value is LuxonDateTime {
  return (
    typeof value === 'object' &&
    value !== null &&
    'isLuxonDateTime' in value &&
    value.isLuxonDateTime === true &&
    'toMillis' in value &&
    typeof value.toMillis === 'function'
  )
}

/** A luxon `DateTime` at its own offset. */
export function fromLuxon(value: LuxonDateTime): PythonDateTime {
  return new PythonDateTime(value.toMillis(), { offset: value.offset * 60 })
}

function timeMs(fields: DateTimeFields): number {
  const { hour, minute, second, microsecond, offset } = fields
  const seconds = hour * 3600 + minute * 60 + second - (offset ?? 0)
  return seconds * 1000 + Math.floor(microsecond / 1000)
}

/** `YYYY-MM-DDTHH:MM:SS`, UTC. */
function isoSecond(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== last.second) last = { second, text: spellSecond(ms) }
  return last.text
}

/** Times come one after another, most of them in the second of the one before. */
let last: { readonly second: number; readonly text: string } = { second: NaN, text: '' }

function spellSecond(ms: number): string {
  // Years outside 0 to 9999 have a sign, and NaN has no text at all.
  const text = Number.isNaN(ms) || Math.abs(ms) > 8.64e15 ? '' : new Date(ms).toISOString()
  if (text.length !== 24 || text.startsWith('0000')) {
    throw new EncodeError('a date must lie between the years 1 and 9999 to go to Python')
  }
  return text.slice(0, 19)
}

function fraction(microsecond: number): string {
  return microsecond === 0 ? '' : `.${digits(microsecond, 6)}`
}

/** `+HH:MM`, and seconds when there are some. */
function offsetText(offset: number): string {
  const size = Math.abs(offset)
  const seconds = size % 60 === 0 ? '' : `:${digits(size % 60)}`
  const sign = offset < 0 ? '-' : '+'
  return `${sign}${digits(Math.floor(size / 3600))}:${digits(Math.floor(size / 60) % 60)}${seconds}`
}

function digits(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}
