/** Dates and times as Django keeps them in each kind of database. */

import { DateTime, IANAZone } from 'luxon'
import { isoformat, parseIsoformat, PythonDateTime } from '../../../protocol/python/datetime.ts'
import { ImproperlyConfigured } from '../../errors.ts'
import type { SqlDialect } from '../sql/url.ts'

export interface Clock {
  /** Now, or so many seconds ago. */
  now(secondsAgo?: number): string
  /** A time of the wire, such as a `date_done`. */
  write(text: string): string
  /** A time from the database, for the wire; null when it cannot be read. */
  read(text: unknown): string | null
}

/**
 * PostgreSQL keeps a point in time. MySQL and SQLite keep what a clock shows: that of UTC where Django
 * has `USE_TZ`, else that of its `TIME_ZONE`.
 *
 * @see Django 3.2, db/backends/{mysql,sqlite3}/operations.py, `adapt_datetimefield_value`
 */
export function djangoClock(dialect: SqlDialect, timeZone: unknown = 'UTC'): Clock {
  const zone = zoneOf(timeZone)
  const absolute = dialect === 'postgresql'
  const write = (time: PythonDateTime): string => {
    const wall = absolute ? time.getTime() : wallOf(time, zone)
    const naive = new PythonDateTime(wall, { microseconds: time.microsecond % 1000 })
    return `${isoformat(naive).replace('T', ' ')}${absolute ? '+00:00' : ''}`
  }
  return {
    now: (secondsAgo = 0) => write(preciseNow(secondsAgo)),
    write: (text) => write(parseIsoformat(text)),
    read: (text) => (typeof text === 'string' ? read(text, zone) : null),
  }
}

/** `2026-11-22 08:18:25[.313000][+00[:00]]`: what there is of an offset is the database's own. */
function read(text: string, zone: IANAZone): string | null {
  try {
    const iso = text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')
    const time = parseIsoformat(iso)
    if (time.offset !== undefined) return isoformat(time)
    const microseconds = time.microsecond % 1000
    const utc = DateTime.fromMillis(time.getTime(), { zone: 'utc' }).setZone(zone, {
      keepLocalTime: true,
    })
    return isoformat(new PythonDateTime(utc.toMillis(), { microseconds, offset: 0 }))
  } catch {
    return null
  }
}

function zoneOf(timeZone: unknown): IANAZone {
  const zone = IANAZone.create(typeof timeZone === 'string' ? timeZone : '')
  if (zone.isValid) return zone
  throw new ImproperlyConfigured(
    'timeZone of result_backend_transport_options must be the TIME_ZONE of Django, such as Europe/Prague',
  )
}

/** What the clocks of a zone show, as milliseconds. */
function wallOf(time: Date, zone: IANAZone): number {
  return time.getTime() + zone.offset(time.getTime()) * 60_000
}

/** To the microsecond, as Python has it. */
function preciseNow(secondsAgo: number): PythonDateTime {
  const microseconds = Math.floor((performance.now() % 1) * 1000)
  return new PythonDateTime(Date.now() - secondsAgo * 1000, { microseconds, offset: 0 })
}
