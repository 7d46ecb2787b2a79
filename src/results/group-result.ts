/** The results of a group: many as one, with an id under which they can be kept. */

import type { ResultTuple } from '../../protocol/result.ts'
import { NotSupported } from '../errors.ts'
import type { ResultBackend } from './backend.ts'
import { ResultSet, type ResultSetOptions } from './result-set.ts'
import { idsOf, tupleOf, type ResultNode } from './tree.ts'

export interface GroupResultOptions extends ResultSetOptions {
  /** What ran before the group. */
  readonly parent?: ResultNode | undefined
}

/** The app, as far as groups are restored by it. */
export interface GroupRestorer {
  groupResult(id: string): Promise<GroupResult | undefined>
}

/** @see celery 5.6, result.py, `GroupResult` */
export class GroupResult<R = unknown[]> extends ResultSet<R> implements ResultNode<R> {
  readonly id: string
  readonly parent: ResultNode | undefined

  constructor(
    id: string,
    results: { readonly [K in keyof R]: ResultNode<R[K]> },
    options: GroupResultOptions = {},
  ) {
    super(results, options)
    if (typeof id !== 'string' || id === '') throw new TypeError('a group of results needs an id')
    this.id = id
    this.parent = options.parent
  }

  /**
   * A group that was saved, by whichever language; undefined when nobody saved it.
   *
   * @throws NotSupported when the backend keeps no groups
   */
  static restore<R = unknown[]>(
    id: string,
    app: GroupRestorer,
  ): Promise<GroupResult<R> | undefined> {
    return app.groupResult(id) as Promise<GroupResult<R> | undefined>
  }

  /** Keeps its members, for {@link restore}; their results are kept apart from it. */
  async save(backend: ResultBackend = this.#backend): Promise<void> {
    await backend.groups.save(this.asTuple())
  }

  /** Takes a {@link save} back. */
  async delete(backend: ResultBackend = this.#backend): Promise<void> {
    await backend.groups.forget(this.id)
  }

  /** Its members. */
  async children(): Promise<readonly ResultNode[]> {
    return [...this]
  }

  asTuple(): ResultTuple {
    return tupleOf(this)
  }

  /** The ids of its tasks, and of those that ran before it. */
  asList(): readonly string[] {
    return idsOf(this)
  }

  /** A group that a task returns is stored as its tuple, as Celery does. */
  toJSON(): ResultTuple {
    return this.asTuple()
  }

  /** Whether id, members and parent are the same; an id is equal to its group, too. */
  override equals(other: unknown): boolean {
    if (typeof other === 'string') return other === this.id
    if (!(other instanceof GroupResult) || other.id !== this.id) return false
    return super.equals(other) && other.parent?.id === this.parent?.id
  }

  override toString(): string {
    return this.id
  }

  /** `<GroupResult: id [id, …]>`: what `console.log` shows. */
  override repr(): string {
    return `<${this.constructor.name}: ${this.id} [${this.shownIds}]>`
  }

  protected override get owner(): ResultNode {
    return this
  }

  get #backend(): ResultBackend {
    if (this.source === undefined) {
      throw new NotSupported('a group without members and without an app has no result backend')
    }
    return this.source.backend
  }
}
