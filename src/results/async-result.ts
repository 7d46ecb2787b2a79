/** A handle to the result of one task: wait for it, ask for its state, forget it, revoke it. */

import type { ResultMeta, ResultTuple } from '../../protocol/result.ts'
import { PROPAGATE_STATES, READY_STATES } from '../../protocol/states.ts'
import { NotSupported, type CeleryError } from '../errors.ts'
import {
  buildGraph,
  collect,
  getLeaf,
  iterdeps,
  type Collected,
  type CollectOptions,
  type Dependency,
  type GraphOptions,
} from './dependencies.ts'
import { Feed } from './feed.ts'
import type { DependencyGraph } from './graph.ts'
import { GroupResult } from './group-result.ts'
import type { DependencyOptions, GetOptions, MaybeThrowOptions, UpdatesOptions } from './options.ts'
import { decoded } from './remote-error.ts'
import type { ResultSource, RevokeOptions, StampedHeaders } from './source.ts'
import { TaskFacts } from './task-facts.ts'
import {
  ancestorsOf,
  fromTuple,
  inspectable,
  tasksForgottenWith,
  tupleOf,
  idsOf,
  type ResultNode,
  type TaskHandle,
} from './tree.ts'
import { parentError, waitFor } from './wait.ts'

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
export class AsyncResult<R = unknown> extends TaskFacts implements ResultNode<R> {
  readonly id: string
  readonly parent: ResultNode | undefined
  readonly ignored: boolean
  readonly #source: ResultSource
  /** The last meta that was seen. */
  #known: ResultMeta | undefined
  #graph: Promise<DependencyGraph<ResultNode>> | undefined

  constructor(id: string, source: ResultSource, options: AsyncResultOptions = {}) {
    super()
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

  override async meta(): Promise<ResultMeta> {
    return this.#ready ?? this.#learn(await this.#source.backend.fetch(this.id))
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

  /**
   * The tree of results below it, breadth first: each with what it was sent by.
   *
   * @throws IncompleteStream at the first that is not ready, unless `intermediate`
   */
  iterdeps(options: DependencyOptions = {}): AsyncGenerator<Dependency, void, undefined> {
    return iterdeps(this, options)
  }

  /**
   * The tree of results below it, each with what it gives: that of a group is a list. Waits for each
   * in turn, as long as the options let it.
   */
  collect(options: CollectOptions = {}): AsyncGenerator<Collected, void, undefined> {
    return collect(this, options)
  }

  /** What the last result of the tree below it gives, once all before it are ready. */
  getLeaf(): Promise<unknown> {
    return getLeaf(this)
  }

  /** The tree of results below it, to be drawn. @throws IncompleteStream */
  buildGraph(options: GraphOptions = {}): Promise<DependencyGraph<ResultNode>> {
    return buildGraph(this, options)
  }

  /** The same as {@link buildGraph}, and kept: `(await result.graph()).toDot()`. */
  graph(): Promise<DependencyGraph<ResultNode>> {
    this.#graph ??= this.buildGraph().catch((error: unknown) => {
      this.#graph = undefined
      throw error
    })
    return this.#graph
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
    await Promise.all(tasksForgottenWith([this]).map((task) => task.forget()))
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
    return tupleOf(this)
  }

  /** Its id, and those of the tasks that ran before it. */
  asList(): readonly string[] {
    return idsOf(this)
  }

  /** A result that a task returns is stored as its tuple, as Celery does. */
  toJSON(): ResultTuple {
    return this.asTuple()
  }

  /** Whether it is of the same task; an id is equal to its result, too. */
  equals(other: unknown): boolean {
    return other instanceof AsyncResult ? other.id === this.id : other === this.id
  }

  override toString(): string {
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

  get #parents(): readonly TaskHandle[] | undefined {
    if (this.parent === undefined) return undefined
    return ancestorsOf([this])
  }

  #learn(meta: ResultMeta): ResultMeta {
    this.#known = meta
    return decoded(meta)
  }

  async #wait(
    options: GetOptions,
    parents: readonly TaskHandle[] | undefined,
  ): Promise<ResultMeta> {
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
