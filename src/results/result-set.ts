/** Many results as one: wait for all of them, hear of each as it completes, and ask about all at once. */

import type { ResultMeta } from '../../protocol/result.ts'
import { FAILURE, PROPAGATE_STATES, SUCCESS } from '../../protocol/states.ts'
import { NotSupported, type CeleryError } from '../errors.ts'
import type { AsyncResult } from './async-result.ts'
import { iterateMembers, iterateTasks, joinMembers, type Completed, type Joining } from './join.ts'
import { metasOf, statesOf } from './metas.ts'
import type { GetOptions, MaybeThrowOptions } from './options.ts'
import { raised } from './remote-error.ts'
import type { ResultSource, RevokeOptions } from './source.ts'
import {
  inspectable,
  tasksForgottenWith,
  tasksOf,
  type ResultNode,
  type TaskHandle,
} from './tree.ts'

/** The handle of a member: of a task that gives a list it may be a group's. */
export type MemberResult<T> = unknown extends T
  ? ResultNode<T>
  : [T] extends [readonly unknown[]]
    ? ResultNode<T>
    : AsyncResult<T>

export type MemberResults<R> = {
  readonly [K in keyof R]: MemberResult<R[K]>
}

/** The results of members that need not have succeeded. */
export type Outcomes<R> = { [K in keyof R]: R[K] | CeleryError }

/** What any of the members may give. */
export type Item<R> = R extends readonly (infer T)[] ? T : unknown

export type IterateOptions = Omit<GetOptions, 'callback'>

type WithCallback = GetOptions & { readonly callback: (id: string, value: unknown) => void }

export interface ResultSetOptions {
  /** What the app gives. @default what it gave to the first member */
  readonly source?: ResultSource | undefined
}

/** How many ids `console.log` shows. */
const MAX_SHOWN = 20

/**
 * To wait for all members is one subscription, and a question about all is one question to the
 * backend. As a single result it is not thenable.
 *
 * @see celery 5.6, result.py, `ResultSet`
 */
export class ResultSet<R = unknown[]> implements Iterable<ResultNode> {
  readonly #results: ResultNode[]
  readonly #source: ResultSource | undefined

  constructor(
    results: { readonly [K in keyof R]: ResultNode<R[K]> },
    options: ResultSetOptions = {},
  ) {
    this.#results = [...(results as Iterable<ResultNode>)]
    this.#source = options.source
  }

  /** The members, in their order. */
  get results(): MemberResults<R> & readonly ResultNode[] {
    return this.#results as readonly ResultNode[] as MemberResults<R> & readonly ResultNode[]
  }

  get length(): number {
    return this.#results.length
  }

  [Symbol.iterator](): Iterator<ResultNode> {
    return this.#results[Symbol.iterator]()
  }

  /**
   * Waits for all members, and gives their results in order. The first failure to come rejects; with
   * `propagate: false` errors stand at their places. A `callback` gets each result as it comes, and
   * then nothing is given.
   *
   * @throws TaskError, TaskRevokedError; TimeoutError when they are not all ready in time
   */
  get(options: WithCallback): Promise<undefined>
  get(options: GetOptions & { readonly propagate: false }): Promise<Outcomes<R>>
  get(options?: GetOptions): Promise<R>
  async get(options: GetOptions = {}): Promise<unknown> {
    const values = await joinMembers(this.#joining, options)
    return options.callback === undefined ? values : undefined
  }

  /** The same as {@link get}. */
  join(options: WithCallback): Promise<undefined>
  join(options: GetOptions & { readonly propagate: false }): Promise<Outcomes<R>>
  join(options?: GetOptions): Promise<R>
  join(options: GetOptions = {}): Promise<unknown> {
    return this.get(options)
  }

  /** The same as {@link get}: results are pushed wherever the backend can. */
  joinNative(options: WithCallback): Promise<undefined>
  joinNative(options: GetOptions & { readonly propagate: false }): Promise<Outcomes<R>>
  joinNative(options?: GetOptions): Promise<R>
  joinNative(options: GetOptions = {}): Promise<unknown> {
    return this.get(options)
  }

  /** Each member as it completes: where it stands, and its result. The first failure is thrown. */
  iterate(
    options: IterateOptions & { readonly propagate: false },
  ): AsyncIterableIterator<Completed<Item<R> | CeleryError>, undefined, undefined>
  iterate(options?: IterateOptions): AsyncIterableIterator<Completed<Item<R>>, undefined, undefined>
  iterate(options: IterateOptions = {}): AsyncIterableIterator<never, undefined, undefined> {
    return iterateMembers(this.#joining, options) as AsyncIterableIterator<never, undefined>
  }

  /** The meta of each task as it is ready, whatever came of it. */
  iterNative(
    options: IterateOptions = {},
  ): AsyncIterableIterator<ResultMeta, undefined, undefined> {
    return iterateTasks(this.#joining, options)
  }

  /** Whether all are ready: they succeeded, failed or were revoked. */
  async ready(): Promise<boolean> {
    const known = await metasOf(this.#tasks)
    return this.#tasks.every(({ taskId }) => known.get(taskId)?.ready)
  }

  /** Whether one at least is not ready. */
  async waiting(): Promise<boolean> {
    return !(await this.ready())
  }

  /** Whether all succeeded. */
  async successful(): Promise<boolean> {
    return (await this.completedCount()) === this.length
  }

  /** Whether one at least failed. */
  async failed(): Promise<boolean> {
    const known = await metasOf(this.#tasks)
    return this.#results.some((member) => statesOf(member, known).includes(FAILURE))
  }

  /** How many succeeded; a group among them when all in it did. */
  async completedCount(): Promise<number> {
    const known = await metasOf(this.#tasks)
    return this.#results.filter((member) =>
      statesOf(member, known).every((state) => state === SUCCESS),
    ).length
  }

  /** Rejects with the error of the first, in their order, that failed; does not wait. */
  async maybeThrow(options: MaybeThrowOptions = {}): Promise<void> {
    const { propagate = true, callback } = options
    const known = await metasOf(this.#tasks)
    for (const { taskId } of this.#tasks) {
      const { status = '', result } = known.get(taskId)?.meta ?? {}
      if (propagate && PROPAGATE_STATES.has(status)) throw raised(result)
      callback?.(taskId, result)
    }
  }

  /** Does nothing when it is a member already. */
  add(result: ResultNode<Item<R>>): void {
    if (!this.#has(result.id)) this.#results.push(result)
  }

  /** @throws RangeError when it is no member */
  remove(result: ResultNode | string): void {
    const id = typeof result === 'string' ? result : result.id
    const index = this.#results.findIndex((member) => member.id === id)
    if (index < 0) throw new RangeError(`${id} is not a member of this set of results`)
    this.#results.splice(index, 1)
  }

  /** The same; does nothing when it is no member. */
  discard(result: ResultNode | string): void {
    const id = typeof result === 'string' ? result : result.id
    if (this.#has(id)) this.remove(id)
  }

  /** Adds those that are no members yet. */
  update(results: Iterable<ResultNode<Item<R>>>): void {
    const ids = new Set(this.#results.map(({ id }) => id))
    for (const result of results) {
      if (!ids.has(result.id)) this.#results.push(result)
      ids.add(result.id)
    }
  }

  clear(): void {
    this.#results.length = 0
  }

  /** Deletes what is stored of the members, and of the tasks that ran before each. */
  async forget(): Promise<void> {
    const tasks = tasksForgottenWith(this.#results)
    await Promise.all(tasks.map((task) => task.forget()))
  }

  /** Tells all workers not to run any of them: one broadcast. */
  async revoke(options: RevokeOptions = {}): Promise<void> {
    const ids = new Map<ResultSource, string[]>()
    for (const task of this.#tasks) {
      if (task.revokeLocally !== undefined) task.revokeLocally()
      else {
        const source = this.#source ?? task.source
        const taskIds = ids.get(source)
        if (taskIds === undefined) ids.set(source, [task.taskId])
        else taskIds.push(task.taskId)
      }
    }
    const all = Array.from(ids, async ([{ revoke }, taskIds]) => {
      if (revoke === undefined)
        throw new NotSupported('these results cannot revoke: they have no app')
      await revoke(taskIds, options)
    })
    await Promise.all(all)
  }

  /** Whether its members are those of another, in the same order. */
  equals(other: unknown): boolean {
    return (
      other instanceof ResultSet &&
      other.length === this.length &&
      this.#results.every(({ id }, index) => id === other.#results[index]?.id)
    )
  }

  /** `<ResultSet: [id, …]>`: what `console.log` shows. */
  repr(): string {
    return `<${this.constructor.name}: [${this.shownIds}]>`
  }

  static {
    inspectable(this)
  }

  protected get shownIds(): string {
    const ids = this.#results.slice(0, MAX_SHOWN).map(({ id }) => id)
    const more = this.length - ids.length
    return [...ids, ...(more > 0 ? [`… ${more} more`] : [])].join(', ')
  }

  /** What the app gave. */
  protected get source(): ResultSource | undefined {
    return this.#source ?? this.#tasks[0]?.source
  }

  /** The group that this is, when it is one. */
  protected get owner(): ResultNode | undefined {
    return undefined
  }

  get #joining(): Joining {
    return { members: [...this.#results], owner: this.owner }
  }

  /** Of all members, in their order. */
  get #tasks(): readonly TaskHandle[] {
    return this.#results.flatMap(tasksOf)
  }

  #has(id: string): boolean {
    return this.#results.some((member) => member.id === id)
  }
}
