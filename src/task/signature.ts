/** The handle to a call not yet made: complete it, set its options, link it, send it. */

import type { WireOptions } from '../../protocol/call-options.ts'
import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { merge, withLinks } from '../canvas/call.ts'
import { unchain } from '../canvas/chain.ts'
import { freeze } from '../canvas/planner.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { EagerResult } from '../results/eager-result.ts'
import { bindArguments } from './binding.ts'
import { dictOf, environmentOf, resultOf, sendSignature, wireOf } from './dispatch.ts'
import { applySignature, type ApplyOptions } from './eager.ts'
import type { TaskHost } from './host.ts'
import type { CallOptions, SignatureLike } from './sender.ts'

/** What `set` takes: options of a call, and whether it takes the result of the one before. */
export interface SetOptions extends Omit<CallOptions, 'kwargs' | 'signal'> {
  readonly immutable?: boolean
}

/**
 * `In` are the arguments that it still takes: those of the task, without the last ones, which it has
 * already. In a chain it is given the result of the one before.
 *
 * @see celery 5.6, canvas.py, `Signature`
 */
export class Signature<In extends readonly unknown[] = readonly unknown[], R = unknown> {
  /** Only a type: keeps two signatures apart that take different arguments. */
  declare readonly '~in'?: (args: In) => void
  /** Only a type. */
  declare readonly '~out'?: R
  readonly #host: TaskHost
  #dict: SignatureDict

  constructor(host: TaskHost, dict: SignatureDict) {
    this.#host = host
    this.#dict = dict
  }

  /** The task's name; `celery.chain` of a chain. */
  get task(): string {
    return this.#dict.task
  }

  get args(): readonly unknown[] {
    return this.#dict.args
  }

  get kwargs(): Readonly<Record<string, unknown>> {
    return this.#dict.kwargs
  }

  /** Under their wire names. */
  get options(): WireOptions {
    return this.#dict.options
  }

  /** Whether the result of the one before is left out of its arguments. */
  get immutable(): boolean {
    return this.#dict.immutable
  }

  /** The task's id, once it is frozen. */
  get id(): string | undefined {
    const id = this.#dict.options['task_id']
    return typeof id === 'string' ? id : undefined
  }

  /** Sets options, and gives itself. */
  set({ immutable, ...options }: SetOptions): this {
    this.#dict = {
      ...this.#dict,
      options: { ...this.#dict.options, ...wireOf(options) },
      immutable: immutable ?? this.#dict.immutable,
    }
    return this
  }

  /** A copy; with arguments before its own, and options over its own. */
  clone(args: readonly unknown[] = [], options: CallOptions = {}): Signature<In, R> {
    const given = { args, kwargs: options.kwargs ?? {}, options: wireOf(options) }
    return new Signature<In, R>(this.#host, merge(this.#dict, given))
  }

  /** Runs another with the result when this one succeeded; gives the other. */
  link<S extends SignatureLike>(callback: S): S {
    this.#dict = withLinks(this.#dict, 'link', dictOf(callback))
    return callback
  }

  /** Runs another when this one failed; gives the other. */
  linkError<S extends SignatureLike>(errback: S): S {
    this.#dict = withLinks(this.#dict, 'link_error', dictOf(errback))
    return errback
  }

  /** As `linkError`, but gives itself. */
  onError(errback: SignatureLike): this {
    this.linkError(errback)
    return this
  }

  /** Gives it its id, and the result that it will have when it is sent. */
  freeze(taskId?: string): AsyncResult<R> {
    const options = taskId === undefined ? {} : { taskId }
    const frozen = freeze(this.#dict, environmentOf(this.#host), options)
    this.#dict = frozen.signature
    return resultOf<R>(this.#host, frozen.result)
  }

  /** This, then another with the result of this one: Python's `|`. */
  pipe<R2>(next: Signature<[R], R2>): Signature<In, R2> {
    return chainOf(this.#host, [this, next])
  }

  /** Sends it. */
  delay(...args: In): Promise<AsyncResult<R>> {
    return this.applyAsync(args)
  }

  /** Sends it, with arguments before its own, and options over its own. */
  async applyAsync(args?: In, options: CallOptions = {}): Promise<AsyncResult<R>> {
    const given = { args: args ?? [], kwargs: options.kwargs ?? {}, options: wireOf(options) }
    if (this.#dict.subtask_type === null) this.#check(merge(this.#dict, given))
    else if (this.#host.conf.taskAlwaysEager) return this.apply(args, options)
    return sendSignature<R>(this.#host, this.#dict, given, options.signal)
  }

  /** Runs it here and now. */
  apply(args?: In, options: ApplyOptions = {}): Promise<EagerResult<R>> {
    return applySignature<R>(this.#host, this.#dict, args ?? [], options)
  }

  /** The plain data that goes on the wire. */
  toJSON(): SignatureDict {
    return this.#dict
  }

  /** As Celery does, only where the task is known here. @throws TypeError */
  #check({ task: name, args, kwargs }: SignatureDict): void {
    const task = this.#host.tasks.get(name)
    if (task?.options.typing === true && task.takesRequest !== true)
      bindArguments(task, args, kwargs)
  }

  /** The app that it belongs to. */
  static hostOf(signature: Signature<never>): TaskHost {
    return signature.#host
  }
}

/** Any signature. */
type Any = Signature<never>
/** A signature that can be given a result of that type. */
type After<T, R> = Signature<[T], R>

/** One after another, each with the result of the one before. @see celery 5.6, canvas.py, `chain` */
export function chain<In extends readonly unknown[], R>(a: Signature<In, R>): Signature<In, R>
export function chain<In extends readonly unknown[], A, R>(
  a: Signature<In, A>,
  b: After<A, R>,
): Signature<In, R>
export function chain<In extends readonly unknown[], A, B, R>(
  a: Signature<In, A>,
  b: After<A, B>,
  c: After<B, R>,
): Signature<In, R>
export function chain<In extends readonly unknown[], A, B, C, R>(
  a: Signature<In, A>,
  b: After<A, B>,
  c: After<B, C>,
  d: After<C, R>,
): Signature<In, R>
export function chain<In extends readonly unknown[], A, B, C, D, R>(
  a: Signature<In, A>,
  b: After<A, B>,
  c: After<B, C>,
  d: After<C, D>,
  e: After<D, R>,
): Signature<In, R>
export function chain<In extends readonly unknown[], A, B, C, D, E, R>(
  a: Signature<In, A>,
  b: After<A, B>,
  c: After<B, C>,
  d: After<C, D>,
  e: After<D, E>,
  f: After<E, R>,
): Signature<In, R>
/** A list, such as one that was computed: what it gives and takes is not known. */
export function chain(tasks: readonly Any[]): Signature
export function chain(first: Any | readonly Any[], ...more: readonly Any[]): Signature {
  const tasks = isList(first) ? first : [first, ...more]
  const [head] = tasks
  if (head === undefined) throw new ImproperlyConfigured('a chain needs at least one signature')
  if (tasks.length === 1) return head as Signature
  return chainOf(Signature.hostOf(head), tasks)
}

function chainOf<In extends readonly unknown[], R>(
  host: TaskHost,
  signatures: readonly { toJSON(): SignatureDict }[],
): Signature<In, R> {
  const tasks = signatures.flatMap((signature) => unchain(signature.toJSON()))
  return new Signature<In, R>(
    host,
    makeSignature('celery.chain', [], { tasks }, { subtask_type: 'chain' }),
  )
}

function isList(value: Any | readonly Any[]): value is readonly Any[] {
  return Array.isArray(value)
}
