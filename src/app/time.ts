/** Seconds and points in time of a call as they go on the wire, in the time zone of the app. */

import { IANAZone } from 'luxon'
import {
  fromLuxon,
  isLuxonDateTime,
  isoformat,
  parseIsoformat,
  PythonDateTime,
} from '../../protocol/python/datetime.ts'
import { CeleryError } from '../../protocol/errors.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { dateOf, secondsOf } from '../runtime/duration.ts'

/** Python's datetime ends with the year 9999, and ours must be read there. */
const LAST_MS = Date.UTC(9999, 11, 31)

/** @throws ImproperlyConfigured */
export function seconds(value: unknown, what: string): number {
  const number = secondsOf(value)
  if (number === undefined || !Number.isFinite(number)) {
    throw new ImproperlyConfigured(`${what} must be a number of seconds, or a duration`)
  }
  return number
}

/** `2026-11-22T07:43:35.570000+00:00`, so many seconds from `now`. @see celery 5.6, app/amqp.py */
export function fromNow(value: number, now: number, timezone: string, what: string): string {
  const ms = now + value * 1000
  if (!(Math.abs(ms) <= LAST_MS)) throw new ImproperlyConfigured(`${what} is out of range`)
  return isoformat(inZone(ms, timezone))
}

/**
 * A point in time as the caller gave it: a text stays as it is (a retry's comes from the wire), a luxon
 * DateTime and a PythonDateTime keep their offset, a plain Date is written in the app's time zone.
 */
export function instant(value: unknown, timezone: string, what: string): string {
  if (typeof value === 'string') return checked(value, what)
  if (value instanceof PythonDateTime) return value.isoformat()
  if (isLuxonDateTime(value)) return isoformat(fromLuxon(value))
  const date = dateOf(value)
  if (date === undefined) throw new ImproperlyConfigured(`${what} must be a Date or a DateTime`)
  return isoformat(inZone(date.getTime(), timezone))
}

/** Milliseconds since 1970 of such a text; naive is UTC. */
export function timeOf(text: string): number {
  return parseIsoformat(text).getTime()
}

function checked(text: string, what: string): string {
  try {
    timeOf(text)
  } catch (error) {
    if (!(error instanceof CeleryError)) throw error
    throw new ImproperlyConfigured(`${what} must be a time in ISO 8601`, { cause: error })
  }
  return text
}

function inZone(ms: number, timezone: string): PythonDateTime {
  const offset = timezone === 'UTC' ? 0 : IANAZone.create(timezone).offset(ms) * 60
  return new PythonDateTime(ms, { offset })
}
