/** What signatures are put together with: a chain, a group, a chord. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { compose } from '../canvas/pipe.ts'
import { chordOf, groupOf, tasksOf } from '../canvas/primitives.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type {
  AnySignature,
  ListOfMembers,
  Members,
  Group,
  HandleOf,
  Ins,
  InOf,
  Last,
  OutOf,
  ResOf,
  Results,
  Steps,
  ValueOf,
} from './fit.ts'
import type { TaskHost } from './host.ts'
import type { CallOptions } from './sender.ts'
import { Signature } from './signature.ts'
import { notSignature } from './wire.ts'

/**
 * One after another, each with the result of the one before. A group that something follows is the
 * header of a chord.
 *
 * @see celery 5.6, canvas.py, `chain`
 */
export function chain<const T extends readonly [AnySignature, ...AnySignature[]]>(
  ...tasks: T & Steps<T>
): Signature<InOf<T[0]>, ValueOf<Last<T>>, HandleOf<Last<T>>>
/** Those that were computed: what they give and take is not known. */
export function chain(tasks: Iterable<AnySignature>): Signature
export function chain(
  first: AnySignature | Iterable<AnySignature>,
  ...more: readonly AnySignature[]
): Signature {
  const tasks = signaturesOf(first, more)
  const [head] = tasks
  if (head === undefined) throw new ImproperlyConfigured('a chain needs at least one signature')
  if (tasks.length === 1 && head.subtaskType !== 'group') return head as Signature
  return new Signature(hostOf(tasks), compose(dicts(tasks)))
}

/**
 * In parallel; the result is the list of theirs. Groups in it are part of it.
 *
 * @see celery 5.6, canvas.py, `group`
 */
export function group<const T extends readonly AnySignature[]>(
  ...tasks: T
): Group<Ins<T>, Results<T>>
export function group<const T extends Members>(
  tasks: T,
): Group<Ins<ListOfMembers<T>>, Results<ListOfMembers<T>>>
export function group(
  first: AnySignature | Iterable<AnySignature> = [],
  ...more: readonly AnySignature[]
): Group<never, unknown[]> {
  const tasks = signaturesOf(first, more)
  const [only] = tasks
  const isGroup = tasks.length === 1 && only?.subtaskType === 'group'
  const parts = isGroup ? tasksOf(only.toJSON()) : dicts(tasks)
  return new Signature(hostOf(tasks), groupOf(parts)) as unknown as Group<never, unknown[]>
}

/** Sends a chord with that body: Python's `chord(header)(body)`. */
export interface ChordCall<Rs> {
  <B extends Body<Rs>>(body: B, options?: CallOptions): Promise<ResOf<B>>
}

/**
 * The same, but only once the header is known: the compiler puts calls aside that may give a generic
 * function, and could not check a `chain(chord(…), …)`.
 */
type Deferred<H, Rs> = [H] extends [never] ? never : ChordCall<Rs>

/** A group, what one is made of, or a signature: a chain is taken for the list of its tasks, as Celery does. */
type Header = Members | AnySignature

/** The results that the body is given. */
type ResultsOf<H> = H extends { readonly subtaskType: 'group' }
  ? OutOf<H>
  : H extends Members
    ? Results<ListOfMembers<H>>
    : unknown[]

/** What the header takes. */
type InsOf<H> = H extends { readonly subtaskType: 'group' }
  ? InOf<H>
  : H extends Members
    ? Ins<ListOfMembers<H>>
    : readonly unknown[]

/** A signature that takes that result. */
type Body<Rs> = Signature<[Rs], unknown, unknown>

/**
 * A group, then a body with the list of its results. Without a body it is a function that takes one,
 * and sends the chord.
 *
 * @see celery 5.6, canvas.py, `chord`
 */
export function chord<const H extends Header>(header: H): Deferred<H, ResultsOf<H>>
export function chord<const H extends Header, B extends Body<ResultsOf<H>>>(
  header: H,
  body: B,
): Signature<InsOf<H>, OutOf<B>, ResOf<B>>
export function chord(header: AnySignature | Iterable<AnySignature>, body?: AnySignature): unknown {
  const { host, dict } = headerOf(header)
  const make = (last: AnySignature): Signature =>
    new Signature(host ?? Signature.hostOf(last), chordOf(dict, signatureIn(last).toJSON()))
  if (body !== undefined) return make(body)
  return (last: AnySignature, options?: CallOptions): Promise<AsyncResult> =>
    make(last).applyAsync([], options)
}

function headerOf(header: AnySignature | Iterable<AnySignature>): {
  readonly host: TaskHost | undefined
  readonly dict: readonly SignatureDict[]
} {
  const tasks = signaturesOf(header, [])
  const host = hostOf(tasks)
  if (!isSignature(header)) return { host, dict: dicts(tasks) }
  const own = header.toJSON()
  const isList = own.subtask_type === 'group' || own.subtask_type === 'chain'
  return { host, dict: isList ? tasksOf(own) : [own] }
}

function dicts(tasks: readonly AnySignature[]): readonly SignatureDict[] {
  return tasks.map((task) => task.toJSON())
}

/** An empty group belongs to no app. */
function hostOf(tasks: readonly AnySignature[]): TaskHost | undefined {
  for (const task of tasks) {
    const host = Signature.hostOf(task)
    if (host !== undefined) return host
  }
  return undefined
}

/** What was given as arguments, or as one list. @throws ImproperlyConfigured for what is no signature */
function signaturesOf(
  first: AnySignature | Iterable<AnySignature>,
  more: readonly AnySignature[],
): readonly AnySignature[] {
  const isList = typeof first === 'object' && first !== null && Symbol.iterator in first
  const tasks = isList && more.length === 0 ? [...first] : [first as AnySignature, ...more]
  for (const task of tasks) signatureIn(task)
  return tasks
}

function signatureIn(value: AnySignature): AnySignature {
  if (isSignature(value)) return value
  throw notSignature(value)
}

function isSignature(value: AnySignature | Iterable<AnySignature>): value is AnySignature {
  return value instanceof Signature
}
