/** A handle to the result of one task: wait for it, ask for its state, forget it, revoke it. */

import { parseIsoformat } from '../../protocol/python/datetime.ts'
import type { ExtendedMeta, ResultMeta, ResultTuple } from '../../protocol/result.ts'
import {
  FAILURE,
  PROPAGATE_STATES,
  READY_STATES,
  SUCCESS,
  type TaskState,
} from '../../protocol/states.ts'
import { NotSupported, type CeleryError } from '../errors.ts'
import { Feed } from './feed.ts'
import { GroupResult } from './group-result.ts'
import type { GetOptions, MaybeThrowOptions, UpdatesOptions } from './options.ts'
import { decoded } from './remote-error.ts'
import type { ResultSource, RevokeOptions, StampedHeaders } from './source.ts'
import {
  ancestors,
  fromTuple,
  inspectable,
  taskTuple,
  type ResultNode,
  type TaskHandle,
} from './tree.ts'
import { parentError, waitFor, type Parents } from './wait.ts'

export type { GetOptions, MaybeThrowOptions, UpdatesOptions } from './options.ts'
export type { ResultSource, RevokeOptions, StampedHeaders } from './source.ts'

/** When nobody pulls, more updates than this are dropped, oldest first; the last is never. */
const MAX_UPDATES = 1000

export interface AsyncResultOptions {
  /** What ran before it in its chain. */
  readonly parent?: ResultNode | undefined
  /** Nobody stores this result: `get()` resolves with undefined at once, as Celery's does. @default false */
  readonly ignored?: boolean | undefined
}

/**
 * The result of one task. Asking costs a round trip until the task is ready; then what was read is
 * kept. It is not thenable, and has no `then(callback)` as Celery's has, so that `await task.delay()`
 * does not wait for the task: `result.get().then(onSuccess, onError)` does the same.
 *
 * @see celery 5.6, result.py, `AsyncResult`
 */
export class AsyncResult<R = unknown> implements ResultNode<R> {
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
    const { propagate = true, followParents = true } = options
    const parents = propagate && followParents ? this.#parents : undefined
    const { status, result } = this.#ready ?? (await this.#wait(options, parents))
    if (propagate && PROPAGATE_STATES.has(status)) {
      throw (parents && (await parentError(parents).catch(() => undefined))) ?? result
    }
    options.callback?.(this.id, result)
    return result as R
  }

  /** Everything that is stored of the task; in the exception states `result` is the error. */
  async meta(): Promise<ResultMeta> {
    return this.#ready ?? this.#learn(await this.#source.backend.fetch(this.id))
  }

  /** PENDING also when nobody knows the task: a backend cannot tell. */
  async state(): Promise<TaskState> {
    return (await this.meta()).status
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

  /** The name of the task; as the five below, it is stored with `resultExtended` only. */
  name(): Promise<string | undefined> {
    return this.#extended('name')
  }

  args(): Promise<readonly unknown[] | undefined> {
    return this.#extended('args')
  }

  kwargs(): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.#extended('kwargs')
  }

  /** The node name of the worker that ran it. */
  worker(): Promise<string | undefined> {
    return this.#extended('worker')
  }

  retries(): Promise<number | undefined> {
    return this.#extended('retries')
  }

  queue(): Promise<string | undefined> {
    return this.#extended('queue')
  }

  /** The results of the tasks that it sent; undefined when that is not known. */
  async children(): Promise<readonly ResultNode[] | undefined> {
    const { children } = await this.meta()
    return children?.map((child) => resultFromTuple(child, this.#source))
  }

  /** What is known as its result, without waiting; rejects when it failed. */
  async maybeThrow(options: MaybeThrowOptions = {}): Promise<unknown> {
    const { status, result } = await this.meta()
    if ((options.propagate ?? true) && PROPAGATE_STATES.has(status)) throw result
    options.callback?.(this.id, result)
    return result
  }

  /** Each change, up to the last state; ends by itself, or with an error when the signal aborts. */
  updates(options: UpdatesOptions = {}): AsyncIterableIterator<ResultMeta, undefined, undefined> {
    const { backend } = this.#source
    const updates = new Feed<ResultMeta>({
      signal: options.signal,
      maxBuffered: MAX_UPDATES,
      subscribe: (push, onEnd) => {
        const onMeta = (meta: ResultMeta): void => {
          push(this.#learn(meta))
          if (READY_STATES.has(meta.status)) onEnd()
        }
        return backend.subscribe(this.id, onMeta, onEnd)
      },
    })
    if (this.ignored) void updates.return()
    return updates
  }

  /** Deletes what is stored of it, and of those that ran before it. */
  async forget(): Promise<void> {
    await Promise.all([this.parent?.forget(), this.taskHandle.forget()])
  }

  /** Tells all workers not to run it. */
  async revoke(options: RevokeOptions = {}): Promise<void> {
    const { revoke } = this.#source
    if (revoke === undefined) throw new NotSupported('this result cannot revoke: it has no app')
    await revoke(this.id, options)
  }

  /** Tells all workers not to run the tasks that have one of these stamps. */
  async revokeByStampedHeaders(
    headers: StampedHeaders,
    options: RevokeOptions = {},
  ): Promise<void> {
    const { revokeByStampedHeaders: revoke } = this.#source
    if (revoke === undefined) throw new NotSupported('this result cannot revoke: it has no app')
    await revoke(headers, options)
  }

  asTuple(): ResultTuple {
    return taskTuple(this)
  }

  /** Its id, and those of the tasks that ran before it. */
  asList(): readonly string[] {
    return [this.id, ...(this.parent?.asList() ?? [])]
  }

  /** A result that a task returns is stored as its tuple, as Celery does. */
  toJSON(): ResultTuple {
    return this.asTuple()
  }

  /** Whether it is of the same task; an id is equal to its result, too. */
  equals(other: unknown): boolean {
    return other instanceof AsyncResult ? other.id === this.id : other === this.id
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
    inspectable(this)
  }

  /** @internal For groups, which look after many at once. */
  get taskHandle(): TaskHandle {
    return {
      taskId: this.id,
      source: this.#source,
      ignored: this.ignored,
      known: this.#ready,
      learn: (meta) => this.#learn(meta),
      forget: () => {
        this.#known = undefined
        return this.#source.backend.forget(this.id)
      },
    }
  }

  get #ready(): ResultMeta | undefined {
    const known = this.#known
    return known !== undefined && READY_STATES.has(known.status) ? decoded(known) : undefined
  }

  get #parents(): Parents | undefined {
    if (this.parent === undefined) return undefined
    return { backend: this.#source.backend, taskIds: ancestors(this) }
  }

  #learn(meta: ResultMeta): ResultMeta {
    this.#known = meta
    return decoded(meta)
  }

  async #extended<K extends keyof ExtendedMeta>(
    member: K,
  ): Promise<NonNullable<ExtendedMeta[K]> | undefined> {
    return (await this.meta()).extended?.[member] ?? undefined
  }

  async #wait(options: GetOptions, parents: Parents | undefined): Promise<ResultMeta> {
    const { timeout, signal, onMessage } = options
    return await new Promise((resolve, reject) => {
      waitFor([this.taskHandle], { timeout, signal, parents, onMessage, onReady: resolve }).catch(
        reject,
      )
    })
  }
}

/** The handle that a tuple stands for. @see celery 5.6, result.py, `result_from_tuple` */
export function resultFromTuple(tuple: unknown, source: ResultSource): ResultNode {
  return fromTuple(tuple, {
    task: (id, parent) => new AsyncResult(id, source, { parent }),
    group: (id, results, parent) => new GroupResult(id, results, { parent, source }),
  })
}
