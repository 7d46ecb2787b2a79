/** Tasks by name. */

import { ImproperlyConfigured } from '../errors.ts'
import type { Arity } from './binding.ts'
import type { ResolvedTaskOptions } from './options.ts'

/** What the tracer must know of a task. */
export interface TaskDefinition {
  readonly name: string
  /** The user's function; takes `self` first when `options.bind`. */
  readonly run: (...args: never) => unknown
  readonly arity: Arity
  readonly options: ResolvedTaskOptions
  /** A builtin that reads the arguments from its request. */
  readonly takesRequest?: boolean
}

export class TaskRegistry<T extends TaskDefinition = TaskDefinition> implements Iterable<T> {
  readonly #tasks = new Map<string, T>()

  get size(): number {
    return this.#tasks.size
  }

  /** @throws ImproperlyConfigured when another task has that name: one of them would never run */
  register(task: T): T {
    const { name } = task
    if (this.#tasks.has(name) && !name.startsWith(BUILTIN)) {
      throw new ImproperlyConfigured(
        `there is a task '${name}' already: give this one another name, or define it once`,
      )
    }
    this.#tasks.set(name, task)
    return task
  }

  /** Whether there was one. */
  unregister(name: string): boolean {
    return this.#tasks.delete(name)
  }

  get(name: string): T | undefined {
    return this.#tasks.get(name)
  }

  has(name: string): boolean {
    return this.#tasks.has(name)
  }

  names(): readonly string[] {
    return [...this.#tasks.keys()].toSorted()
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#tasks.values()
  }
}

/** Celery's own tasks, which an app may replace by its own. */
const BUILTIN = 'celery.'
