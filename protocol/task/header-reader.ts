/** Reads the headers of a task one by one, and refuses what is not of the type, length and range it must be. */

import { InvalidTaskError } from '../errors.ts'
import { isPlainObject, own, type PlainObject } from '../plain.ts'
import { isoformat, parseIsoformat } from '../python/datetime.ts'

/** Characters that a name or an id may have. */
const MAX_NAME_LENGTH = 1024
/** Characters that a text for people may have: `argsrepr` and `kwargsrepr`. */
const MAX_TEXT_LENGTH = 1024 * 1024
/** Stamps that one task may carry. */
const MAX_STAMPS = 1000
/** Counters and seconds end where Python's billiard and RabbitMQ do. */
const MAX_INTEGER = 2 ** 31 - 1
const MAX_TIMESTAMP_LENGTH = 64

/** The hard limit comes first on the wire. */
type TimeLimits = readonly [hard: number | null, soft: number | null]

/**
 * The headers of one message. A header that is absent or null is null, as for Celery; what would end
 * a Celery worker is an {@link InvalidTaskError} that tells the header, but not what was in it.
 */
export class HeaderReader {
  readonly #headers: PlainObject
  readonly task: string
  readonly id: string

  constructor(headers: PlainObject) {
    this.#headers = headers
    this.task = this.#name('task')
    this.id = this.#name('id')
  }

  #name(name: 'task' | 'id'): string {
    const value = own(this.#headers, name)
    if (typeof value !== 'string' || value === '') throw this.invalid(name, 'must be a text')
    return this.#short(name, value, MAX_NAME_LENGTH)
  }

  /** A name or an id; an empty one says as little as none. */
  name(name: string): string | null {
    return this.#text(name, MAX_NAME_LENGTH) || null
  }

  /** A text for people, `''` when there is none. */
  text(name: string): string {
    return this.#text(name, MAX_TEXT_LENGTH)
  }

  #text(name: string, length: number): string {
    const value = own(this.#headers, name) ?? ''
    if (typeof value !== 'string') throw this.invalid(name, 'must be a text or null')
    return this.#short(name, value, length)
  }

  #short(name: string, value: string, length: number): string {
    if (value.length <= length) return value
    throw this.invalid(name, `must not be longer than ${length} characters`)
  }

  /** A count from 0; Celery takes its digits as well. */
  count(name: string): number | null {
    const value = toNumber(own(this.#headers, name))
    if (value === null) return null
    if (!Number.isInteger(value) || value < 0 || value > MAX_INTEGER) {
      throw this.invalid(name, `must be a whole number from 0 to ${MAX_INTEGER}, or null`)
    }
    return value
  }

  /** True or false, or what Python takes for it. */
  flag(name: string): boolean | null {
    const value = own(this.#headers, name) ?? null
    if (value === null || typeof value === 'boolean') return value
    if (value === 0 || value === 1) return value === 1
    throw this.invalid(name, 'must be true, false or null')
  }

  /** `[hard, soft]` in seconds, where 0 says as little as null. An empty list is none. */
  timelimit(name: string): TimeLimits {
    const value = own(this.#headers, name) ?? []
    if (!Array.isArray(value) || (value.length !== 0 && value.length !== 2)) {
      throw this.invalid(name, 'must be a list of the hard and the soft limit, or null')
    }
    return [this.#seconds(name, value[0]), this.#seconds(name, value[1])]
  }

  #seconds(name: string, value: unknown): number | null {
    const seconds = toNumber(value)
    if (seconds === null) return null
    if (seconds >= 0 && seconds <= MAX_INTEGER) return seconds || null
    throw this.invalid(name, `must hold seconds from 0 to ${MAX_INTEGER}, or null`)
  }

  /** A point in time in ISO 8601, kept as the text that it is. */
  isoformat(name: string): string | null {
    const value = own(this.#headers, name) ?? null
    if (value === null) return null
    // AMQP tables have timestamps of their own.
    if (value instanceof Date && !Number.isNaN(value.getTime())) return isoformat(value)
    if (typeof value !== 'string' || value.length > MAX_TIMESTAMP_LENGTH || !isTime(value)) {
      throw this.invalid(name, 'must be a time in ISO 8601, or null')
    }
    return value
  }

  /** The names of the stamps. */
  names(name: string): readonly string[] | null {
    const value = own(this.#headers, name) ?? null
    if (value === null) return null
    if (!Array.isArray(value) || value.length > MAX_STAMPS || !value.every(isName)) {
      throw this.invalid(name, `must be a list of at most ${MAX_STAMPS} names, or null`)
    }
    return value
  }

  /** The stamps by name. */
  stamps(name: string): PlainObject {
    const value = own(this.#headers, name) ?? NO_STAMPS
    if (!isPlainObject(value)) throw this.invalid(name, 'must be an object or null')
    if (value !== NO_STAMPS && Object.keys(value).length > MAX_STAMPS) {
      throw this.invalid(name, `must not have more than ${MAX_STAMPS} members`)
    }
    return value
  }

  /** An error that tells the field and whose it is; never what was in it. */
  invalid(field: string, what: string, cause?: unknown): InvalidTaskError {
    return new InvalidTaskError(`${field} ${what}`, {
      field,
      task: known(own(this.#headers, 'task')),
      id: known(own(this.#headers, 'id')),
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

const NO_STAMPS: PlainObject = Object.freeze({})

/** Null for none, NaN for what is no number. */
function toNumber(value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^\d{1,10}(\.\d{1,9})?$/.test(value) ? Number(value) : NaN
}

function isTime(text: string): boolean {
  try {
    parseIsoformat(text)
    return true
  } catch {
    return false
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH
}

function known(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && isName(value) ? value : null
}
