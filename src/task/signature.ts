/** The handle to a call not yet made: complete it, set its options, link it, send it. */

import type { WireOptions } from '../../protocol/call-options.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { listOf, merge } from '../canvas/call.ts'
import { withImmutable } from '../canvas/immutable.ts'
import { withCallbacks, withErrbacks } from '../canvas/links.ts'
import { pipe } from '../canvas/pipe.ts'
import { freeze } from '../canvas/planner.ts'
import { bodyOf, endsOf, headerOf, tasksOf } from '../canvas/primitives.ts'
import { stamp, type StampingVisitor, type StampOptions } from '../canvas/stamp.ts'
import type { Stamps } from '../canvas/stamps.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import { inspectable } from '../results/tree.ts'
import { bindArguments } from './binding.ts'
import { environmentOf } from './dispatch.ts'
import { applySignature, type ApplyOptions } from './eager.ts'
import type { Applied, Handle, Value } from './fit.ts'
import type { TaskHost } from './host.ts'
import { nothingSent, resultOf } from './result-of.ts'
import { signatureRepr } from './signature-repr.ts'
import { sendCanvas } from './send-canvas.ts'
import type { CallOptions, SignatureLike } from './sender.ts'
import { dictOf, notSignature, wireOf } from './wire.ts'

/** What `set` takes: options of a call, and whether it takes the result of the one before. */
export interface SetOptions extends Omit<CallOptions, 'kwargs' | 'signal'> {
  readonly immutable?: boolean
}

export type SignatureOptions = SetOptions & Pick<CallOptions, 'kwargs'>

/**
 * `In` are the arguments that it still takes: those of the task, without the last ones, which it has
 * already. In a chain it is given the result of the one before. `R` is what the task gives, and `Res`
 * the handle to it that sending gives: of a group a GroupResult.
 *
 * @see celery 5.6, canvas.py, `Signature`
 */
export class Signature<
  In extends readonly unknown[] = readonly unknown[],
  R = unknown,
  Res = AsyncResult<R>,
> {
  /** Only a type: keeps two signatures apart that take different arguments. */
  declare readonly '~in': (args: In) => void
  /** Only a type. */
  declare readonly '~out': R
  /** Only a type. */
  declare readonly '~handle': Res
  readonly #host: TaskHost | undefined
  #dict: SignatureDict

  /** @param host none for an empty group, which belongs to no app */
  constructor(host: TaskHost | undefined, dict: SignatureDict) {
    this.#host = host
    this.#dict = dict
  }

  /** The task's name; `celery.chain` of a chain. */
  get task(): string {
    return this.#dict.task
  }

  /** The same as {@link task}. */
  get name(): string {
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

  /** `chain`, `group` or `chord`; null for a task. */
  get subtaskType(): string | null {
    return this.#dict.subtask_type
  }

  /** Whether the result of the one before is left out of its arguments. */
  get immutable(): boolean {
    return this.#dict.immutable
  }

  /** The task's id, once it is frozen; of a group the group's, of a chord the header's. */
  get id(): string | undefined {
    const id = this.#dict.options['task_id']
    return typeof id === 'string' ? id : undefined
  }

  /** Copies of the tasks of a chain or a group, or of the header of a chord; of a task none. */
  get tasks(): readonly Signature[] {
    return partsOf(this.#dict).map((part) => new Signature(this.#host, part))
  }

  /** A copy of the body of a chord. */
  get body(): Signature | undefined {
    if (this.#dict.subtask_type !== 'chord') return undefined
    return new Signature(this.#host, bodyOf(this.#dict))
  }

  /** How many tasks a group or a chain has, or a chord waits for; 1 for a task. Python's `len`. */
  get size(): number {
    const parts = partsOf(this.#dict)
    if (this.#dict.subtask_type === 'chord') return parts.flatMap(endsOf).length
    return this.#dict.subtask_type === null ? 1 : parts.length
  }

  /** Sets options, and gives itself. The members of a group become immutable, of a chord those of its header. */
  set({ immutable, ...options }: SetOptions): this {
    const merged = { ...this.#dict.options, ...wireOf(options) }
    const dict = immutable === undefined ? this.#dict : withImmutable(this.#dict, immutable)
    this.#dict = { ...dict, options: merged }
    return this
  }

  /** A copy; with arguments before its own, and options over its own. */
  clone(args: readonly unknown[] = [], options: CallOptions = {}): Signature<In, R, Res> {
    const given = { args, kwargs: options.kwargs ?? {}, options: wireOf(options) }
    return new Signature<In, R, Res>(this.#host, merge(this.#dict, given))
  }

  /**
   * A copy with other arguments, other keywords, or other options: each is put in the place of its
   * own when it is given.
   *
   * @see celery 5.6, canvas.py, `Signature.replace`
   */
  replace(args?: readonly unknown[], options?: CallOptions): Signature<readonly unknown[], R, Res> {
    const { kwargs = this.#dict.kwargs, ...others } = options ?? {}
    const hasOptions = options !== undefined && (!('kwargs' in options) || !isEmpty(others))
    return new Signature<readonly unknown[], R, Res>(this.#host, {
      ...this.#dict,
      args: args ?? this.#dict.args,
      kwargs,
      options: hasOptions ? wireOf(others) : this.#dict.options,
    })
  }

  /**
   * Runs another with the result when this one succeeded; gives the other. A chord gives it to its
   * body; a group, which has no result of its own, to its first task, and without that one's result.
   */
  link<S extends SignatureLike>(callback: S): S {
    this.#dict = withCallbacks(this.#dict, [dictOf(callback)])
    return callback
  }

  /**
   * Runs another when this one failed; gives the other. A group gives it to all of its tasks, a chord
   * to its body, and to its header when `taskAllowErrorCbOnChordHeader` is set.
   */
  linkError<S extends SignatureLike>(errback: S): S {
    const environment = this.#host === undefined ? {} : environmentOf(this.#host)
    this.#dict = withErrbacks(this.#dict, [dictOf(errback)], environment)
    return errback
  }

  /** As `linkError`, but gives itself. */
  onError(errback: SignatureLike): this {
    this.linkError(errback)
    return this
  }

  /** This one, its callbacks, theirs, and so on. */
  flattenLinks(): readonly Signature[] {
    const links = listOf(this.#dict.options['link']) as readonly SignatureDict[]
    const linked = links.flatMap((link) => new Signature(this.#host, link).flattenLinks())
    return [this as unknown as Signature, ...linked]
  }

  /**
   * Stamps it, all that it is made of, and its links as they are now; gives itself. Stamps are given as
   * such, or by a visitor, which is asked for each part.
   *
   * @see celery 5.6, canvas.py, `Signature.stamp`
   */
  stamp(visitorOrStamps: StampingVisitor | Stamps, options?: StampOptions): this {
    this.#dict = stamp(this.#dict, visitorOrStamps, options)
    return this
  }

  /** Gives it its id, and the result that it will have when it is sent. */
  freeze(taskId?: string): Res {
    const options = taskId === undefined ? {} : { taskId }
    const frozen = freeze(this.#dict, environmentOf(this.#owner), options)
    this.#dict = frozen.signature
    return resultOf(this.#owner, frozen.result) as Res
  }

  /**
   * This, then another with the result of this one: Python's `|`. A group that something follows is
   * the header of a chord.
   */
  pipe<R2, Res2>(next: Signature<[R], R2, Res2>): Signature<In, Value<R2, Res2>, Handle<R2, Res2>> {
    if (!(next instanceof Signature)) throw notSignature(next)
    const host = this.#host ?? next.#host
    const options = host === undefined ? {} : environmentOf(host)
    return new Signature(host, pipe(this.#dict, next.#dict, options))
  }

  /** Sends it. */
  delay(...args: In): Promise<Res> {
    return this.applyAsync(args)
  }

  /**
   * Sends it, with arguments before its own, and options over its own. The handle is a GroupResult
   * for a group and what ends in one, else an AsyncResult.
   *
   * @throws PartiallySentError when some of its messages were sent, and others could not be
   */
  async applyAsync(args?: In, options: CallOptions = {}): Promise<Res> {
    const given = { args: args ?? [], kwargs: options.kwargs ?? {}, options: wireOf(options) }
    if (this.#host === undefined) return nothingSent() as Res
    if (this.#dict.subtask_type === null) this.#check(merge(this.#dict, given))
    else if (this.#host.conf.taskAlwaysEager) return (await this.apply(args, options)) as Res
    return sendCanvas<Res>(this.#host, this.#dict, given, options.signal)
  }

  /** Runs it here and now. */
  async apply(args?: In, options: ApplyOptions = {}): Promise<Applied<R, Res>> {
    const result: unknown =
      this.#host === undefined
        ? nothingSent()
        : await applySignature(this.#host, this.#dict, args ?? [], options)
    return result as Applied<R, Res>
  }

  /** The plain data that goes on the wire. */
  toJSON(): SignatureDict {
    return this.#dict
  }

  /** As Python shows it, such as `tasks.add(2, 2) | mul(4)`: what `console.log` shows, too. */
  repr(): string {
    return signatureRepr(this.#dict)
  }

  toString(): string {
    return this.repr()
  }

  /** As Celery does, only where the task is known here. @throws TypeError */
  #check({ task: name, args, kwargs }: SignatureDict): void {
    const task = this.#owner.tasks.get(name)
    if (task?.options.typing === true && task.takesRequest !== true)
      bindArguments(task, args, kwargs)
  }

  /** @throws ImproperlyConfigured when it has none */
  get #owner(): TaskHost {
    if (this.#host !== undefined) return this.#host
    throw new ImproperlyConfigured('an empty group belongs to no app: nothing can be sent with it')
  }

  static {
    inspectable(this)
  }

  /** The app that it belongs to. */
  static hostOf(signature: Signature<never, unknown, unknown>): TaskHost | undefined {
    return signature.#host
  }
}

function partsOf(dict: SignatureDict): readonly SignatureDict[] {
  if (dict.subtask_type === 'chord') return tasksOf(headerOf(dict))
  return dict.subtask_type === 'chain' || dict.subtask_type === 'group' ? tasksOf(dict) : []
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0
}
