/** Reads ISO 8601 text into its fields, as widely as Python workers do. */

export interface TimeFields {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  /** Seconds east of UTC; undefined when the text names none. */
  readonly offset: number | undefined
}

export interface DateTimeFields extends TimeFields {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** Longer text is refused unread; a real one has at most 35 characters and its fraction. */
const MAX_LENGTH = 100
const CALENDAR = /^(\d{4})-(\d\d)-(\d\d)(?!\d)/
const BASIC = /^(\d{4})(\d\d)(\d\d)(?!\d)/
const ORDINAL = /^(\d{4})-?(\d{3})(?!\d)/
const WEEK = /^(\d{4})(-?)W(\d\d)(?:\2(\d))?(?!\d)/
const MONTH = /^(\d{4})(?:-(\d\d))?$/
const TIME =
  /^(\d\d)(?:(:?)(\d\d)(?:\2(\d\d)(?:[.,](\d+))?)?)?(Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)?$/i
const MIDNIGHT: TimeFields = { hour: 0, minute: 0, second: 0, microsecond: 0, offset: undefined }
const DAY_MS = 86_400_000

interface DateFields {
  readonly year: number
  readonly month: number
  readonly day: number
}

/**
 * A date with or without a time, or undefined when it is none:
 *
 *     2024-02-29  20240229  2024-060  2024-W09-4  2024-02  2024
 *     then any one character that is no digit, and a time
 *
 * `24:00` is the midnight that ends the day. `2024` and `2024-02` stand without a time.
 *
 * @see dateutil 2.9, parser/isoparser.py, `isoparse`, which Celery 5.6 reads `eta` with; offsets
 *   with seconds are from Python's own `datetime.fromisoformat`, which kombu 5.6 reads JSON with
 */
export function parseDateTime(text: string): DateTimeFields | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const month = MONTH.exec(text)
  if (month !== null) return checkDate(Number(month[1]), Number(month[2] ?? 1), 1, MIDNIGHT)
  const found = readDate(text)
  if (found === undefined) return undefined
  const [date, end] = found
  if (end === text.length) return { ...date, ...MIDNIGHT }
  if (text.charCodeAt(end) > 127) return undefined
  const time = readTime(text.slice(end + 1))
  if (time === undefined) return undefined
  return time.hour === 24 ? nextMidnight(date, time) : { ...date, ...time }
}

/** A time of day, with or without an offset, or undefined when it is none. */
export function parseTime(text: string): TimeFields | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const time = readTime(text.startsWith('T') ? text.slice(1) : text)
  return time === undefined || time.hour === 24 ? undefined : time
}

/** Milliseconds since 1970 of midnight, UTC; `Date.UTC` would take the year 24 for 1924. */
export function dayMs(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day)
}

export function isDate(year: number, month: number, day: number): boolean {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false
  return day <= 28 || new Date(dayMs(year, month, day)).getUTCDate() === day
}

/** The date at the start of the text, and where it ends. */
function readDate(text: string): readonly [DateFields, number] | undefined {
  const plain = CALENDAR.exec(text) ?? BASIC.exec(text)
  if (plain !== null) {
    const date = checkDate(Number(plain[1]), Number(plain[2]), Number(plain[3]), {})
    return date && [date, plain[0].length]
  }
  const ordinal = ORDINAL.exec(text)
  if (ordinal !== null) {
    const date = fromOrdinal(Number(ordinal[1]), Number(ordinal[2]))
    return date && [date, ordinal[0].length]
  }
  const week = WEEK.exec(text)
  if (week === null) return undefined
  const date = fromWeek(Number(week[1]), Number(week[3]), Number(week[4] ?? 1))
  // A week without a day takes no time.
  if (date === undefined || (week[4] === undefined && week[0].length < text.length))
    return undefined
  return [date, week[0].length]
}

function checkDate<T>(
  year: number,
  month: number,
  day: number,
  rest: T,
): (DateFields & T) | undefined {
  return isDate(year, month, day) ? { year, month, day, ...rest } : undefined
}

function fromOrdinal(year: number, ordinal: number): DateFields | undefined {
  const date = fromMs(dayMs(year, 1, 1) + (ordinal - 1) * DAY_MS)
  return ordinal > 0 && date?.year === year ? date : undefined
}

/** Week 1 holds the 4th of January; weeks begin on Monday. */
function fromWeek(year: number, week: number, day: number): DateFields | undefined {
  if (week < 1 || week > 53 || day < 1 || day > 7) return undefined
  const fourth = dayMs(year, 1, 4)
  const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY_MS
  return fromMs(monday + ((week - 1) * 7 + day - 1) * DAY_MS)
}

function fromMs(ms: number): DateFields | undefined {
  const date = new Date(ms)
  return checkDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), {})
}

function nextMidnight(date: DateFields, time: TimeFields): DateTimeFields | undefined {
  const next = fromMs(dayMs(date.year, date.month, date.day) + DAY_MS)
  return next && { ...next, ...time, hour: 0 }
}

/** The whole text as a time; digits beyond the microsecond are cut, not rounded. */
function readTime(text: string): TimeFields | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const hour = Number(match[1])
  const minute = Number(match[3] ?? 0)
  const second = Number(match[4] ?? 0)
  const microsecond = +(match[5] ?? '').slice(0, 6).padEnd(6, '0')
  const offset = readOffset(match)
  if (hour > 24 || minute > 59 || second > 59 || offset === null) return undefined
  if (hour === 24 && minute + second + microsecond > 0) return undefined
  return { hour, minute, second, microsecond, offset }
}

/** Seconds east; undefined without one, null when it is none that Python has. */
function readOffset(match: RegExpExecArray): number | undefined | null {
  if (match[6] === undefined) return undefined
  if (match[7] === undefined) return 0
  const [hours, minutes, seconds] = [
    Number(match[8]),
    Number(match[9] ?? 0),
    Number(match[10] ?? 0),
  ]
  if (hours > 23 || minutes > 59 || seconds > 59) return null
  const size = hours * 3600 + minutes * 60 + seconds
  return match[7] === '-' && size > 0 ? -size : size
}
