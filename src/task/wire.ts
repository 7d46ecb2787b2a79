/** Signatures and options of calls as they stand on the wire. */

import { toWireOptions } from '../../protocol/call-options.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import { readSignature, type SignatureDict } from '../../protocol/signature.ts'
import { dateOf, secondsOf } from '../runtime/duration.ts'
import type { CallOptions, SignatureLike } from './sender.ts'

/** A handle or plain data as plain data. @throws InvalidTaskError */
export function dictOf(signature: SignatureLike, where?: string): SignatureDict {
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

function isHandle(signature: SignatureLike): signature is { toJSON(): SignatureDict } {
  return 'toJSON' in signature && typeof signature.toJSON === 'function'
}

function isList(
  value: SignatureLike | readonly SignatureLike[],
): value is readonly SignatureLike[] {
  return Array.isArray(value)
}
