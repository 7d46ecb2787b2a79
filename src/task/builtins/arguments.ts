/** The arguments of a builtin task, which may come by place or by name. */

import type { Run } from '../run.ts'

/** By their names, in the order of the places. @throws TypeError when one is missing that has no default */
export function argumentsOf<Name extends string>(
  { request: { task, args, kwargs } }: Run,
  required: readonly Name[],
): Readonly<Record<Name, unknown>> {
  const entries = required.map((name, place) => {
    const value = Object.hasOwn(kwargs, name) ? kwargs[name] : args[place]
    if (value === undefined) throw new TypeError(`${task} needs the argument '${name}'`)
    return [name, value] as const
  })
  return Object.fromEntries(entries) as Record<Name, unknown>
}

/** @throws TypeError */
export function listOfAny(
  { request: { task } }: Run,
  name: string,
  value: unknown,
): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new TypeError(`${task} needs a list in its argument '${name}'`)
}
