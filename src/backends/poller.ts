/** Hears of results where nothing tells of them: looks again and again, for all who wait at once. */

import { CeleryError } from '../errors.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { PENDING, READY_STATES } from '../../protocol/states.ts'
import type { Unsubscribe } from '../results/backend.ts'
import { Waiters } from '../results/waiters.ts'
import type { Logger } from '../runtime/log.ts'

/** What can never be read of a task. */
export interface FailedLook {
  readonly taskId: string
  readonly error: CeleryError
}

export interface PollerOptions {
  /** What is known of these tasks, in one round trip. */
  readonly fetchMany: (taskIds: readonly string[]) => Promise<readonly (ResultMeta | FailedLook)[]>
  /** Of the backend, for the log. */
  readonly address: () => string
  readonly log: Logger
}

/** Milliseconds until the first look after somebody came, and at most between two. Celery's is 500 always. */
const FIRST_MS = 20
const MAX_MS = 500
/** How many tasks one look asks for. */
const MAX_BATCH = 1000
/** How many looks in a row have to fail until it is spoken of: one that was locked out is no news. */
const MAX_QUIET = 3

/** The pause grows as long as nothing new is seen, and is short again for who comes. */
export class Poller {
  readonly #options: PollerOptions
  /** What the waiters of a task were told: who comes when they have gone was told nothing. */
  readonly #seen = new Map<string, string>()
  readonly #waiters = new Waiters((taskId) => this.#seen.delete(taskId))
  #pauseMs = FIRST_MS
  #timer: NodeJS.Timeout | undefined
  #looking = false
  /** Looks that failed, one after another. */
  #failed = 0
  #closed = false

  constructor(options: PollerOptions) {
    this.#options = options
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    const unsubscribe = this.#waiters.add(taskId, { onMeta, onEnd })
    this.#pauseMs = FIRST_MS
    this.#schedule(0)
    return unsubscribe
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#waiters.close()
  }

  #schedule(ms: number): void {
    if (this.#closed || this.#looking) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), ms)
  }

  async #look(): Promise<void> {
    this.#looking = true
    let news = false
    try {
      const taskIds = [...this.#waiters.ids()]
      for (let from = 0; from < taskIds.length && !this.#closed; from += MAX_BATCH) {
        const metas = await this.#options.fetchMany(taskIds.slice(from, from + MAX_BATCH))
        for (const meta of metas) news = this.#tell(meta) || news
      }
      this.#onRead()
    } catch (error) {
      this.#onFailed(error)
    }
    this.#looking = false
    this.#pauseMs = news ? FIRST_MS : Math.min(MAX_MS, this.#pauseMs * 1.5)
    if (this.#waiters.size > 0) this.#schedule(this.#pauseMs)
  }

  #onRead(): void {
    const { address, log } = this.#options
    if (this.#failed >= MAX_QUIET) log.info(`The result backend ${address()} can be read again`)
    this.#failed = 0
  }

  /** The next look follows, unless that cannot help: then all who wait are told. */
  #onFailed(error: unknown): void {
    if (error instanceof CeleryError && !error.retryable) return this.#waiters.endAll(error)
    this.#failed += 1
    if (this.#failed !== MAX_QUIET || this.#closed) return
    const { address, log } = this.#options
    log.error(`The result backend ${address()} cannot be read, trying again: ${String(error)}`)
  }

  /** Whether it says something that was not said before. */
  #tell(meta: ResultMeta | FailedLook): boolean {
    if ('error' in meta) {
      this.#waiters.end(meta.taskId, meta.error)
      return false
    }
    const { taskId, status } = meta
    if (status === PENDING || !this.#waiters.has(taskId)) return false
    const said = READY_STATES.has(status) ? status : JSON.stringify([status, meta.result])
    if (this.#seen.get(taskId) === said) return false
    this.#seen.set(taskId, said)
    this.#waiters.tell(meta)
    return true
  }
}
