/** What is pushed, as an async iterator. */

import { reasonOf } from '../runtime/retry.ts'
import type { Unsubscribe } from './backend.ts'

export interface FeedOptions<T> {
  /** Called at the first pull. */
  readonly subscribe: (
    push: (item: T) => void,
    /** Without a reason: there is nothing more to tell. */
    onEnd: (reason?: Error) => void,
  ) => Unsubscribe
  readonly signal?: AbortSignal | undefined
  /** When nobody pulls, more than this many items are dropped, oldest first. @default none are */
  readonly maxBuffered?: number
}

interface Pull<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(reason: Error): void
}

/**
 * Subscribes at the first pull. Written by hand, because `return()` of an async generator waits for
 * the pull that is pending, which here may be for ever.
 */
export class Feed<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #options: FeedOptions<T>
  readonly #pulls: Pull<T>[] = []
  readonly #buffer: T[] = []
  /** Where the buffer begins: taking from its front costs the same, however much is in it. */
  #from = 0
  #unsubscribe: Unsubscribe | undefined
  #over = false
  #failure: Error | undefined

  constructor(options: FeedOptions<T>) {
    this.#options = options
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#unsubscribe === undefined && !this.#over) this.#start()
    if (this.#from < this.#buffer.length) return { done: false, value: this.#take() }
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    if (this.#over) return { done: true, value: undefined }
    return new Promise((resolve, reject) => this.#pulls.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#buffer.length = this.#from = 0
    this.#end()
    return { done: true, value: undefined }
  }

  #start(): void {
    const { signal, subscribe } = this.#options
    if (signal?.aborted) return this.#end(reasonOf(signal))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#unsubscribe = subscribe(
      (item) => this.#push(item),
      (reason) => this.#end(reason),
    )
    // it may have ended before there was anything to call
    if (this.#over) this.#unsubscribe()
  }

  readonly #onAbort = (): void => this.#end(reasonOf(this.#options.signal))

  #push(item: T): void {
    if (this.#over) return
    const pull = this.#pulls.shift()
    if (pull !== undefined) return pull.resolve({ done: false, value: item })
    const waiting = this.#buffer.push(item) - this.#from
    if (waiting > (this.#options.maxBuffered ?? Infinity)) this.#take()
  }

  #take(): T {
    const item = this.#buffer[this.#from] as T
    this.#from += 1
    if (this.#from * 2 >= this.#buffer.length) {
      this.#buffer.splice(0, this.#from)
      this.#from = 0
    }
    return item
  }

  #end(failure?: Error): void {
    if (this.#over) return
    this.#over = true
    this.#unsubscribe?.()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const pull = failure === undefined ? undefined : this.#pulls.shift()
    if (failure !== undefined && pull === undefined) this.#failure = failure
    else if (failure !== undefined) pull?.reject(failure)
    for (const rest of this.#pulls.splice(0)) rest.resolve({ done: true, value: undefined })
  }
}
