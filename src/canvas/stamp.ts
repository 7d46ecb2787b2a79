/** Stamps: names and values that a signature, all that it is made of and its links bear to the worker. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { listOf } from './call.ts'
import { withPart } from './links.ts'
import { bodyOf, headerOf, tasksOf } from './primitives.ts'
import { added, headersOf, inherited, valuesOf, type Headers, type Stamps } from './stamps.ts'

/** What a hook gives: stamps; with `stampedHeaders` only those are, and the others plain options. */
export type Stamped = Stamps | undefined | void

/**
 * Says what to stamp each part of a canvas with. Every hook is told the part and the stamps so far, and
 * gives more; those of a group, a chain and a header go down to all that is in them.
 *
 * @see celery 5.6, canvas.py, `StampingVisitor`
 */
export interface StampingVisitor {
  onSignature(signature: SignatureDict, headers: Stamps): Stamped
  onGroupStart?(group: SignatureDict, headers: Stamps): Stamped
  onGroupEnd?(group: SignatureDict, headers: Stamps): void
  onChainStart?(chain: SignatureDict, headers: Stamps): Stamped
  onChainEnd?(chain: SignatureDict, headers: Stamps): void
  /** @default what `onGroupStart` gives for the header */
  onChordHeaderStart?(chord: SignatureDict, headers: Stamps): Stamped
  /** @default what `onGroupEnd` does for the header */
  onChordHeaderEnd?(chord: SignatureDict, headers: Stamps): void
  onChordBody?(chord: SignatureDict, headers: Stamps): Stamped
  onCallback?(callback: SignatureDict, headers: Stamps): Stamped
  onErrback?(errback: SignatureDict, headers: Stamps): Stamped
}

export interface StampOptions {
  /** Make a list of a stamp that is there already, in place of leaving one of the two. @default false */
  readonly append?: boolean
  /** Stamps for everything, beside those of the visitor. */
  readonly stamps?: Stamps
}

/**
 * A signature with stamps, as is all that it is made of, and its links. Links that are added later have
 * none. The body of a chord is stamped by a visitor only.
 *
 * @see celery 5.6, canvas.py, `stamp` and `stamp_links` of `Signature`, `_chain`, `group` and `_chord`
 */
export function stamp(
  signature: SignatureDict,
  visitorOrStamps: StampingVisitor | Stamps,
  { append = false, stamps = {} }: StampOptions = {},
): SignatureDict {
  const by: By = isVisitor(visitorOrStamps)
    ? { visitor: visitorOrStamps, append }
    : { visitor: undefined, append }
  return stamped(
    signature,
    by,
    headersOf(by.visitor === undefined ? { ...visitorOrStamps, ...stamps } : stamps),
  )
}

interface By {
  readonly visitor: StampingVisitor | undefined
  readonly append: boolean
}

function isVisitor(value: StampingVisitor | Stamps): value is StampingVisitor {
  return 'onSignature' in value && typeof value.onSignature === 'function'
}

type Stamp = (signature: SignatureDict, by: By, headers: Headers) => SignatureDict

const stamped: Stamp = (signature, by, headers) =>
  (KINDS.get(signature.subtask_type ?? '') ?? stampTask)(signature, by, headers)

const stampTask: Stamp = (signature, by, headers) => {
  const linked = stampLinks(signature, by, headers)
  const more = by.visitor?.onSignature(linked, valuesOf(headers))
  const all = inherited(linked, added(headers, more, by.append), by.append)
  const options = { ...linked.options, ...all.values, stamped_headers: all.names ?? [] }
  return { ...linked, options }
}

const stampChain: Stamp = (chain, by, headers) => {
  const more = by.visitor?.onChainStart?.(chain, valuesOf(headers))
  const all = inherited(chain, added(headers, more, by.append), by.append)
  const linked = stampLinks(chain, { ...by, append: false }, all)
  const done = withTasks(linked, by, all)
  by.visitor?.onChainEnd?.(done, valuesOf(all))
  return done
}

const stampGroup: Stamp = (group, by, headers) => {
  const more = by.visitor?.onGroupStart?.(group, valuesOf(headers))
  const all = inherited(group, added(headers, more, by.append), by.append)
  const done = withTasks(stampLinks(group, by, all), by, all)
  by.visitor?.onGroupEnd?.(done, valuesOf(all))
  return done
}

const stampChord: Stamp = (chord, by, headers) => {
  const { visitor, append } = by
  const all = inherited(
    chord,
    added(headers, onHeaderStart(visitor, chord, valuesOf(headers)), append),
    append,
  )
  const header = withTasks(headerOf(chord), by, all)
  const isList = Array.isArray(chord.kwargs['header']) && !isGroupsHook(visitor)
  const linked = stampLinks(chord, by, all)
  const done = withPart(linked, 'header', isList ? tasksOf(header) : header)
  onHeaderEnd(visitor, done, header, valuesOf(all))
  if (visitor === undefined) return done
  const more = visitor.onChordBody?.(done, valuesOf(all))
  const bodys = inherited(done, added(all, more, append), append)
  return withPart(done, 'body', stamped(bodyOf(done), by, bodys))
}

const KINDS = new Map<string, Stamp>([
  ['chain', stampChain],
  ['group', stampGroup],
  ['chord', stampChord],
])

/** Who is told of a header as of a group makes a group of it. */
function isGroupsHook(visitor: StampingVisitor | undefined): boolean {
  return visitor !== undefined && visitor.onChordHeaderStart === undefined
}

function onHeaderStart(
  visitor: StampingVisitor | undefined,
  chord: SignatureDict,
  headers: Stamps,
): Stamped {
  if (visitor?.onChordHeaderStart !== undefined) return visitor.onChordHeaderStart(chord, headers)
  return visitor?.onGroupStart?.(headerOf(chord), headers)
}

function onHeaderEnd(
  visitor: StampingVisitor | undefined,
  chord: SignatureDict,
  header: SignatureDict,
  headers: Stamps,
): void {
  if (visitor?.onChordHeaderEnd !== undefined) visitor.onChordHeaderEnd(chord, headers)
  else visitor?.onGroupEnd?.(header, headers)
}

function withTasks(signature: SignatureDict, by: By, headers: Headers): SignatureDict {
  const tasks = tasksOf(signature).map((task) => stamped(task, by, headers))
  return withPart(signature, 'tasks', tasks)
}

const HOOKS = [
  ['link', 'onCallback'],
  ['link_error', 'onErrback'],
] as const

/** A link has also the stamps that the visitor gave the links before it. */
function stampLinks(signature: SignatureDict, by: By, headers: Headers): SignatureDict {
  const options: Record<string, unknown> = { ...signature.options }
  for (const [name, hook] of HOOKS) {
    if (listOf(options[name]).length === 0) continue
    let all = headers
    const links = listOf(options[name]).map((value) => {
      const link = value as SignatureDict
      all = added(all, by.visitor?.[hook]?.(link, valuesOf(all)), by.append)
      return stamped(link, by, all)
    })
    options[name] = Array.isArray(options[name]) ? links : links[0]
  }
  return { ...signature, options }
}
