/** One Redis connection that is opened when it is needed, and again when it was lost. */

import { BackendError, ImproperlyConfigured } from '../../errors.ts'
import { closeRedis, redisError, redisFault, type Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { deadline, delay, interval, type RetryPolicy } from '../../runtime/retry.ts'

export interface LinkOptions {
  /** Opens a connection that stays lost when it is lost. */
  readonly open: (signal: AbortSignal) => Promise<Redis>
  readonly policy: RetryPolicy
  readonly log: Logger
}

export class RedisLink {
  readonly #options: LinkOptions
  readonly #closing = new AbortController()
  readonly #onLost = new Set<() => void>()
  #opening: Promise<Redis> | undefined
  #redis: Redis | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** Called when a connection that was usable is gone, but not by {@link close}. */
  onLost(listener: () => void): void {
    this.#onLost.add(listener)
  }

  /** The connection; one attempt to open it when there is none. */
  client(): Promise<Redis> {
    if (this.#redis !== undefined) return Promise.resolve(this.#redis)
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /**
   * Does a piece of work on the connection, again and again by the policy while it is lost or the
   * server is busy. The work must bear being done twice.
   *
   * @throws BackendError with the last failure as its cause
   */
  async retry<T>(
    doing: string,
    work: (redis: Redis) => Promise<T>,
    policy: RetryPolicy = this.#options.policy,
  ): Promise<T> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await this.#attempt(work)
      } catch (error) {
        if (this.#closing.signal.aborted) throw failure(doing, error, false)
        if (!isTransient(error)) throw failure(doing, error, false)
        if (policy.maxRetries !== null && retries >= policy.maxRetries) throw failure(doing, error)
        await this.#pause(policy, retries, error)
      }
    }
  }

  /**
   * Finds out whether the other end still answers, within some seconds. A connection that does not is
   * given up: what is under way on it is tried again on another.
   */
  async probe(seconds: number): Promise<void> {
    const redis = this.#redis
    if (redis === undefined) return
    const { bytesRead } = redis.stream
    const onTimeout = (): Error => new BackendError(`no answer to PING within ${seconds} s`)
    try {
      await deadline(redis.ping(), seconds, onTimeout, this.#closing.signal)
    } catch (error) {
      // a long reply may be on its way in, or a long value on its way out, before it
      const { stream } = redis
      const busy = stream.bytesRead > bytesRead || stream.writableLength > 0
      if (redisFault(error) === 'lost' && !busy) this.#drop(redis)
    }
  }

  /** Ends the attempts that are under way, then the connection. */
  close(): void {
    this.#closing.abort()
    if (this.#redis !== undefined) closeRedis(this.#redis)
    this.#redis = undefined
  }

  async #attempt<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = this.#redis ?? (await this.client())
    try {
      return await work(redis)
    } catch (error) {
      // a deadline that passed, a replica that took over: this connection is of no more use
      if (redisFault(error) === 'lost') this.#drop(redis)
      throw error
    }
  }

  /** The line is Celery's. @see celery 5.6, backends/redis.py, `RedisBackend.on_connection_error` */
  async #pause(policy: RetryPolicy, retries: number, error: unknown): Promise<void> {
    const seconds = interval(policy, retries)
    const count = `${retries}/${policy.maxRetries ?? 'Inf'}`
    const when = seconds === 0 ? 'now' : `in ${seconds.toFixed(2)} seconds`
    const { message } = redisError(error, 'Connection to Redis lost')
    this.#options.log.error(`Connection to Redis lost: Retry (${count}) ${when}. (${message})`)
    await delay(seconds, this.#closing.signal)
  }

  async #open(): Promise<Redis> {
    const redis = await this.#options.open(this.#closing.signal)
    if (this.#closing.signal.aborted) closeRedis(redis)
    this.#redis = redis
    redis.once('end', () => this.#drop(redis))
    return redis
  }

  #drop(redis: Redis): void {
    if (this.#redis !== redis) return
    this.#redis = undefined
    closeRedis(redis)
    for (const listener of this.#onLost) listener()
  }
}

function isTransient(error: unknown): boolean {
  if (error instanceof ImproperlyConfigured) return false
  const fault = redisFault(error)
  return fault === 'lost' || fault === 'busy'
}

function failure(doing: string, error: unknown, retryable = true): Error {
  if (error instanceof ImproperlyConfigured) return error
  const cause = redisError(error, doing)
  return new BackendError(cause.message, { cause, retryable })
}
