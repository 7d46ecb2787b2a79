/** How signatures fit one another, for the compiler: what each takes, gives, and has for a handle. */

import type { AsyncResult } from '../results/async-result.ts'
import type { EagerResult } from '../results/eager-result.ts'
import type { GroupResult } from '../results/group-result.ts'
import type { Signature } from './signature.ts'

/** Any signature. */
export type AnySignature = Signature<never, unknown, unknown>

/** The handle to a group: a GroupResult of whatever type. */
type OfMany = Pick<GroupResult, 'id' | 'length' | 'save'>

/** In parallel: every member takes the same arguments, and the list of their results is the result. */
export type Group<In extends readonly unknown[], Rs extends readonly unknown[]> = Signature<
  In,
  Rs,
  GroupResult<Rs>
> & {
  readonly subtaskType: 'group'
}

/** A group of one is its task wherever it is followed by nothing in a chain. @see celery 5.6, canvas.py, `maybe_unroll_group` */
export type Value<R, Res> = Res extends OfMany ? (R extends readonly [infer Only] ? Only : R) : R

/** The handle to that. */
export type Handle<R, Res> = Res extends OfMany
  ? R extends readonly [infer Only]
    ? AsyncResult<Only>
    : Res
  : Res

/** What `apply()` gives. */
export type Applied<R, Res> = unknown extends Res
  ? unknown
  : Res extends OfMany
    ? Res
    : EagerResult<R>

/** What a signature gives to the next of a chain. */
export type ValueOf<S> = S extends Signature<never, infer R, infer Res> ? Value<R, Res> : never
export type HandleOf<S> = S extends Signature<never, infer R, infer Res> ? Handle<R, Res> : never

/** What a signature gives, and its handle, wherever it stands. */
export type OutOf<S> = S extends Signature<never, infer R, unknown> ? R : never
export type ResOf<S> = S extends Signature<never, unknown, infer Res> ? Res : never

/** What a signature still takes; of many, what all of them take. */
export type InOf<S> = [S] extends [Signature<infer In, unknown, unknown>] ? In : never

export type Last<T extends readonly unknown[]> = T extends readonly [...unknown[], infer L]
  ? L
  : T[number]

/** What a group is made of, or the header of a chord: signatures, also computed ones. */
export type Members = readonly AnySignature[] | Iterable<AnySignature>

/** As a list: of computed ones it is not known how many there are. */
export type ListOfMembers<T> = T extends readonly unknown[]
  ? T
  : T extends Iterable<infer S>
    ? S[]
    : never

/** Each takes the result of the one before. */
export type Steps<T extends readonly unknown[]> = {
  readonly [K in keyof T]: K extends keyof Before<T> ? Step<Before<T>[K]> : unknown
}
type Before<T extends readonly unknown[]> = T extends readonly [...infer Init, unknown]
  ? [Start, ...Init]
  : never
type Step<Previous> = Previous extends Start
  ? AnySignature
  : Signature<[ValueOf<Previous>], unknown, unknown>
interface Start {
  readonly '~start': true
}

/**
 * The results of a group: groups in it are part of it, and a group of one that ends in a group is
 * that group.
 *
 * @see celery 5.6, canvas.py, `group._prepared` and `group.apply_async`
 */
export type Results<T extends readonly unknown[]> = T extends readonly [infer Only]
  ? Only extends Signature<never, infer R, infer Res>
    ? Res extends OfMany
      ? ListOf<R>
      : [R]
    : never
  : Flat<T>
type ListOf<R> = R extends readonly unknown[] ? R : [R]
type Flat<T extends readonly unknown[], Done extends readonly unknown[] = []> = T extends readonly [
  infer S,
  ...infer More,
]
  ? Flat<More, [...Done, ...Spread<S>]>
  : T extends readonly []
    ? Done
    : OutOf<T[number]>[]
type Spread<S> =
  S extends Signature<never, infer R, unknown>
    ? S extends { readonly subtaskType: 'group' }
      ? ListOf<R>
      : [R]
    : never

/** What all members of a group take. */
export type Ins<
  T extends readonly unknown[],
  Done extends readonly unknown[] = readonly unknown[],
> = T extends readonly [infer S, ...infer More]
  ? Ins<More, Meet<InOf<S>, Done>>
  : T extends readonly []
    ? Done
    : Meet<InOf<T[number]>, Done>
type Meet<A, B> = (A extends B ? A : B extends A ? B : A & B) extends infer M extends
  readonly unknown[]
  ? M
  : never
