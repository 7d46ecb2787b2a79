/** A handle to the result of one task: wait for it, ask for its state, forget it, revoke it. */

import { parseIsoformat } from '../../protocol/python/datetime.ts'
import type { ResultMeta, ResultTuple } from '../../protocol/result.ts'
import {
  EXCEPTION_STATES,
  FAILURE,
  PROPAGATE_STATES,
  READY_STATES,
  SUCCESS,
  type TaskState,
} from '../../protocol/states.ts'
import { NotSupported, type CeleryError } from '../errors.ts'
import type { Seconds } from '../runtime/duration.ts'
import type { ResultBackend } from './backend.ts'
import { remoteError } from './remote-error.ts'
import { ancestors, fromTuple, groupTuple, taskTuple, type ResultNode } from './tree.ts'
import { Updates } from './updates.ts'
import { waitFor } from './wait.ts'

export interface GetOptions {
  /** Seconds until `get()` rejects with TimeoutError; the task goes on. @default undefined: no limit, nor is 0 */
  readonly timeout?: Seconds | undefined
  /** Rejects as soon as it aborts; the task goes on. */
  readonly signal?: AbortSignal | undefined
  /** Reject when the task failed; false resolves with the error instead. @default true */
  readonly propagate?: boolean | undefined
  /** Called with every meta that is heard while waiting, such as PROGRESS; what it throws rejects the `get()`. */
  readonly onMessage?: ((meta: ResultMeta) => void) | undefined
  /** Reject as soon as a task that ran before this one failed. @default true */
  readonly followParents?: boolean | undefined
  /**
   * Taken for Celery's sake, and without effect: there, waiting inside a task blocks a process of the
   * pool and may lock up the worker; here a task that waits holds one of `concurrency` places.
   */
  readonly disableSyncSubtasks?: boolean | undefined
}

export interface UpdatesOptions {
  readonly signal?: AbortSignal | undefined
}

/** @see celery 5.6, app/control.py, `Control.revoke` */
export interface RevokeOptions {
  /** Also end the task when it runs. @default false */
  readonly terminate?: boolean
  /** The signal that ends its process. @default 'SIGTERM' */
  readonly signal?: string
  /** Wait for the workers to answer. @default false */
  readonly wait?: boolean
  /** Seconds to wait for them. @default 1 */
  readonly timeout?: number
}

/** What the app gives to its results. */
export interface ResultSource {
  readonly backend: ResultBackend
  readonly revoke?: ((taskId: string, options: RevokeOptions) => Promise<void>) | undefined
}

export interface AsyncResultOptions {
  /** What ran before it in its chain. */
  readonly parent?: ResultNode | undefined
  /** Nobody stores this result: `get()` resolves with undefined at once, as Celery's does. @default false */
  readonly ignored?: boolean | undefined
}

/**
 * The result of one task. Asking costs a round trip until the task is ready; then what was read is
 * kept. It is not thenable, so that `await task.delay()` does not wait for the task.
 *
 * @see celery 5.6, result.py, `AsyncResult`
 */
export class AsyncResult<R = unknown> implements ResultNode {
  readonly id: string
  readonly parent: ResultNode | undefined
  readonly ignored: boolean
  readonly #source: ResultSource
  /** The last meta that was seen. */
  #known: ResultMeta | undefined

  constructor(id: string, source: ResultSource, options: AsyncResultOptions = {}) {
    if (typeof id !== 'string' || id === '')
      throw new TypeError('a result needs the id of its task')
    this.id = id
    this.parent = options.parent
    this.ignored = options.ignored ?? false
    this.#source = source
  }

  /**
   * Waits until the task is ready, and gives what it returned.
   *
   * @throws TaskError when it failed; Celery's own exceptions as their class, such as NotRegistered
   * @throws TaskRevokedError when it was revoked
   * @throws TimeoutError when it is not ready in time
   */
  get(options: GetOptions & { readonly propagate: false }): Promise<R | CeleryError>
  get(options?: GetOptions): Promise<R>
  async get(options: GetOptions = {}): Promise<R | CeleryError> {
    if (this.ignored) return undefined as R
    const propagate = options.propagate ?? true
    const meta = this.#ready ?? (await this.#wait(options, propagate))
    if (!PROPAGATE_STATES.has(meta.status)) return meta.result as R
    const error = remoteError(meta)
    if (propagate) throw error
    return error
  }

  /** Everything that is stored of the task; in the exception states `result` is the error. */
  async meta(): Promise<ResultMeta> {
    return decoded(this.#ready ?? this.#learn(await this.#source.backend.fetch(this.id)))
  }

  /** PENDING also when nobody knows the task: a backend cannot tell. */
  async state(): Promise<TaskState> {
    return (this.#ready ?? this.#learn(await this.#source.backend.fetch(this.id))).status
  }

  /** The same as {@link state}. */
  status(): Promise<TaskState> {
    return this.state()
  }

  /** Whether nothing more will come: it succeeded, failed or was revoked. */
  async ready(): Promise<boolean> {
    return READY_STATES.has(await this.state())
  }

  async successful(): Promise<boolean> {
    return (await this.state()) === SUCCESS
  }

  async failed(): Promise<boolean> {
    return (await this.state()) === FAILURE
  }

  /** What it returned, its error, or the meta of a custom state; does not wait. */
  async result(): Promise<unknown> {
    return (await this.meta()).result
  }

  /** The same as {@link result}. */
  info(): Promise<unknown> {
    return this.result()
  }

  async traceback(): Promise<string | null> {
    return (await this.meta()).traceback
  }

  /** When it became ready. */
  async dateDone(): Promise<Date | undefined> {
    const { dateDone } = await this.meta()
    return dateDone === null ? undefined : parseIsoformat(dateDone)
  }

  /** The results of the tasks that it sent; undefined when that is not known. */
  async children(): Promise<readonly ResultNode[] | undefined> {
    const { children } = await this.meta()
    return children?.map((child) => resultFromTuple(child, this.#source))
  }

  /** Each change, up to the last state; ends by itself, or with an error when the signal aborts. */
  updates(options: UpdatesOptions = {}): AsyncIterableIterator<ResultMeta, undefined, undefined> {
    const { backend } = this.#source
    const updates = new Updates({
      signal: options.signal,
      subscribe: (onMeta, onEnd) =>
        backend.subscribe(this.id, (meta) => onMeta(decoded(this.#learn(meta))), onEnd),
    })
    if (this.ignored) void updates.return()
    return updates
  }

  /** Deletes what is stored of it, and of those that ran before it. */
  async forget(): Promise<void> {
    this.#known = undefined
    await Promise.all([this.parent?.forget(), this.#source.backend.forget(this.id)])
  }

  /** Tells all workers not to run it. */
  async revoke(options: RevokeOptions = {}): Promise<void> {
    const { revoke } = this.#source
    if (revoke === undefined) throw new NotSupported('this result cannot revoke: it has no app')
    await revoke(this.id, options)
  }

  asTuple(): ResultTuple {
    return taskTuple(this)
  }

  /** A result that a task returns is stored as its tuple, as Celery does. */
  toJSON(): ResultTuple {
    return this.asTuple()
  }

  toString(): string {
    return this.id
  }

  /** `<AsyncResult: id SUCCESS>`, with the last state that was seen: what `console.log` shows. */
  repr(): string {
    const state = this.#known === undefined ? '' : ` ${this.#known.status}`
    return `<${this.constructor.name}: ${this.id}${state}>`
  }

  static {
    const value = function (this: AsyncResult): string {
      return this.repr()
    }
    Object.defineProperty(this.prototype, Symbol.for('nodejs.util.inspect.custom'), { value })
  }

  get #ready(): ResultMeta | undefined {
    const known = this.#known
    return known !== undefined && READY_STATES.has(known.status) ? known : undefined
  }

  #learn(meta: ResultMeta): ResultMeta {
    this.#known = meta
    return meta
  }

  #wait(options: GetOptions, propagate: boolean): Promise<ResultMeta> {
    const follow = propagate && (options.followParents ?? true)
    return waitFor(this.#source.backend, this.id, {
      timeout: options.timeout,
      signal: options.signal,
      parents: follow ? ancestors(this) : [],
      onMessage: (meta) => {
        this.#learn(meta)
        options.onMessage?.(decoded(meta))
      },
    })
  }
}

/** A group among the results of a task, as far as its tuple tells. */
class ResultGroup implements ResultNode {
  readonly id: string
  readonly results: readonly ResultNode[]
  readonly parent: ResultNode | undefined

  constructor(id: string, results: readonly ResultNode[], parent: ResultNode | undefined) {
    this.id = id
    this.results = results
    this.parent = parent
  }

  /** The results of all members, in their order; rejects with the first failure. */
  get(options: GetOptions = {}): Promise<unknown[]> {
    return Promise.all(this.results.map((member) => member.get(options)))
  }

  asTuple(): ResultTuple {
    return groupTuple(this)
  }

  toJSON(): ResultTuple {
    return this.asTuple()
  }

  async forget(): Promise<void> {
    await Promise.all(this.results.map((member) => member.forget()))
  }
}

/** The handle that a tuple stands for. @see celery 5.6, result.py, `result_from_tuple` */
export function resultFromTuple(tuple: unknown, source: ResultSource): ResultNode {
  return fromTuple(tuple, {
    task: (id, parent) => new AsyncResult(id, source, { parent }),
    group: (id, results, parent) => new ResultGroup(id, results, parent),
  })
}

/** The meta with an error in the place of the exception's data. */
function decoded(meta: ResultMeta): ResultMeta {
  return EXCEPTION_STATES.has(meta.status) ? { ...meta, result: remoteError(meta) } : meta
}
