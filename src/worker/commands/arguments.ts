/** What all remote commands do with their arguments: read strangers' values, and say what is wrong. */

import { own, type PlainObject } from '../../../protocol/plain.ts'

/** As Python calls a value that a command cannot take; its name crosses in the reply. */
export class ValueError extends TypeError {
  override readonly name: string = 'ValueError'
}

/** What to answer; Celery's workers wrap it like this. @see celery 5.6, worker/control.py, `ok`, `nok` */
export type Reply = { readonly ok: string } | { readonly error: string }

/** @throws TypeError, as Python does, when there is none */
export function required(args: PlainObject, command: string, name: string): unknown {
  if (Object.hasOwn(args, name)) return args[name]
  throw new TypeError(`${command}() missing 1 required positional argument: '${name}'`)
}

/** A whole number; null stands for what was not given. @throws TypeError */
export function wholeNumber(args: PlainObject, name: string, max: number): number | null {
  const value = own(args, name) ?? null
  if (value === null) return null
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) {
    return value as number
  }
  throw new TypeError(`${name} must be a whole number from 0 to ${max}`)
}

/** Seconds; null, and 0, is no limit. @throws TypeError */
export function secondsOrNull(args: PlainObject, name: string): number | null {
  const value = own(args, name) ?? null
  if (value === null) return null
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new TypeError(`${name} must be seconds from 0, or null`)
}
