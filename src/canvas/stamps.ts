/** How stamps from several places come together: which of two with the same name stays. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { isPlainObject } from '../../protocol/plain.ts'

/** Values by name; `stampedHeaders` tells which of them are stamps, when not all are. */
export type Stamps = Readonly<Record<string, unknown>>

/** Stamps on their way down a canvas. */
export interface Headers {
  /** Which of the values are stamps. */
  readonly names: readonly string[]
  readonly values: Stamps
}

export function headersOf(stamps: Stamps): Headers {
  const { stampedHeaders, stamped_headers: onWire, ...values } = stamps
  const names = stampedHeaders ?? onWire
  return { names: Array.isArray(names) ? names.map(String) : Object.keys(values), values }
}

/** As the hooks of a visitor see them. */
export function valuesOf({ names, values }: Headers): Stamps {
  return { ...values, stampedHeaders: names }
}

/** With what a hook gave. */
export function added(headers: Headers, more: Stamps | undefined | void, append: boolean): Headers {
  if (more === undefined || more === null) return headers
  const { names, values } = headersOf(more)
  return {
    names: [...new Set([...headers.names, ...names])],
    values: merged(headers.values, values, append),
  }
}

/** With the stamps that the signature has already. @see celery 5.6, canvas.py, `Signature._stamp_headers` */
export function inherited({ options }: SignatureDict, headers: Headers, append: boolean): Headers {
  const own = Array.isArray(options['stamped_headers']) ? options['stamped_headers'] : []
  const names = [...new Set([...headers.names, ...own.map(String)])]
  const isStamp = new Set(names)
  const values = Object.fromEntries(Object.entries(options).filter(([name]) => isStamp.has(name)))
  return { names, values: merged(headers.values, values, append) }
}

/**
 * The first stay, but lists are joined; to append makes a list of both.
 *
 * @see celery 5.6, canvas.py, `_merge_dictionaries`
 */
function merged(first: Stamps, second: Stamps, append: boolean): Stamps {
  const both = Object.entries(first).map(([name, value]): [string, unknown] =>
    Object.hasOwn(second, name) ? [name, mergedValue(value, second[name], append)] : [name, value],
  )
  return Object.fromEntries([...Object.entries(second), ...both])
}

function mergedValue(first: unknown, second: unknown, append: boolean): unknown {
  if (isPlainObject(first) && isPlainObject(second)) return merged(first, second, true)
  if (Array.isArray(first) && Array.isArray(second)) return [...first, ...second]
  if (!append) return first
  if (first === null) return [second]
  const more: readonly unknown[] = Array.isArray(second) ? second : [second]
  return Array.isArray(first) ? [...(first as readonly unknown[]), second] : [first, ...more]
}
