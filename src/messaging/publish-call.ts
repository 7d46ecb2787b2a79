/** One call of the producer's `publish` while it lasts: what it asks for, and its one answer. */

import type { Message } from '../../protocol/message.ts'
import { reasonOf, timerMs, type RetryPolicy } from '../runtime/retry.ts'
import type { Exchange, ExchangeType, Queue } from './entity.ts'

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

export class PublishCall {
  readonly message: Message
  readonly request: PublishRequest
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: (() => void) | undefined
  /** Made when the call has to wait for something. */
  #abort: AbortController | undefined
  /** Where it waits for a slot. */
  leaveLine: (() => void) | undefined
  lastError: unknown
  retries = 0
  over = false

  constructor(
    message: Message,
    request: PublishRequest,
    settle: readonly [() => void, (error: Error) => void],
    expire: (call: PublishCall) => Error,
  ) {
    this.message = message
    this.request = request
    ;[this.#resolve, this.#reject] = settle
    this.#timer = setTimeout(() => this.fail(expire(this)), timerMs(request.timeout))
    const { signal } = request
    if (signal === undefined) return
    this.#onAbort = (): void => this.fail(reasonOf(signal))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Aborts when the call is over. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  succeed(): void {
    if (this.over) return
    this.#end()
    this.#resolve()
  }

  fail(error: Error): void {
    if (this.over) return
    this.#end()
    this.#reject(error)
    this.leaveLine?.()
    this.#abort?.abort(error)
  }

  #end(): void {
    this.over = true
    clearTimeout(this.#timer)
    if (this.#onAbort !== undefined) {
      this.request.signal?.removeEventListener('abort', this.#onAbort)
    }
  }
}
