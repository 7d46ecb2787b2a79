/** What of a JavaScript value can be written at all, and where in it lies what cannot. */

import { EncodeError } from '../errors.ts'
import { isPlainObject, type PlainObject } from '../plain.ts'

/** As deep as Python's own json goes before its RecursionError. */
export const MAX_ENCODE_DEPTH = 1000
const MAX_PATH = 200

/** A value that no serializer may write; the path grows on the way out. */
export class Unserializable extends Error {
  path = ''
}

/** Python's words for a value of a type that json does not know. */
export function refuse(value: unknown): Unserializable {
  return new Unserializable(`Object of type ${typeName(value)} is not JSON serializable`)
}

export function refuseDepth(): Unserializable {
  return new Unserializable(`circular reference, or nested deeper than ${MAX_ENCODE_DEPTH} levels`)
}

/** Notes the list or object on whose way the error came, and hands it back to be thrown again. */
export function within(error: unknown, step: string | number): unknown {
  if (error instanceof Unserializable && error.path.length < MAX_PATH) {
    error.path = (typeof step === 'number' ? `[${step}]` : `.${step}`) + error.path
  }
  return error
}

/** Runs an encoder; whatever it throws, getters and `toJSON` of the user included, is an EncodeError. */
export function encoding<T>(encode: () => T): T {
  try {
    return encode()
  } catch (error) {
    if (error instanceof EncodeError) throw error
    if (!(error instanceof Unserializable)) {
      throw new EncodeError(`cannot be serialized: ${messageOf(error)}`, { cause: error })
    }
    const place = error.path === '' ? '' : ` (at ${error.path.slice(0, MAX_PATH)})`
    throw new EncodeError(error.message + place)
  }
}

export interface JsonAble {
  toJSON(key?: string): unknown
}

/** Whether it says itself what to write. luxon's Duration does too, but Python refuses timedelta. */
export function hasToJson(value: object): value is JsonAble {
  return 'toJSON' in value && typeof value.toJSON === 'function' && !('isLuxonDuration' in value)
}

export type Leaf = (value: object | string | number | bigint) => unknown

/**
 * A copy of lists, objects and scalars alone, as msgpack and yaml need it. `leaf` answers for
 * strings, numbers and instances of classes: the value to write, or undefined to refuse it.
 */
export function toPlain(value: unknown, leaf: Leaf, depth = 0): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'object') return objectToPlain(value, leaf, depth)
  if (typeof value === 'function' || typeof value === 'symbol') throw refuse(value)
  return leaf(value)
}

function objectToPlain(value: object, leaf: Leaf, depth: number): unknown {
  if (depth > MAX_ENCODE_DEPTH) throw refuseDepth()
  if (Array.isArray(value)) return listToPlain(value, leaf, depth)
  const plain = isPlainObject(value)
  const own = plain ? undefined : leaf(value)
  if (own !== undefined) return own
  if (hasToJson(value)) return toPlain(value.toJSON(), leaf, depth + 1)
  if (!plain) throw refuse(value)
  return membersToPlain(value, leaf, depth)
}

function listToPlain(list: readonly unknown[], leaf: Leaf, depth: number): unknown[] {
  return Array.from(list, (item, index) => {
    try {
      return toPlain(item, leaf, depth + 1)
    } catch (error) {
      throw within(error, index)
    }
  })
}

function membersToPlain(value: PlainObject, leaf: Leaf, depth: number): object {
  const members: [string, unknown][] = []
  for (const key of Object.keys(value)) {
    try {
      const member = value[key]
      if (member !== undefined) members.push([key, toPlain(member, leaf, depth + 1)])
    } catch (error) {
      throw within(error, key)
    }
  }
  // Defines, where an assignment would call the setter of `__proto__`.
  return Object.fromEntries(members)
}

function typeName(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name.slice(0, 100) : 'object'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : typeof error
}
