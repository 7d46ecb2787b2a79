/** Sends messages: declares what they need, keeps many in flight, and sends them again after a lost connection. */

import type { Message } from '../../protocol/message.ts'
import { CeleryError, OperationalError, TimeoutError, UnroutableError } from '../errors.ts'
import { deadline, delay, interval, reasonOf, type RetryPolicy } from '../runtime/retry.ts'
import type { Connection } from './connection.ts'
import type { Exchange, ExchangeType, Queue } from './entity.ts'
import { Semaphore } from './semaphore.ts'
import type { Channel } from './transport.ts'

export interface ProducerOptions {
  /** Messages that may wait for the broker's confirmation at a time; further ones wait their turn. @default 1000 */
  readonly maxInFlight?: number
  /** For calls that bring none. @see celery 5.6, `task_publish_retry_policy` */
  readonly retry?: RetryPolicy
}

export interface PublishRequest {
  /** `''` is the default exchange. */
  readonly exchange: string
  readonly routingKey: string
  /** Where the broker does not know it (Redis). @default 'direct' */
  readonly exchangeType?: ExchangeType
  /** Fail with UnroutableError when no queue takes the message, where the broker can tell. @default false */
  readonly mandatory?: boolean
  /** Declared before, once per connection as long as it is the same object. */
  readonly declare?: readonly (Queue | Exchange)[]
  /** False fails at the first error. @default the producer's */
  readonly retry?: RetryPolicy | false
  /** Seconds until the call fails, whatever happens. */
  readonly timeout: number
  readonly signal?: AbortSignal
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

/** One call of `publish` while it lasts. */
interface Call {
  readonly message: Message
  readonly request: PublishRequest
  /** Made when the call has to wait for something. */
  abort?: AbortController
  over: boolean
  lastError?: unknown
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
    const call: Call = { message, request, over: false }
    const session = this.#ready(request)
    const work =
      session !== undefined && this.#slots.tryAcquire()
        ? this.#send(session, call).catch((error: unknown) => this.#persist(call, error))
        : this.#persist(call)
    return deadline(work, request.timeout, () => this.#expire(call), request.signal)
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

  /** Sends on a slot that was acquired, and gives the slot back. */
  #send(session: Session, { message, request }: Call): Promise<void> {
    const { exchange, routingKey, exchangeType, mandatory } = request
    const options = {
      exchange,
      routingKey,
      ...(exchangeType === undefined ? {} : { exchangeType }),
      ...(mandatory === undefined ? {} : { mandatory }),
    }
    const release = (): void => this.#slots.release()
    try {
      const sent = session.channel.publish(message, options)
      sent.then(release, release)
      return sent
    } catch (error) {
      release()
      return Promise.reject(error as Error)
    }
  }

  /** Waits for what is missing and sends, as often as the policy allows. */
  async #persist(call: Call, failure?: unknown): Promise<void> {
    call.abort ??= new AbortController()
    const signal = either(call.abort.signal, call.request.signal)
    let error = failure
    for (let retries = 0; ;) {
      if (error !== undefined) {
        await this.#beforeRetry(call, error, retries, signal)
        retries += 1
      }
      try {
        const session = await this.#prepare(call.request, signal)
        await this.#slots.acquire(signal)
        // Another may have found the connection lost while this one waited for its turn.
        return await this.#send(session, call)
      } catch (caught) {
        if (call.over || signal.aborted) throw caught
        error = caught
      }
    }
  }

  /** Rejects with the error when it is final; else waits as long as the policy says. */
  async #beforeRetry(
    call: Call,
    error: unknown,
    retries: number,
    signal: AbortSignal,
  ): Promise<void> {
    call.lastError = error
    if (call.over) throw error
    if (error instanceof UnroutableError) return this.#forget(call.request, error, retries)
    const { retry = this.#retry } = call.request
    const retryable = error instanceof CeleryError && error.retryable
    if (!retryable || retry === false || this.#closing !== undefined) throw error
    if (retry.maxRetries !== null && retries >= retry.maxRetries) throw error
    await delay(interval(retry, retries), signal)
  }

  /** Somebody may have deleted the queue after we declared it: it is declared again, once. */
  #forget({ declare = [] }: PublishRequest, error: UnroutableError, retries: number): void {
    if (retries > 0 || declare.length === 0) throw error
    for (const entity of declare) this.#session?.declared.delete(keyOf(entity))
  }

  async #prepare(request: PublishRequest, signal: AbortSignal): Promise<Session> {
    const patient = request.retry !== false
    const session = await this.#open(signal, patient)
    if (this.#connection.blocked) await aborting(this.#connection.unblocked(), signal)
    for (const entity of request.declare ?? []) await aborting(declared(session, entity), signal)
    return session
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

  #expire(call: Call): Error {
    call.over = true
    const { exchange, routingKey, timeout } = call.request
    const blocked = this.#connection.blocked ? ', which takes no messages for now (an alarm)' : ''
    const error = new TimeoutError(
      `the message for exchange '${exchange}', routing key '${routingKey}' was not confirmed by ` +
        `${this.#connection.address}${blocked} within ${timeout} s`,
      { cause: call.lastError },
    )
    call.abort?.abort(error)
    return error
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

function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? one : AbortSignal.any([one, other])
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
