/** The time zones in a pickle: of a fixed offset, or known by a name. */

import { zoneOffset } from '../python/zone.ts'
import { Opaque } from './pickle-values.ts'

type Args = readonly unknown[]

/** A time zone with a fixed offset, and what of a backend stands in a result: no values of their own. */
export class Timezone extends Opaque {
  readonly offset: number
  constructor(offset: number) {
    super()
    this.offset = offset
  }

  describe(): string {
    return 'a pickle holds a time zone, which celeriac does not read but as a part of a time'
  }
}

/** A time zone by its name, whose offset depends on the time that it is part of. */
export class NamedZone extends Timezone {
  readonly name: string
  constructor(name: string) {
    super(0)
    this.name = name
  }
}

/** A `timedelta`, which is part of a time zone, or a value in seconds. */
class Timedelta extends Opaque {
  readonly seconds: number
  constructor(seconds: number) {
    super()
    this.seconds = seconds
  }

  describe(): string {
    return 'a pickle holds a timedelta, which celeriac does not read: send seconds'
  }
}

/** At what the clock shows; undefined where there is no zone, null where it is none. */
export function offsetOf(zone: unknown, wall = 0, fold = false): number | undefined | null {
  if (zone === undefined || zone === null) return undefined
  if (zone instanceof NamedZone) return zoneOffset(zone.name, wall, fold) ?? null
  return zone instanceof Timezone ? zone.offset : null
}

export function readTimedelta([days = 0, seconds = 0, microseconds = 0]: Args): unknown {
  const parts = [days, seconds, microseconds]
  if (!parts.every((part) => Number.isSafeInteger(part))) return undefined
  return new Timedelta(Number(days) * 86_400 + Number(seconds) + Number(microseconds) / 1e6)
}

const DAY = 86_400

export function readTimezone([delta]: Args): unknown {
  if (!(delta instanceof Timedelta) || Math.abs(delta.seconds) >= DAY) return undefined
  return new Timezone(delta.seconds)
}

export function readNamedZone([name]: Args): unknown {
  return typeof name === 'string' && zoneOffset(name, 0, false) !== undefined
    ? new NamedZone(name)
    : undefined
}

/** `_p(name, offset, dst, abbreviation)` of a time that was localized, `_p(name)` of a zone without summer time. */
export function readPytz([name, offset]: Args): unknown {
  if (offset === undefined) return readNamedZone([name])
  return Number.isSafeInteger(offset) && Math.abs(Number(offset)) < DAY
    ? new Timezone(Number(offset))
    : undefined
}
