/** Who waits for which task, and what was heard of it last. */

import { CeleryError } from '../../protocol/errors.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import type { Unsubscribe } from './backend.ts'

export interface Waiter {
  readonly onMeta: (meta: ResultMeta) => void
  readonly onEnd?: ((reason: CeleryError) => void) | undefined
}

interface Waiting {
  readonly waiters: Set<Waiter>
  /** Counts what was pushed, so that a read that was overtaken can be told. */
  version: number
  meta?: ResultMeta
  /** The bytes that `meta` was read from, so that the same ones are not told twice. */
  raw?: Buffer
}

/**
 * The waiting side of a backend, by task. A task is kept as long as somebody waits for it; who comes
 * later is told the last meta at once.
 */
export class Waiters {
  readonly #tasks = new Map<string, Waiting>()
  readonly #onIdle: (taskId: string) => void
  #closed = false

  /** `onIdle` is called when the last one who waited for a task is gone. */
  constructor(onIdle: (taskId: string) => void = () => {}) {
    this.#onIdle = onIdle
  }

  /** How many tasks are waited for. */
  get size(): number {
    return this.#tasks.size
  }

  ids(): IterableIterator<string> {
    return this.#tasks.keys()
  }

  has(taskId: string): boolean {
    return this.#tasks.has(taskId)
  }

  add(taskId: string, waiter: Waiter): Unsubscribe {
    const waiting = this.#tasks.get(taskId) ?? { waiters: new Set<Waiter>(), version: 0 }
    this.#tasks.set(taskId, waiting)
    waiting.waiters.add(waiter)
    const { meta } = waiting
    if (this.#closed) queueMicrotask(() => this.end(taskId, closedError()))
    else if (meta !== undefined)
      queueMicrotask(() => waiting.waiters.has(waiter) && waiter.onMeta(meta))
    return () => this.#remove(taskId, waiting, waiter)
  }

  /** Tells a meta that was pushed. */
  tell(meta: ResultMeta, raw?: Buffer): void {
    const waiting = this.#tasks.get(meta.taskId)
    if (waiting === undefined) return
    waiting.version += 1
    waiting.meta = meta
    if (raw !== undefined) waiting.raw = raw
    for (const waiter of Array.from(waiting.waiters)) waiter.onMeta(meta)
  }

  /** To be given to {@link isNews} with what was read afterwards. */
  version(taskId: string): number {
    return this.#tasks.get(taskId)?.version ?? 0
  }

  /** Whether bytes that were read tell more than what was pushed since the read began. */
  isNews(taskId: string, raw: Buffer, version: number): boolean {
    const waiting = this.#tasks.get(taskId)
    if (waiting === undefined || waiting.version !== version) return false
    return waiting.raw === undefined || !waiting.raw.equals(raw)
  }

  /** Nothing more will come of a task. */
  end(taskId: string, reason: CeleryError): void {
    const waiting = this.#tasks.get(taskId)
    if (waiting === undefined) return
    this.#tasks.delete(taskId)
    const waiters = [...waiting.waiters]
    waiting.waiters.clear()
    for (const waiter of waiters) waiter.onEnd?.(reason)
    this.#onIdle(taskId)
  }

  endAll(reason: CeleryError): void {
    for (const taskId of Array.from(this.#tasks.keys())) this.end(taskId, reason)
  }

  /** Ends all who wait, and who comes later. */
  close(): void {
    this.#closed = true
    this.endAll(closedError())
  }

  #remove(taskId: string, waiting: Waiting, waiter: Waiter): void {
    if (!waiting.waiters.delete(waiter) || waiting.waiters.size > 0) return
    if (this.#tasks.get(taskId) !== waiting) return
    this.#tasks.delete(taskId)
    this.#onIdle(taskId)
  }
}

function closedError(): CeleryError {
  return new CeleryError('ERR_ABORTED', 'the result backend was closed while a result was awaited')
}
