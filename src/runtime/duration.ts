/** Durations and points in time as users give them: plain numbers and Dates, or luxon's objects. */

/** Seconds, or what luxon calls a DurationLike: `{ minutes: 5 }`. */
export type Seconds = number | DurationObject

export interface DurationObject {
  readonly weeks?: number
  readonly days?: number
  readonly hours?: number
  readonly minutes?: number
  readonly seconds?: number
  readonly milliseconds?: number
}

/** Milliseconds of each unit that a duration object may name. */
const UNITS = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1000,
  milliseconds: 1,
} as const

/** The seconds of a number, of `{ minutes: 5 }` or of luxon's Duration; undefined of anything else. */
export function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value
  if (typeof value !== 'object' || value === null || value instanceof Date) return undefined
  // luxon's DateTime has a `toMillis` too: since 1970.
  if (hasMethod(value, 'toJSDate')) return undefined
  if (hasMethod(value, 'toMillis')) return finite(Number(value.toMillis()) / 1000)
  const keys = Object.keys(value)
  if (keys.length === 0 || !keys.every((key) => Object.hasOwn(UNITS, key))) return undefined
  const parts = value as Partial<Record<keyof typeof UNITS, unknown>>
  let total = 0
  for (const key of keys as (keyof typeof UNITS)[]) {
    const amount = parts[key]
    if (typeof amount !== 'number') return undefined
    total += amount * UNITS[key]
  }
  return finite(total / 1000)
}

/** The Date of a Date or of luxon's DateTime; undefined of anything else, and of an invalid one. */
export function dateOf(value: unknown): Date | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof Date) return valid(value)
  if (hasMethod(value, 'toJSDate')) return valid(value.toJSDate() as Date)
  if (hasMethod(value, 'toISO')) return valid(new Date(String(value.toISO())))
  return undefined
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

function valid(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date
}

function hasMethod<K extends string>(value: object, name: K): value is Record<K, () => unknown> {
  return typeof (value as Record<string, unknown>)[name] === 'function'
}
