/** The metas of one task as an async iterator, up to the last. */

import type { ResultMeta } from '../../protocol/result.ts'
import { READY_STATES } from '../../protocol/states.ts'
import { reasonOf } from '../runtime/retry.ts'
import type { Unsubscribe } from './backend.ts'

export interface UpdatesOptions {
  /** Called at the first pull. */
  readonly subscribe: (
    onMeta: (meta: ResultMeta) => void,
    /** Without a reason: there is nothing more to tell. */
    onEnd: (reason?: Error) => void,
  ) => Unsubscribe
  readonly signal?: AbortSignal | undefined
}

interface Pull {
  resolve(result: IteratorResult<ResultMeta, undefined>): void
  reject(reason: Error): void
}

/** When nobody pulls, more than this many updates are dropped, oldest first; the last is never. */
const MAX_BUFFERED = 1000

/**
 * Subscribes at the first pull. Written by hand, because `return()` of an async generator waits for
 * the pull that is pending, which here may be for ever.
 */
export class Updates implements AsyncIterableIterator<ResultMeta, undefined, undefined> {
  readonly #options: UpdatesOptions
  readonly #buffer: ResultMeta[] = []
  readonly #pulls: Pull[] = []
  #unsubscribe: Unsubscribe | undefined
  #over = false
  #failure: Error | undefined

  constructor(options: UpdatesOptions) {
    this.#options = options
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<ResultMeta, undefined>> {
    if (this.#unsubscribe === undefined && !this.#over) this.#start()
    const meta = this.#buffer.shift()
    if (meta !== undefined) return { done: false, value: meta }
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    if (this.#over) return { done: true, value: undefined }
    return new Promise((resolve, reject) => this.#pulls.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<ResultMeta, undefined>> {
    this.#buffer.length = 0
    this.#end()
    return { done: true, value: undefined }
  }

  #start(): void {
    const { signal, subscribe } = this.#options
    if (signal?.aborted) return this.#end(reasonOf(signal))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#unsubscribe = subscribe(
      (meta) => this.#hear(meta),
      (reason) => this.#end(reason),
    )
  }

  readonly #onAbort = (): void => this.#end(reasonOf(this.#options.signal))

  #hear(meta: ResultMeta): void {
    if (this.#over) return
    const pull = this.#pulls.shift()
    if (pull !== undefined) pull.resolve({ done: false, value: meta })
    else if (this.#buffer.push(meta) > MAX_BUFFERED) this.#buffer.shift()
    if (READY_STATES.has(meta.status)) this.#end()
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
