/** The replies to one question: collected until there are enough, or no more come. */

import type { PlainObject } from '../../protocol/plain.ts'
import { reasonOf } from '../runtime/retry.ts'

export interface RepliesOptions {
  /** How many are expected. */
  readonly limit: number
  /** Seconds without a reply until there are no more. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/** No fleet has so many nodes; what goes beyond is not kept. */
const MAX_REPLIES = 100_000

/** @see kombu 5.6, pidbox.py, `Mailbox._collect` */
export class Replies {
  readonly #options: RepliesOptions
  readonly #collected: PlainObject[] = []
  #timer: NodeJS.Timeout | undefined
  #over = false
  #onEnd: () => void = () => {}

  constructor(options: RepliesOptions) {
    this.#options = options
  }

  add(reply: PlainObject): void {
    if (this.#over) return
    this.#collected.push(reply)
    if (this.#collected.length >= Math.min(this.#options.limit, MAX_REPLIES)) this.end()
    else this.#timer?.refresh()
  }

  /** No more can come. */
  end(): void {
    this.#over = true
    this.#onEnd()
  }

  /** All that came. @throws CeleryError when the signal aborts */
  async all(): Promise<readonly PlainObject[]> {
    const { timeout, signal } = this.#options
    const end = (): void => this.end()
    signal?.addEventListener('abort', end, { once: true })
    if (!this.#over && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.#onEnd = resolve
        this.#timer = setTimeout(end, timeout * 1000)
      })
    }
    clearTimeout(this.#timer)
    signal?.removeEventListener('abort', end)
    if (signal?.aborted) throw reasonOf(signal)
    return this.#collected
  }
}
