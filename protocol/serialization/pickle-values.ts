/** What a pickle has built, as plain values: bounded in depth and in size, however often it repeats itself. */

import { DecodeError, LimitExceeded } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { spellNumber } from '../python/float.ts'
import type { Uuid } from '../python/uuid.ts'
import type { ExceptionDict, ResultTuple } from '../result.ts'

/** A dict: pairs, a later one in the place of an earlier one of the same key. */
export class PickledDict {
  readonly items: [key: unknown, value: unknown][] = []

  /** Keys and values in turn. */
  update(items: readonly unknown[]): this {
    if (items.length % 2 !== 0) throw new DecodeError('a pickle has a key without a value')
    for (let at = 0; at < items.length; at += 2) this.items.push([items[at], items[at + 1]])
    return this
  }

  /** The value of a key; undefined when there is none. */
  get(key: string): unknown {
    return this.items.findLast(([each]) => each === key)?.[1]
  }
}

/** A set or a frozenset. */
export class PickledSet {
  readonly items: unknown[]
  constructor(items: unknown[] = []) {
    this.items = items
  }
}

/** An exception, as yet with arguments that are not plain. */
export class PickledException {
  readonly type: string
  readonly module: string
  readonly args: readonly unknown[]
  constructor(module: string, type: string, args: readonly unknown[]) {
    this.module = module
    this.type = type
    this.args = args
  }
}

/** An `AsyncResult` or, with children, a `GroupResult`. */
export class PickledResult {
  readonly id: string
  readonly parent: unknown
  readonly children: readonly unknown[] | null
  constructor(id: string, parent: unknown, children: readonly unknown[] | null) {
    this.id = id
    this.parent = parent
    this.children = children
  }
}

/** A UUID, which gets its number after it was made. */
export class PickledUuid {
  uuid: Uuid | undefined
}

/** What is neither a value of its own nor to be read as one: a class, a function. */
export abstract class Opaque {
  /** What to say of it: never more than its name. */
  abstract describe(): string
}

/** Values and characters of them, each counted as often as it is met: so no memo makes more of little. */
const MIN_SIZE = 1_000_000
/** What a list, an object or a piece of bytes takes, and what an entry of a dict or of the memo. */
export const OBJECT_WORDS = 12
export const ENTRY_WORDS = 5

/** How much is read of a pickle at most, in words of memory and in values. */
export function sizeLimit({ maxBodyBytes }: Limits): number {
  return Math.max(MIN_SIZE, maxBodyBytes)
}

/** @throws DecodeError, LimitExceeded */
export function plainValue(value: unknown, limits: Limits): unknown {
  return new Plain(limits).value(value, 0)
}

class Plain {
  readonly #maxDepth: number
  #left: number

  constructor(limits: Limits) {
    this.#maxDepth = limits.maxDepth
    this.#left = sizeLimit(limits)
  }

  value(value: unknown, depth: number): unknown {
    this.#count(1)
    if (typeof value === 'string' || Buffer.isBuffer(value)) this.#count(value.length)
    if (typeof value !== 'object' || value === null) return value
    this.#count(OBJECT_WORDS)
    if (depth > this.#maxDepth) {
      throw new LimitExceeded(`the pickle nests deeper than ${this.#maxDepth} levels`)
    }
    return this.#object(value, depth + 1)
  }

  #object(value: object, depth: number): unknown {
    if (Array.isArray(value)) return this.#list(value, depth)
    if (value instanceof PickledDict) return this.#dict(value, depth)
    if (value instanceof PickledSet) return new Set(this.#list(value.items, depth))
    if (value instanceof PickledException) return this.#exception(value, depth)
    if (value instanceof PickledResult) return this.#result(value, depth)
    // what the machine's own memory is a part of goes on its own
    if (Buffer.isBuffer(value)) return Buffer.from(value)
    if (value instanceof PickledUuid) return uuidOf(value)
    if (value instanceof Opaque) throw new DecodeError(value.describe())
    return value
  }

  #list(items: readonly unknown[], depth: number): unknown[] {
    return items.map((item) => this.value(item, depth))
  }

  #dict({ items }: PickledDict, depth: number): object {
    this.#count(items.length * ENTRY_WORDS)
    return Object.fromEntries(
      items.map(([key, value]) => [memberName(key), this.value(value, depth)]),
    )
  }

  #exception({ type, module, args }: PickledException, depth: number): ExceptionDict {
    return { exc_type: type, exc_message: this.#list(args, depth), exc_module: module }
  }

  #result({ id, parent, children }: PickledResult, depth: number): ResultTuple {
    const tuple = (value: unknown): ResultTuple => {
      if (!(value instanceof PickledResult)) throw new DecodeError('a pickled result is not one')
      return this.value(value, depth) as ResultTuple
    }
    return [[id, parent === null ? null : tuple(parent)], children?.map(tuple) ?? null]
  }

  #count(size: number): void {
    this.#left -= size
    if (this.#left < 0) throw new LimitExceeded('the pickle holds more than is read of one')
  }
}

function uuidOf({ uuid }: PickledUuid): Uuid {
  if (uuid === undefined) throw new DecodeError('a pickled UUID has no value')
  return uuid
}

/** As `json.dumps` spells a key that is no string. @throws DecodeError for what it refuses */
function memberName(key: unknown): string {
  // as in JSON: who assigns it to another object would call a setter
  if (key === '__proto__') throw new DecodeError('the body has a key __proto__')
  if (typeof key === 'string') return key
  if (key === null || typeof key === 'boolean' || typeof key === 'bigint') return String(key)
  if (typeof key === 'number') return Number.isFinite(key) ? spellNumber(key) : String(key)
  throw new DecodeError('a pickled dict has a key that is neither text nor a number')
}
