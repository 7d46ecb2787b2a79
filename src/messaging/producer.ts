/** Sends messages: declares what they need, keeps many in flight, and sends them again after a lost connection. */

import type { Message } from '../../protocol/message.ts'
import { CeleryError, OperationalError, TimeoutError, UnroutableError } from '../errors.ts'
import { deadline, delay, interval, reasonOf, type RetryPolicy } from '../runtime/retry.ts'
import type { Connection } from './connection.ts'
import type { Exchange, Queue } from './entity.ts'
export type { PublishRequest } from './publish-call.ts'
import { PublishCall, type PublishRequest } from './publish-call.ts'
import { Semaphore } from './semaphore.ts'
import type { Channel } from './transport.ts'

export interface ProducerOptions {
  /** Messages that may wait for the broker's confirmation at a time; further ones wait their turn. @default 1000 */
  readonly maxInFlight?: number
  /** For calls that bring none. @see celery 5.6, `task_publish_retry_policy` */
  readonly retry?: RetryPolicy
}

/** @see celery 5.6, `task_publish_retry_policy` */
const RETRY: RetryPolicy = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 0.2 }
const MAX_IN_FLIGHT = 1000
/** Seconds that `close` waits for confirmations. */
const FLUSH_TIMEOUT = 5
/** Queues that are remembered as declared. */
const MAX_DECLARED = 10_000

/** What was opened and declared on one generation of the connection. */
interface Session {
  readonly generation: number
  readonly channel: Channel
  readonly declared: Map<string, Promise<void> | Queue | Exchange>
}

export class Producer {
  readonly #connection: Connection
  readonly #retry: RetryPolicy
  readonly #slots: Semaphore
  #session: Session | undefined
  #opening: Promise<Session> | undefined
  #closing: Promise<void> | undefined

  constructor(connection: Connection, options: ProducerOptions = {}) {
    this.#connection = connection
    this.#retry = options.retry ?? RETRY
    this.#slots = new Semaphore(options.maxInFlight ?? MAX_IN_FLIGHT)
  }

  /** How many messages wait for the broker's confirmation. */
  get inFlight(): number {
    return this.#slots.taken
  }

  /**
   * Resolves when the broker has the message. A message whose connection was lost before its
   * confirmation is sent again: it may then arrive twice, with the same id.
   *
   * @throws UnroutableError, TimeoutError, OperationalError, EncodeError, LimitExceeded
   */
  publish(message: Message, request: PublishRequest): Promise<void> {
    if (this.#closing !== undefined) {
      return Promise.reject(new OperationalError('the producer is closed'))
    }
    if (request.signal?.aborted) return Promise.reject(reasonOf(request.signal))
    return new Promise((resolve, reject) => {
      const call = new PublishCall(message, request, [resolve, reject], (late) => this.#late(late))
      const session = this.#ready(request)
      if (session === undefined) void this.#persist(call)
      else if (this.#slots.tryAcquire()) this.#send(session, call)
      else this.#standInLine(call)
    })
  }

  /** Waits, for a while, until what is in flight is confirmed; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const tooLong = (): Error => new TimeoutError()
    await deadline(this.#slots.idle(), FLUSH_TIMEOUT, tooLong).catch(() => {})
    await this.#session?.channel.close()
  }

  /** The session, when the message can be sent on it at once. */
  #ready({ declare = [] }: PublishRequest): Session | undefined {
    const session = this.#session
    if (session === undefined || !this.#isCurrent(session) || this.#connection.blocked)
      return undefined
    for (const entity of declare) {
      if (session.declared.get(keyOf(entity)) !== entity) return undefined
    }
    return session
  }

  #isCurrent(session: Session): boolean {
    return this.#connection.connected && session.generation === this.#connection.generation
  }

  #standInLine(call: PublishCall): void {
    const enter = (): void => {
      call.leaveLine = undefined
      // The connection may have been lost meanwhile.
      const session = call.over ? undefined : this.#ready(call.request)
      if (session !== undefined) return this.#send(session, call)
      this.#slots.release()
      if (!call.over) void this.#persist(call)
    }
    call.leaveLine = (): void => this.#slots.leave(enter)
    this.#slots.acquire(enter)
  }

  /** Sends on a slot that was acquired, and gives the slot back. */
  #send({ channel }: Session, call: PublishCall): void {
    const { exchange, routingKey, exchangeType, mandatory } = call.request
    const options = {
      exchange,
      routingKey,
      ...(exchangeType === undefined ? {} : { exchangeType }),
      ...(mandatory === undefined ? {} : { mandatory }),
    }
    channel.publish(call.message, options).then(
      () => {
        call.succeed()
        this.#slots.release()
      },
      (error: unknown) => {
        this.#slots.release()
        void this.#persist(call, error as Error)
      },
    )
  }

  /** After a failure, or with something missing: makes ready and sends, if the policy allows. */
  async #persist(call: PublishCall, failure?: Error): Promise<void> {
    for (let error = failure; !call.over;) {
      try {
        if (error !== undefined) await this.#beforeRetry(call, error)
        await this.#prepare(call)
        return this.#standInLine(call)
      } catch (caught) {
        if (error !== undefined && caught === error) return call.fail(error)
        error = caught as Error
      }
    }
  }

  /** Rejects with the same error when it is final; else waits as long as the policy says. */
  async #beforeRetry(call: PublishCall, error: Error): Promise<void> {
    call.lastError = error
    const retries = call.retries
    call.retries += 1
    if (error instanceof UnroutableError) return this.#forget(call.request, error, retries)
    const { retry = this.#retry } = call.request
    const retryable = error instanceof CeleryError && error.retryable
    if (!retryable || retry === false || this.#closing !== undefined) throw error
    if (retry.maxRetries !== null && retries >= retry.maxRetries) throw error
    await delay(interval(retry, retries), call.signal)
  }

  /** Somebody may have deleted the queue after we declared it: it is declared again, once. */
  #forget({ declare = [] }: PublishRequest, error: UnroutableError, retries: number): void {
    if (retries > 0 || declare.length === 0) throw error
    for (const entity of declare) this.#session?.declared.delete(keyOf(entity))
  }

  async #prepare({ request, signal }: PublishCall): Promise<void> {
    const session = await this.#open(signal, request.retry !== false)
    if (this.#connection.blocked) await aborting(this.#connection.unblocked(), signal)
    for (const entity of request.declare ?? []) await aborting(declared(session, entity), signal)
  }

  async #open(signal: AbortSignal, patient: boolean): Promise<Session> {
    if (this.#session !== undefined && this.#isCurrent(this.#session)) return this.#session
    await this.#connection.connect(signal, { patient })
    this.#opening ??= this.#openSession().finally(() => (this.#opening = undefined))
    return await aborting(this.#opening, signal)
  }

  async #openSession(): Promise<Session> {
    const generation = this.#connection.generation
    const channel = await this.#connection.channel(undefined, { patient: false })
    return (this.#session = { generation, channel, declared: new Map() })
  }

  #late({ request, lastError }: PublishCall): Error {
    const { exchange, routingKey, timeout } = request
    const blocked = this.#connection.blocked ? ', which takes no messages for now (an alarm),' : ''
    return new TimeoutError(
      `the message for exchange '${exchange}', routing key '${routingKey}' was not confirmed by ` +
        `${this.#connection.address}${blocked} within ${timeout} s`,
      { cause: lastError },
    )
  }
}

function keyOf(entity: Queue | Exchange): string {
  return 'bindings' in entity ? `q ${entity.name}` : `x ${entity.name}`
}

/** Declares an entity unless that was done on this session; those who need it at once share the work. */
async function declared(session: Session, entity: Queue | Exchange): Promise<void> {
  const key = keyOf(entity)
  const known = session.declared.get(key)
  if (known === entity) return
  if (known instanceof Promise) return await known
  if (session.declared.size >= MAX_DECLARED) session.declared.clear()
  const work = declareEntity(session.channel, entity)
  session.declared.set(key, work)
  await work.then(
    () => session.declared.set(key, entity),
    (error: unknown) => {
      session.declared.delete(key)
      throw error
    },
  )
}

async function declareEntity(channel: Channel, entity: Queue | Exchange): Promise<void> {
  if ('bindings' in entity) await channel.declareQueue(entity)
  else await channel.declareExchange(entity)
}

/** Settles as the work does, or rejects as soon as the signal aborts; its late rejection is swallowed. */
function aborting<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {})
    return Promise.reject(signal.reason as Error)
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    work
      .finally(() => signal.removeEventListener('abort', onAbort))
      .then(resolve, (error: unknown) => reject(error as Error))
  })
}
