/** How a JavaScript object looks to Python's `repr`: a piece of text, bytes, or brackets around parts. */

import { fromLuxon, isLuxonDateTime, PlainDate, PlainTime, PythonDateTime } from './datetime.ts'
import { Decimal } from './decimal.ts'
import { isError, read } from './exception-type.ts'
import { spellNumber } from './float.ts'
import type { TimeFields } from './isoparse.ts'
import { Uuid } from './uuid.ts'

export type Shape = Leaf | Bytes | Failure | Container

export interface Leaf {
  readonly kind: 'leaf'
  readonly text: string
}

export interface Bytes {
  readonly kind: 'bytes'
  readonly bytes: Uint8Array
}

export interface Failure {
  readonly kind: 'error'
}

export interface Container {
  readonly kind: 'list' | 'dict' | 'set'
  readonly open: string
  readonly close: string
  /** The items; of a dict, its values. */
  readonly items: readonly unknown[]
  /** Of a dict, its keys. */
  readonly keys: readonly unknown[]
}

/** Stands for a member whose getter threw. */
const UNREADABLE: object = Object.freeze({})
const UNREPRESENTABLE: Leaf = { kind: 'leaf', text: '<Unrepresentable>' }
const NO_KEYS: readonly unknown[] = []

/** Everything that is neither an object nor a string. */
export function primitiveText(value: unknown): string {
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'symbol') return `<${value.toString()}>`
  return typeof value === 'function' ? `<function ${nameOf(value, 'anonymous')}>` : 'None'
}

/**
 * Looks at a stranger's object without ever throwing: getters and proxies may. At most `limit`
 * parts are taken: nobody shall pay for a million members of which forty are shown.
 */
export function shapeOf(value: object, limit: number): Shape {
  try {
    if (value === UNREADABLE) return UNREPRESENTABLE
    if (Array.isArray(value)) return list(value)
    // First what arguments mostly are.
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return plain(value, limit)
    const text = valueText(value)
    if (text !== undefined) return { kind: 'leaf', text }
    if (value instanceof Uint8Array) return { kind: 'bytes', bytes: value }
    if (isError(value)) return { kind: 'error' }
    return containerOf(value, limit) ?? { kind: 'leaf', text: `<${classOf(value)} object>` }
  } catch {
    return UNREPRESENTABLE
  }
}

/** One item, whatever stands behind the index. */
export function itemAt(items: readonly unknown[], index: number): unknown {
  try {
    return items[index]
  } catch {
    return UNREADABLE
  }
}

function containerOf(value: object, limit: number): Container | undefined {
  if (value instanceof Map) return dict(take(value.keys(), limit), take(value.values(), limit))
  if (value instanceof Set) {
    return { kind: 'set', open: '{', close: '}', items: take(value, limit), keys: NO_KEYS }
  }
  // The prototype of a plain object from another realm is not ours, but has none itself.
  const prototype: unknown = Object.getPrototypeOf(value)
  return Object.getPrototypeOf(prototype) === null ? plain(value, limit) : undefined
}

function plain(value: object, limit: number): Container {
  const keys = Object.keys(value)
  const shown = keys.length > limit ? keys.slice(0, limit) : keys
  return dict(
    shown,
    shown.map((key) => member(value, key)),
  )
}

function list(items: readonly unknown[]): Container {
  return { kind: 'list', open: '[', close: ']', items, keys: NO_KEYS }
}

function dict(keys: readonly unknown[], items: readonly unknown[]): Container {
  return { kind: 'dict', open: '{', close: '}', items, keys }
}

function member(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key)
  } catch {
    return UNREADABLE
  }
}

function take(values: Iterable<unknown>, limit: number): unknown[] {
  const taken: unknown[] = []
  for (const value of values) {
    if (taken.length >= limit) break
    taken.push(value)
  }
  return taken
}

/** The values that Python has a class of its own for. */
function valueText(value: object): string | undefined {
  if (value instanceof PythonDateTime) return datetimeText(value)
  if (value instanceof Date) return datetimeText(new PythonDateTime(value, { offset: 0 }))
  if (value instanceof Decimal) return `Decimal('${value.value}')`
  if (value instanceof Uuid) return `UUID('${value.toString()}')`
  if (value instanceof PlainDate) {
    return `datetime.date(${value.year}, ${value.month}, ${value.day})`
  }
  if (value instanceof PlainTime) return timeText(value)
  return isLuxonDateTime(value) ? datetimeText(fromLuxon(value)) : undefined
}

/** The microseconds are left out when zero, then the seconds too. */
function datetimeText(value: PythonDateTime): string {
  if (Number.isNaN(value.getTime())) return '<Invalid Date>'
  const { year, month, day, hour, minute, second, microsecond, offset } = value.fields
  const fields = [year, month, day, hour, minute]
  if (microsecond > 0) fields.push(second, microsecond)
  else if (second > 0) fields.push(second)
  return `datetime.datetime(${fields.join(', ')}${zoneText(offset)})`
}

function timeText({ hour, minute, second, microsecond, offset }: TimeFields): string {
  const fields = [hour, minute]
  if (microsecond > 0) fields.push(second, microsecond)
  else if (second > 0) fields.push(second)
  return `datetime.time(${fields.join(', ')}${zoneText(offset)})`
}

/** A timedelta keeps its seconds positive: five hours west are a day back and 19 hours on. */
function zoneText(offset: number | undefined): string {
  if (offset === undefined) return ''
  if (offset === 0) return ', tzinfo=datetime.timezone.utc'
  const delta = offset < 0 ? `days=-1, seconds=${offset + 86_400}` : `seconds=${offset}`
  return `, tzinfo=datetime.timezone(datetime.timedelta(${delta}))`
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return spellNumber(value)
  if (Number.isNaN(value)) return 'nan'
  return value > 0 ? 'inf' : '-inf'
}

function classOf(value: object): string {
  return nameOf(read(value, 'constructor'), 'object')
}

function nameOf(value: unknown, otherwise: string): string {
  const name = read(value, 'name')
  return typeof name === 'string' && name !== '' ? name.slice(0, 100) : otherwise
}
