/** One connection to the broker that survives: opened lazily, and again after a loss, with failover. */

import { CeleryError, OperationalError } from '../errors.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { delay, interval, reasonOf, type RetryPolicy } from '../runtime/retry.ts'
import { Brokers, type FailoverStrategy } from './brokers.ts'
import type { Capabilities, Channel, Transport, TransportConnection } from './transport.ts'

export interface ConnectionOptions {
  /** The brokers to try; one is enough. */
  readonly transports: readonly Transport[]
  /** How long apart, and how often, all of them are tried again. */
  readonly retry: RetryPolicy
  /** @default 'round-robin' */
  readonly failoverStrategy?: FailoverStrategy
  /** Stands in front of what is logged, as in `consumer: Cannot connect to …`. */
  readonly name?: string
  readonly logger: Logger
}

export interface WaitOptions {
  /** Whether to wait while a broker that does not answer is tried again. @default true */
  readonly patient?: boolean
}

export type Unsubscribe = () => void

/** What is open now; stale ones are told apart by their generation. */
interface Live {
  readonly transport: Transport
  readonly connection: TransportConnection
  readonly generation: number
}

/** The one attempt in flight: it ends when it succeeds, gives up, or when nobody waits for it any more. */
interface Attempt {
  readonly abort: AbortController
  readonly waiting: Set<Waiter>
}

/** How soon a broker that is down is looked for, between two retries. */
const LOOK: RetryPolicy = {
  maxRetries: null,
  intervalStart: 0.25,
  intervalStep: 0.25,
  intervalMax: 1,
}

interface Waiter {
  readonly patient: boolean
  readonly resolve: (live: Live) => void
  readonly reject: (error: Error) => void
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #brokers: Brokers
  readonly #onConnected = new Set<() => void>()
  readonly #onLost = new Set<(error: Error) => void>()
  #live: Live | undefined
  #attempt: Attempt | undefined
  #generation = 0
  #closing: Promise<void> | undefined
  #loggedAt = 0

  constructor(options: ConnectionOptions) {
    if (options.transports.length === 0)
      throw new OperationalError('there is no broker to connect to')
    this.#options = options
    this.#brokers = new Brokers(options.transports, options.failoverStrategy)
  }

  /** Grows by one each time that a connection is opened. */
  get generation(): number {
    return this.#generation
  }

  get connected(): boolean {
    return this.#live !== undefined
  }

  /** Whether the broker asked publishers to wait. */
  get blocked(): boolean {
    return this.#live?.connection.blocked ?? false
  }

  /** What the broker can do that is connected, or will be tried first. */
  get capabilities(): Capabilities {
    return this.#transport.capabilities
  }

  /** Where it is connected, or will be tried first, without the password. */
  get address(): string {
    return this.#transport.address
  }

  get #transport(): Transport {
    return this.#live?.transport ?? this.#brokers.current
  }

  /** Resolves when the broker takes messages again, or the connection is lost. */
  async unblocked(): Promise<void> {
    await this.#live?.connection.unblocked?.()
  }

  onConnected(fn: () => void): Unsubscribe {
    this.#onConnected.add(fn)
    return () => void this.#onConnected.delete(fn)
  }

  onLost(fn: (error: Error) => void): Unsubscribe {
    this.#onLost.add(fn)
    return () => void this.#onLost.delete(fn)
  }

  /** Resolves when there is a connection. @throws OperationalError as {@link channel} */
  async connect(signal?: AbortSignal, options?: WaitOptions): Promise<void> {
    await this.#current(signal, options)
  }

  /**
   * A new channel on the connection, which is opened when there is none.
   *
   * @throws OperationalError when it is closed, or no broker answered as often as the policy says
   */
  async channel(signal?: AbortSignal, options?: WaitOptions): Promise<Channel> {
    for (;;) {
      const live = this.#live ?? (await this.#current(signal, options))
      try {
        return await live.connection.channel()
      } catch (error) {
        if (this.#live === live) throw error
        // It was lost in between.
        if (signal?.aborted) throw reasonOf(signal)
      }
    }
  }

  /** Ends the connection and every wait for one; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#attempt !== undefined) this.#settle(this.#attempt, this.#closedError())
    const live = this.#live
    this.#live = undefined
    await live?.connection.close()
  }

  #closedError(): OperationalError {
    return new OperationalError(`the connection to ${this.address} is closed`)
  }

  #current(signal?: AbortSignal, options: WaitOptions = {}): Promise<Live> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError())
    if (signal?.aborted) return Promise.reject(reasonOf(signal))
    if (this.#live !== undefined) return Promise.resolve(this.#live)
    return new Promise((resolve, reject) => {
      const attempt = (this.#attempt ??= this.#begin())
      const leave = (): void => {
        attempt.waiting.delete(waiter)
        reject(reasonOf(signal))
        if (attempt.waiting.size === 0) this.#settle(attempt, reasonOf(signal))
      }
      const end = (): void => signal?.removeEventListener('abort', leave)
      const waiter: Waiter = {
        patient: options.patient ?? true,
        resolve: (live) => (end(), resolve(live)),
        reject: (error) => (end(), reject(error)),
      }
      attempt.waiting.add(waiter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #begin(): Attempt {
    const attempt: Attempt = { abort: new AbortController(), waiting: new Set() }
    this.#open(attempt).then(
      (live) => this.#settle(attempt, live),
      (error: unknown) => this.#settle(attempt, error as Error),
    )
    return attempt
  }

  /** Ends an attempt, for all who wait. */
  #settle(attempt: Attempt, outcome: Live | Error): void {
    if (this.#attempt === attempt) this.#attempt = undefined
    const waiting = [...attempt.waiting]
    attempt.waiting.clear()
    for (const waiter of waiting) {
      if (outcome instanceof Error) waiter.reject(outcome)
      else waiter.resolve(outcome)
    }
    if (outcome instanceof Error) attempt.abort.abort(outcome)
  }

  /** Tries all brokers; after they have failed, waits and starts over, as often as the policy says. */
  async #open({ abort, waiting }: Attempt): Promise<Live> {
    const { retry } = this.#options
    this.#brokers.reorder()
    for (let retries = 0; ; retries += 1) {
      // Once a second at most is told what fails.
      const loud = Date.now() - this.#loggedAt >= 1000
      const pass = await this.#tryAll(abort.signal, (error) => {
        if (loud) this.#log(error, 'Will retry using next failover.')
      })
      if (!(pass instanceof Error)) return pass
      if (retry.maxRetries !== null && retries >= retry.maxRetries) throw pass
      const seconds = interval(retry, retries)
      const limit = retry.maxRetries === null ? '' : ` (${retries + 1}/${retry.maxRetries})`
      if (loud) this.#log(pass, `Trying again in ${seconds.toFixed(2)} seconds...${limit}`)
      dismiss(waiting, pass)
      const found = await this.#watch(seconds, abort.signal)
      if (found !== undefined) return found
    }
  }

  /** Tries one broker after the other; gives the last one's error when all have failed. */
  async #tryAll(signal: AbortSignal, onFailover?: (error: Error) => void): Promise<Live | Error> {
    for (let tried = 1; ; tried += 1) {
      const transport = this.#brokers.current
      try {
        return this.#adopt(transport, await transport.connect(signal), signal)
      } catch (error) {
        if (signal.aborted) throw reasonOf(signal)
        this.#brokers.failOver()
        if (tried >= this.#brokers.count) return operational(error, transport)
        onFailover?.(error as Error)
      }
    }
  }

  /**
   * Waits until the next retry, but looks whether a broker is back: the longer the wait, the more
   * workers wait in vain. These attempts neither count nor are logged.
   */
  async #watch(seconds: number, signal: AbortSignal): Promise<Live | undefined> {
    const end = performance.now() + seconds * 1000
    for (let looks = 0; ; looks += 1) {
      const left = (end - performance.now()) / 1000
      const pause = interval(LOOK, looks)
      await delay(Math.max(0, Math.min(left, pause)), signal)
      if (left <= pause) return undefined
      const pass = await this.#tryAll(signal)
      if (!(pass instanceof Error)) return pass
    }
  }

  #adopt(transport: Transport, connection: TransportConnection, signal: AbortSignal): Live {
    if (signal.aborted) {
      void connection.close()
      throw reasonOf(signal)
    }
    this.#generation += 1
    const live: Live = { transport, connection, generation: this.#generation }
    this.#live = live
    void connection.closed.then((reason) => this.#lose(live, reason))
    // After those who wait for the connection have it.
    queueMicrotask(() => this.#announce(live))
    return live
  }

  #announce(live: Live): void {
    if (this.#live !== live) return
    for (const fn of this.#onConnected) fn()
  }

  #lose(live: Live, reason: Error | undefined): void {
    if (this.#live !== live) return
    this.#live = undefined
    const error = reason ?? new OperationalError(`the connection to ${this.address} was closed`)
    for (const fn of this.#onLost) fn(error)
  }

  /** As Celery says it. @see celery 5.6, worker/consumer/consumer.py, `CONNECTION_ERROR` */
  #log(error: Error, next: string): void {
    const { name, logger } = this.#options
    const prefix = name === undefined ? '' : `${name}: `
    this.#loggedAt = Date.now()
    logger.error(`${prefix}${capital(oneLine(error.message))}.\n${next}\n`)
  }
}

/** Lets those go who do not want to wait for a retry. */
function dismiss(waiting: Set<Waiter>, error: Error): void {
  for (const waiter of waiting) {
    if (waiter.patient) continue
    waiting.delete(waiter)
    waiter.reject(error)
  }
}

function operational(error: unknown, transport: Transport): Error {
  if (error instanceof CeleryError) return error
  return new OperationalError(
    `cannot connect to ${transport.address}: ${(error as Error).message}`,
    {
      cause: error,
    },
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
