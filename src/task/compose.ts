/** What signatures are put together with: a chain, a group, a chord. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { compose } from '../canvas/pipe.ts'
import { chordOf, groupOf, tasksOf } from '../canvas/primitives.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type {
  Any,
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

/**
 * One after another, each with the result of the one before. A group that something follows is the
 * header of a chord.
 *
 * @see celery 5.6, canvas.py, `chain`
 */
export function chain<const T extends readonly [Any, ...Any[]]>(
  ...tasks: T & Steps<T>
): Signature<InOf<T[0]>, ValueOf<Last<T>>, HandleOf<Last<T>>>
/** Those that were computed: what they give and take is not known. */
export function chain(tasks: Iterable<Any>): Signature
export function chain(first: Any | Iterable<Any>, ...more: readonly Any[]): Signature {
  const tasks = isSignature(first) ? [first, ...more] : [...first]
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
export function group<const T extends readonly Any[]>(tasks: T): Group<Ins<T>, Results<T>>
export function group<S extends Any>(tasks: Iterable<S>): Group<Ins<S[]>, Results<S[]>>
export function group<const T extends readonly Any[]>(...tasks: T): Group<Ins<T>, Results<T>>
export function group(
  first: Any | Iterable<Any> = [],
  ...more: readonly Any[]
): Group<never, unknown[]> {
  const tasks = isSignature(first) ? [first, ...more] : [...first]
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

/** A signature that takes that result. */
type Body<Rs> = Signature<[Rs], unknown, unknown>

/**
 * A group, then a body with the list of its results. Without a body it is a function that takes one,
 * and sends the chord.
 *
 * @see celery 5.6, canvas.py, `chord`
 */
export function chord<const T extends readonly Any[]>(header: T): Deferred<T, Results<T>>
export function chord<In extends readonly unknown[], Rs extends readonly unknown[]>(
  header: Group<In, Rs>,
): Deferred<Rs, Rs>
export function chord<S extends Any>(header: Iterable<S>): Deferred<S, Results<S[]>>
export function chord<const T extends readonly Any[], B extends Body<Results<T>>>(
  header: T,
  body: B,
): Signature<Ins<T>, OutOf<B>, ResOf<B>>
export function chord<
  In extends readonly unknown[],
  Rs extends readonly unknown[],
  B extends Body<Rs>,
>(header: Group<In, Rs>, body: B): Signature<In, OutOf<B>, ResOf<B>>
export function chord<S extends Any, B extends Body<Results<S[]>>>(
  header: Iterable<S>,
  body: B,
): Signature<Ins<S[]>, OutOf<B>, ResOf<B>>
/** A header of one signature: a chain is taken for the list of its tasks, as Celery does. */
export function chord<B extends Body<unknown[]>>(
  header: Any,
  body: B,
): Signature<readonly unknown[], OutOf<B>, ResOf<B>>
export function chord(header: Any | Iterable<Any>, body?: Any): unknown {
  const { host, dict } = headerOf(header)
  const make = (last: Any): Signature =>
    new Signature(host ?? Signature.hostOf(last), chordOf(dict, last.toJSON()))
  if (body !== undefined) return make(body)
  return (last: Any, options?: CallOptions): Promise<AsyncResult> =>
    make(last).applyAsync([], options)
}

function headerOf(header: Any | Iterable<Any>): {
  readonly host: TaskHost | undefined
  readonly dict: readonly SignatureDict[]
} {
  const tasks = isSignature(header) ? [header] : [...header]
  const host = hostOf(tasks)
  if (!isSignature(header)) return { host, dict: dicts(tasks) }
  const own = header.toJSON()
  const isList = own.subtask_type === 'group' || own.subtask_type === 'chain'
  return { host, dict: isList ? tasksOf(own) : [own] }
}

function dicts(tasks: readonly Any[]): readonly SignatureDict[] {
  return tasks.map((task) => task.toJSON())
}

/** An empty group belongs to no app. */
function hostOf(tasks: readonly Any[]): TaskHost | undefined {
  for (const task of tasks) {
    const host = Signature.hostOf(task)
    if (host !== undefined) return host
  }
  return undefined
}

function isSignature(value: Any | Iterable<Any>): value is Any {
  return value instanceof Signature
}
