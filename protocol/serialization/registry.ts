/** Serializers by name and by content type; refuses what the caller does not accept. */

import {
  CeleryError,
  ContentDisallowed,
  DecodeError,
  EncodeError,
  LimitExceeded,
} from '../errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { json } from './json.ts'
import { msgpack } from './msgpack.ts'
import { pickle } from './pickle.ts'
import type { Serializer } from './serializer.ts'
import { yaml } from './yaml.ts'

/** A body with what the sender says it is. */
export interface Content {
  readonly body: Buffer
  readonly contentType: string
  readonly contentEncoding: string
}

/**
 * Names that a configuration shared with Python may hold. We know their types, so that a refusal can
 * name them, but no code here reads them.
 */
const FOREIGN: ReadonlyMap<string, string> = new Map([
  ['auth', 'application/data'],
  ['raw', 'application/data'],
])

/** @see kombu 5.6, serialization.py, `SerializerRegistry` */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>()
  readonly #byContentType = new Map<string, Serializer>()

  constructor(serializers: readonly Serializer[] = [json, msgpack, yaml, pickle]) {
    for (const serializer of serializers) this.register(serializer)
  }

  /** Takes the place of one with the same name or content type. */
  register(serializer: Serializer): void {
    this.#byName.set(serializer.name, serializer)
    this.#byContentType.set(serializer.contentType, serializer)
  }

  /** @throws EncodeError when there is none */
  get(nameOrContentType: string): Serializer {
    const found = this.#byName.get(nameOrContentType) ?? this.#byContentType.get(nameOrContentType)
    if (found !== undefined) return found
    throw new EncodeError(
      `no serializer '${nameOrContentType.slice(0, 100)}': use one of ${this.#names()}, or register it`,
    )
  }

  /** `accept_content` as content types: names are looked up, content types taken as they are. */
  contentTypes(names: readonly string[]): ReadonlySet<string> {
    return new Set(names.map((name) => this.#contentType(name)))
  }

  /** @throws EncodeError */
  dumps(value: unknown, name: string): Content {
    const serializer = this.get(name)
    const { contentType, contentEncoding } = serializer
    try {
      return { body: serializer.encode(value), contentType, contentEncoding }
    } catch (error) {
      if (error instanceof CeleryError) throw error
      throw new EncodeError(`serializer '${name}' failed`, { cause: error })
    }
  }

  /**
   * Unlike kombu we trust no type by itself, `application/data` and a missing one included.
   *
   * @throws ContentDisallowed, DecodeError, LimitExceeded
   */
  loads(content: Content, accept: ReadonlySet<string>, limits: Limits = DEFAULT_LIMITS): unknown {
    const { body, contentType } = content
    const serializer = this.#byContentType.get(contentType)
    if (!accept.has(contentType)) throw this.#refusal(contentType, serializer)
    if (serializer === undefined) {
      throw new ContentDisallowed(`no serializer here reads ${describe(contentType)}: register one`)
    }
    if (body.length > limits.maxBodyBytes) {
      throw new LimitExceeded(`a body of ${body.length} bytes is over ${limits.maxBodyBytes}`)
    }
    try {
      return serializer.decode(body, limits)
    } catch (error) {
      if (error instanceof CeleryError) throw error
      throw new DecodeError(`the ${serializer.name} body cannot be read`, { cause: error })
    }
  }

  /** kombu's words. @see kombu 5.6, serialization.py, `_reraise_errors` and `loads` */
  #refusal(contentType: string, serializer: Serializer | undefined): ContentDisallowed {
    if (contentType === '') {
      return new ContentDisallowed('Refusing to deserialize content without a content type')
    }
    const foreign = [...FOREIGN].find(([, type]) => type === contentType)?.[0]
    const name = serializer?.name ?? foreign
    const known = name === undefined ? '' : `${name} `
    return new ContentDisallowed(
      `Refusing to deserialize untrusted content of type ${known}(${describe(contentType)})`,
    )
  }

  #contentType(name: string): string {
    const known = this.#byName.get(name)?.contentType ?? FOREIGN.get(name)
    if (known !== undefined) return known
    if (name.includes('/')) return name
    throw new CeleryError(
      'ERR_IMPROPERLY_CONFIGURED',
      `accept_content names '${name}', which is no serializer: use one of ${this.#names()}, a content type, or register it`,
    )
  }

  #names(): string {
    return [...this.#byName.keys()].join(', ')
  }
}

const UNPRINTABLE = /[^\x20-\x7e]/g

/** A stranger's content type, fit for a message. */
function describe(contentType: unknown): string {
  return String(contentType).slice(0, 100).replace(UNPRINTABLE, '?')
}
