/** What waits for the end of a task, as far as its message tells, be it a valid call or not. */

import type { Codec } from '../codec.ts'
import type { Message } from '../message.ts'
import { isPlainObject, own } from '../plain.ts'
import { readSignature, type SignatureDict } from '../signature.ts'
import { decodeBody } from './decode.ts'
import { HeaderReader } from './header-reader.ts'
import { NO_EMBED, type Embed } from './task-message.ts'

/** The chord that it is a part of, and the rest of its chain. */
export interface Waiting {
  readonly group: string | null
  readonly groupIndex: number | null
  readonly embed: Embed
}

/**
 * Undefined when nothing waits, or nobody can tell: the body cannot be read, or not as version 2. What is
 * wrong elsewhere in the message is passed over.
 */
export function peekWaiting(
  message: Message,
  codec: Codec,
  accept: ReadonlySet<string>,
): Waiting | undefined {
  const body = attempt(() => decodeBody(message, codec, accept))
  const embed: unknown = Array.isArray(body) ? body[2] : undefined
  if (!isPlainObject(embed)) return undefined
  const chord = signatureOr(own(embed, 'chord'))
  const rest = own(embed, 'chain')
  const chain = Array.isArray(rest) ? rest.flatMap((step) => signatureOr(step) ?? []) : null
  if (chord === null && chain === null) return undefined
  const reader = attempt(() => new HeaderReader(message.headers))
  const group = attempt(() => reader?.name('group')) ?? null
  const groupIndex = attempt(() => reader?.count('group_index')) ?? null
  return { group, groupIndex, embed: { ...NO_EMBED, chord, chain } }
}

function signatureOr(value: unknown): SignatureDict | null {
  return attempt(() => (isPlainObject(value) ? readSignature(value) : null)) ?? null
}

/** Undefined when it cannot be read. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
