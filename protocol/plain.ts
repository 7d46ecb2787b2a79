/** Tells plain objects from all else that a decoder may return, and reads them without their prototype. */

export type PlainObject = Readonly<Record<string, unknown>>

/** Whether it is what JSON calls an object: no array, no date, no bytes. */
export function isPlainObject(value: unknown): value is PlainObject {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  // Of another realm, such as a vm context: its prototype is not ours, but has none itself.
  return Object.getPrototypeOf(prototype) === null
}

/** A member of the object itself; undefined when there is none, also for `constructor` and kin. */
export function own(object: PlainObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
