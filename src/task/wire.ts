/** Signatures and options of calls as they stand on the wire. */

import { toWireOptions } from '../../protocol/call-options.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import { readSignature, type SignatureDict } from '../../protocol/signature.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { dateOf, secondsOf } from '../runtime/duration.ts'
import type { CallOptions, SignatureLike } from './sender.ts'

/** A handle or plain data as plain data. @throws InvalidTaskError, ImproperlyConfigured for a task */
export function dictOf(signature: SignatureLike, where?: string): SignatureDict {
  if (taskNameOf(signature) !== undefined) throw notSignature(signature)
  return readSignature(isHandle(signature) ? signature.toJSON() : signature, where)
}

export function dictsOf(
  signatures: SignatureLike | readonly SignatureLike[] | undefined,
): readonly SignatureDict[] {
  if (signatures === undefined) return []
  return isList(signatures) ? signatures.map((one) => dictOf(one)) : [dictOf(signatures)]
}

/**
 * Options of a call as they stand in a signature, for Python to read: signatures among them become
 * plain data, durations seconds, points in time dates. An eta becomes text, which workers of Celery 5.2
 * can read as well: kombu knows dates in JSON from 5.3 on.
 */
export function wireOf(options: CallOptions): Record<string, unknown> {
  const { kwargs: _kwargs, signal: _signal, ...rest } = options
  const wire = Object.entries(rest).map(([name, value]) => [name, wireValue(name, value)] as const)
  return toWireOptions(Object.fromEntries(wire))
}

function wireValue(name: string, value: unknown): unknown {
  if (value === undefined) return undefined
  if (LINKS.has(name)) return dictsOf(value as SignatureLike)
  const date = TIMES.has(name) ? dateOf(value) : undefined
  if (date !== undefined) return name === 'eta' ? isoformat(date) : date
  return TIMES.has(name) ? (secondsOf(value) ?? value) : value
}

const LINKS: ReadonlySet<string> = new Set(['link', 'linkError'])
const TIMES: ReadonlySet<string> = new Set([
  'countdown',
  'eta',
  'expires',
  'timeLimit',
  'softTimeLimit',
  'timeout',
])

/** What stands where a signature should: most often the task that it should be of. */
export function notSignature(value: unknown): ImproperlyConfigured {
  const name = taskNameOf(value)
  const what = name === undefined ? typeof value : `the task '${name}': take its s(…) or si(…)`
  return new ImproperlyConfigured(`a signature was expected, not ${what}`)
}

function taskNameOf(value: unknown): string | undefined {
  const isThing = typeof value === 'function' || (typeof value === 'object' && value !== null)
  if (!isThing || !('s' in value) || typeof value.s !== 'function') return undefined
  return 'name' in value && typeof value.name === 'string' ? value.name : undefined
}

function isHandle(signature: SignatureLike): signature is { toJSON(): SignatureDict } {
  const isObject = typeof signature === 'object' && signature !== null
  return isObject && 'toJSON' in signature && typeof signature.toJSON === 'function'
}

function isList(
  value: SignatureLike | readonly SignatureLike[],
): value is readonly SignatureLike[] {
  return Array.isArray(value)
}
