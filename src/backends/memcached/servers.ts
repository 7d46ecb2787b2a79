/** Several Memcached servers as one store of bytes by key: which key lies where, and for how long. */

import { BackendError, ImproperlyConfigured } from '../../errors.ts'
import type { ByteStore } from '../key-value-backend.ts'
import { MemcachedConnection, type MemcachedEndpoint } from './connection.ts'

const PORT = 11_211
/** @see memcached, `KEY_MAX_LENGTH` */
const MAX_KEY_BYTES = 250
/** What is larger counts as seconds since 1970. @see memcached, `REALTIME_MAXDELTA` */
const MAX_RELATIVE_SECONDS = 30 * 24 * 3600
/** So many keys are asked for in one line. */
const MAX_KEYS = 100
/** How often others may come in between. */
const MAX_RACES = 20

export interface ServersOptions {
  /** As in the URL: `host:port`, or the path of a socket. */
  readonly servers: readonly string[]
  /** Whole seconds; 0 is for ever. */
  readonly expires: number
  /** Seconds for a reply. */
  readonly timeout: number
}

export class MemcachedServers implements ByteStore {
  readonly address: string
  readonly #connections: readonly MemcachedConnection[]
  readonly #expires: number

  constructor({ servers, expires, timeout }: ServersOptions) {
    this.address = `cache+memcached://${servers.join(';')}/`
    this.#expires = expires
    this.#connections = servers.map(
      (server) => new MemcachedConnection(endpointOf(server), timeout),
    )
  }

  async start(): Promise<void> {
    await Promise.all(
      this.#connections.map((connection) => connection.command('version', /^VERSION /)),
    )
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
  }

  /** Its text protocol, which Python's clients speak, ends a key at a space. */
  check(key: string): void {
    const bytes = Buffer.from(key)
    const fits = bytes.every((byte) => byte > 0x20 && byte !== 0x7f)
    if (fits && bytes.length <= MAX_KEY_BYTES) return
    const why = fits
      ? `it has ${bytes.length} bytes, the most are ${MAX_KEY_BYTES}`
      : 'a space or a control character is in it'
    throw new BackendError(`no key for Memcached: ${why}`, { retryable: false })
  }

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    const values = new Map<string, Buffer>()
    const asked = this.#connections.map(async (connection, index) => {
      const own = keys.filter((key) => this.#indexOf(key) === index)
      const lines = batches(own, MAX_KEYS).map((some) => `get ${some.join(' ')}`)
      for (const reply of await Promise.all(lines.map((line) => connection.command(line, /^END$/))))
        for (const [key, value] of reply.values) values.set(key, value)
    })
    await Promise.all(asked)
    return keys.map((key) => values.get(key))
  }

  /** It stays so many seconds, else as long as results do. */
  async set(key: string, value: Buffer, seconds?: number): Promise<void> {
    await this.#store('set', key, value, seconds)
  }

  /** What another stores between the look and this is looked at, too. */
  async replace(key: string, value: Buffer, stays: (stored: Buffer) => boolean): Promise<void> {
    for (let races = 0; races < MAX_RACES; races += 1) {
      const reply = await this.#connections[this.#indexOf(key)]?.command(`gets ${key}`, /^END$/)
      const stored = reply?.values.get(key)
      if (stored !== undefined && stays(stored)) return
      const token = reply?.tokens.get(key)
      if (token === undefined && (await this.add(key, value))) return
      if (token !== undefined && (await this.#swap(key, value, token))) return
    }
    throw new BackendError('a result in Memcached was changed again and again by others')
  }

  /** Whether it was not there. */
  async add(key: string, value: Buffer, seconds?: number): Promise<boolean> {
    return (await this.#store('add', key, value, seconds)) === 'STORED'
  }

  async delete(key: string): Promise<void> {
    await this.#command(key, `delete ${key}`, /^(?:DELETED|NOT_FOUND)$/)
  }

  /** Undefined when there is no such counter. */
  async incr(key: string): Promise<number | undefined> {
    const line = await this.#command(key, `incr ${key} 1`, /^(?:\d+ *|NOT_FOUND)$/)
    return /^\d+\s*$/.test(line) ? Number(line) : undefined
  }

  /** Lets it live for the whole time again. */
  async touch(key: string): Promise<void> {
    await this.#command(key, `touch ${key} ${this.#expiry()}`, /^(?:TOUCHED|NOT_FOUND)$/)
  }

  /** Python reads flags of 0 as bytes. */
  #store(command: string, key: string, value: Buffer, seconds?: number): Promise<string> {
    const line = `${command} ${key} 0 ${seconds ?? this.#expiry()} ${value.length}`
    return this.#command(key, line, /^(?:NOT_)?STORED$/, value)
  }

  /** Whether nobody has changed it since. */
  async #swap(key: string, value: Buffer, token: string): Promise<boolean> {
    const line = `cas ${key} 0 ${this.#expiry()} ${value.length} ${token}`
    const expected = /^(?:STORED|NOT_STORED|EXISTS|NOT_FOUND)$/
    return (await this.#command(key, line, expected, value)) === 'STORED'
  }

  async #command(key: string, line: string, expected: RegExp, data?: Buffer): Promise<string> {
    const connection = this.#connections[this.#indexOf(key)]
    return (await connection?.command(line, expected, data))?.line ?? ''
  }

  #expiry(): number {
    if (this.#expires <= MAX_RELATIVE_SECONDS) return this.#expires
    return Math.floor(Date.now() / 1000) + this.#expires
  }

  /** @see libmemcached, `MEMCACHED_DISTRIBUTION_MODULA`: what pylibmc does, which Celery prefers */
  #indexOf(key: string): number {
    const { length } = this.#connections
    return length === 1 ? 0 : oneAtATime(Buffer.from(key)) % length
  }
}

function batches<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  )
}

/** Bob Jenkins' one-at-a-time hash. @see libhashkit, `hashkit_one_at_a_time` */
function oneAtATime(key: Buffer): number {
  let hash = 0
  for (const byte of key) {
    hash = (hash + byte) >>> 0
    hash = (hash + (hash << 10)) >>> 0
    hash = (hash ^ (hash >>> 6)) >>> 0
  }
  hash = (hash + (hash << 3)) >>> 0
  hash = (hash ^ (hash >>> 11)) >>> 0
  return (hash + (hash << 15)) >>> 0
}

/** `host`, `host:port`, `[ipv6]:port`, or the path of a unix socket. */
function endpointOf(server: string): MemcachedEndpoint {
  if (server.startsWith('/')) return { host: '', port: 0, path: server }
  const [, bracketed, plain = '', digits] =
    /^(?:\[([^\]]+)\]|([^:[\]@]+))(?::(\d+))?$/.exec(server) ?? []
  const host = bracketed ?? plain
  const port = digits === undefined ? PORT : Number(digits)
  if (host !== '' && port > 0 && port < 65_536) return { host, port }
  throw new ImproperlyConfigured(
    'the URL of Memcached must look like cache+memcached://host:11211;other:11211/, without a password',
  )
}
