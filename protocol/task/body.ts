/** The contents of a task's body, checked: arguments, and the signatures of what comes after. */

import { InvalidTaskError } from '../errors.ts'
import { isPlainObject, own, type PlainObject } from '../plain.ts'
import { readSignature, type SignatureDict } from '../signature.ts'
import type { HeaderReader } from './header-reader.ts'
import { NO_EMBED, type Embed } from './task-message.ts'

/** The positional arguments. Of an object Python takes the keys, and so do we. */
export function readArgs(value: unknown, reader: HeaderReader): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (isPlainObject(value)) return Object.keys(value)
  throw reader.invalid('args', 'must be a list')
}

export function readKwargs(value: unknown, reader: HeaderReader): PlainObject {
  if (isPlainObject(value)) return value
  throw reader.invalid('kwargs', 'must be an object')
}

/**
 *     {callbacks, errbacks, chain, chord}, each of which may be missing or null
 *
 * @param group the group of the task: without one nobody looks at its chord
 */
export function readEmbed(value: unknown, reader: HeaderReader, group: string | null): Embed {
  if (value === undefined || value === null) return NO_EMBED
  if (!isPlainObject(value)) throw reader.invalid('embed', 'must be an object or null')
  const chord = own(value, 'chord') ?? null
  return {
    callbacks: readLinks(own(value, 'callbacks'), 'callbacks', reader),
    errbacks: readLinks(own(value, 'errbacks'), 'errbacks', reader),
    chain: readLinks(own(value, 'chain'), 'chain', reader),
    chord:
      chord === null || (group === null && !isPlainObject(chord))
        ? null
        : readLink(chord, 'chord', reader),
  }
}

function readLinks(
  value: unknown,
  name: string,
  reader: HeaderReader,
): readonly SignatureDict[] | null {
  if (value === undefined || value === null) return null
  if (Array.isArray(value)) return value.map((link) => readLink(link, name, reader))
  return [readLink(value, name, reader)]
}

function readLink(value: unknown, name: string, reader: HeaderReader): SignatureDict {
  try {
    return readSignature(value, name)
  } catch (error) {
    if (!(error instanceof InvalidTaskError)) throw error
    throw reader.invalid(name, error.message.slice(name.length + 1), error)
  }
}
