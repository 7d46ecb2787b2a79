/** A task: its name, its function, its options, and the ways to call it. */

import { signature as makeSignature } from '../../protocol/signature.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { EagerResult } from '../results/eager-result.ts'
import { arityOf, bindArguments, type Arity } from './binding.ts'
import { Chunks } from './chunks.ts'
import type { TaskContext } from './context.ts'
import { send } from './dispatch.ts'
import { applyTask, callTask, type ApplyOptions } from './eager.ts'
import type { TaskHost } from './host.ts'
import {
  checkOptions,
  resolveOptions,
  type ResolvedTaskOptions,
  type TaskOptions,
} from './options.ts'
import type { TaskDefinition } from './registry.ts'
import type { CallOptions } from './sender.ts'
import { signatureOf } from './signature-of.ts'
import { Signature, type SignatureOptions } from './signature.ts'

/** The last arguments of a task, which a signature may have already. */
export type Suffix<A extends readonly unknown[]> = A extends readonly [unknown, ...infer Rest]
  ? A | Suffix<Rest>
  : A

/**
 * The arguments that a task still takes when it was given the last ones. Where some are optional it
 * may have been given those, or the first ones.
 */
export type Without<
  A extends readonly unknown[],
  Given extends readonly unknown[],
> = number extends A['length']
  ? A
  : Given extends readonly []
    ? A
    : Before<Given, Lists<A, Required<A>>>

/** A list of arguments with all optional ones, with one fewer, and so on. */
type Lists<A extends readonly unknown[], All extends readonly unknown[]> = All extends A
  ? All | (All extends readonly [...infer Fewer, unknown] ? Lists<A, Fewer> : never)
  : never

/** What is before the last arguments, of those lists that they fit. */
type Before<
  Given extends readonly unknown[],
  All extends readonly unknown[],
> = All extends readonly unknown[] ? Split<Given, All> : never

type Split<
  Given extends readonly unknown[],
  All extends readonly unknown[],
  Left extends readonly unknown[] = Given,
  Tail extends readonly unknown[] = [],
> = Left extends readonly [unknown, ...infer Fewer]
  ? All extends readonly [...infer Rest, infer L]
    ? Split<Given, Rest, Fewer, [L, ...Tail]>
    : never
  : Given extends Readonly<Tail>
    ? All
    : never

/** `self` first, then what callers give. */
export type BoundFunction<A extends readonly unknown[], R> = (self: TaskContext, ...args: A) => R
export type PlainFunction<A extends readonly unknown[], R> = (...args: A) => R
type UserFunction = (...args: never) => unknown

/** `app.task`: one definition types everything. */
export interface TaskMaker {
  <A extends readonly unknown[], R>(name: string, fn: PlainFunction<A, R>): Task<A, Awaited<R>>
  <A extends readonly unknown[], R>(
    name: string,
    options: TaskOptions & { readonly bind: true },
    fn: BoundFunction<A, R>,
  ): Task<A, Awaited<R>>
  <A extends readonly unknown[], R>(
    name: string,
    options: TaskOptions & { readonly bind?: false },
    fn: PlainFunction<A, R>,
  ): Task<A, Awaited<R>>
}

/** Makes a task into a function, which it is to its callers. */
class Callable {
  constructor(target: object) {
    return Object.setPrototypeOf(target, new.target.prototype) as Callable
  }

  static {
    Object.setPrototypeOf(Callable.prototype, Function.prototype)
  }
}

/** Calls the function here and now, without a message: Python's `__call__`. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- a class cannot say that it is callable
export interface Task<A extends readonly unknown[], R> {
  (...args: A): Promise<R>
}

/** @see celery 5.6, app/task.py, `Task` */
export class Task<A extends readonly unknown[] = readonly unknown[], R = unknown>
  extends Callable
  implements TaskDefinition
{
  readonly name: string
  /** The function that it was made of. */
  readonly run: UserFunction
  readonly arity: Arity
  readonly #given: TaskOptions
  readonly #host: TaskHost
  #options: ResolvedTaskOptions | undefined

  constructor(
    target: object,
    host: TaskHost,
    name: string,
    options: TaskOptions,
    run: UserFunction,
  ) {
    super(target)
    this.name = name
    this.run = run
    this.arity = arityOf(run, options.bind ?? false)
    this.#given = options
    this.#host = host
  }

  /**
   * Complete, with the app's settings for what was not given. They are read when they are first asked
   * for, as Celery reads them when a task is bound: what changes afterwards has no effect.
   */
  get options(): ResolvedTaskOptions {
    this.#options ??= this.#resolve()
    return this.#options
  }

  /** Sends it with these arguments; resolves when the broker has it. */
  delay(...args: A): Promise<AsyncResult<R>> {
    return this.#send(args, {})
  }

  /** Sends it with options; resolves when the broker has it. Keywords need the option `params`. */
  applyAsync(
    args: A,
    options?: CallOptions & { readonly kwargs?: undefined },
  ): Promise<AsyncResult<R>>
  applyAsync(
    args: Partial<A> | undefined,
    options: CallOptions & { readonly kwargs: Readonly<Record<string, unknown>> },
  ): Promise<AsyncResult<R>>
  applyAsync(args: readonly unknown[] = [], options: CallOptions = {}): Promise<AsyncResult<R>> {
    return this.#send(args, options)
  }

  /** Runs it here and now as a worker would, and gives the result whatever it is. */
  // @ts-expect-error -- Celery's name; a task is no function that one would `apply` to a `this`
  override apply(args?: Partial<A>, options: ApplyOptions = {}): Promise<EagerResult<R>> {
    return applyTask<R>(this.#host, this.name, args ?? [], options)
  }

  /** A call not yet made, with all or the last of its arguments. */
  s<Given extends Suffix<A>>(...args: Given): Signature<Without<A, Given>, R> {
    return signatureOf(this.#host, this.name, args)
  }

  /** The same, and it leaves out the result of the one before. */
  si(...args: A): Signature<readonly unknown[], R> {
    return signatureOf(this.#host, this.name, args, { immutable: true })
  }

  /** A call not yet made, with options. */
  signature(args?: Partial<A>, options?: SignatureOptions): Signature<readonly unknown[], R> {
    return signatureOf(this.#host, this.name, args ?? [], options)
  }

  /** One task that calls this one for each item. */
  map(items: Iterable<A[0]>): Signature<readonly unknown[], R[]> {
    return this.#each('celery.map', items)
  }

  /** One task that calls this one for each list of arguments. */
  starmap(items: Iterable<Readonly<A>>): Signature<readonly unknown[], R[]> {
    return this.#each('celery.starmap', items)
  }

  /** Tasks that each call this one for so many lists of arguments. */
  chunks(items: Iterable<Readonly<A>>, size: number): Chunks<R> {
    return new Chunks<R>(this.#host, makeSignature(this.name), items, size)
  }

  /** @throws ImproperlyConfigured for what the settings say of it */
  #resolve(): ResolvedTaskOptions {
    const { name } = this
    const options = this.#host.annotate?.(name, this.#given) ?? this.#given
    checkOptions(name, options)
    return resolveOptions(options, this.#host.conf)
  }

  async #send(args: readonly unknown[], options: CallOptions): Promise<AsyncResult<R>> {
    if (this.options.typing) bindArguments(this, args, options.kwargs ?? {})
    return send<R>(this.#host, this.name, args, options)
  }

  /** @see celery 5.6, canvas.py, `_basemap` */
  #each(name: string, items: Iterable<unknown>): Signature<readonly unknown[], R[]> {
    const kwargs = { task: makeSignature(this.name), it: [...items] }
    return new Signature(this.#host, makeSignature(name, [], kwargs, { immutable: true }))
  }
}

/**
 * Makes a task, and has the app know it.
 *
 * @throws ImproperlyConfigured for a bad name or option, and when the name is taken
 */
export function createTask<A extends readonly unknown[], R>(
  host: TaskHost,
  name: string,
  options: TaskOptions,
  fn: UserFunction,
): Task<A, R> {
  if (typeof name !== 'string' || name === '') {
    throw new ImproperlyConfigured('a task needs a name: its first argument, such as "shop.add"')
  }
  if (typeof fn !== 'function') {
    throw new ImproperlyConfigured(`task '${name}' needs a function as its last argument`)
  }
  checkOptions(name, host.annotate?.(name, options) ?? options)
  const target = (...args: A): Promise<R> => callTask<R>(host, task, args)
  const task = new Task<A, R>(target, host, name, options, fn)
  host.tasks.register(task)
  return task
}

/** `app.task` of an app. */
export function taskMaker(host: TaskHost): TaskMaker {
  const make = (name: string, given: unknown, fn?: unknown): unknown => {
    const options = typeof given === 'function' ? {} : (given as TaskOptions)
    const run = (typeof given === 'function' ? given : fn) as UserFunction
    return createTask(host, name, options, run)
  }
  return make as TaskMaker
}
