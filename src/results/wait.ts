/** Waits until tasks are ready, one or ten thousand, or until something speaks against it. */

import type { ResultMeta } from '../../protocol/result.ts'
import { PROPAGATE_STATES, READY_STATES } from '../../protocol/states.ts'
import { ImproperlyConfigured, TimeoutError } from '../errors.ts'
import { secondsOf, type Seconds } from '../runtime/duration.ts'
import { reasonOf, timerMs } from '../runtime/retry.ts'
import type { Unsubscribe } from './backend.ts'
import { metasOf } from './metas.ts'
import { raised } from './remote-error.ts'
import type { TaskHandle } from './tree.ts'

export interface WaitOptions {
  /** Seconds; 0 and undefined are no limit, as in Celery. */
  readonly timeout?: Seconds | undefined
  readonly signal?: AbortSignal | undefined
  /** The tasks whose failure ends the wait, the first to run first. */
  readonly parents?: readonly TaskHandle[] | undefined
  /** Called with every meta of the tasks themselves; what it throws ends the wait. */
  readonly onMessage?: ((meta: ResultMeta) => void) | undefined
  /** Called once for each task, when it is ready; what it throws ends the wait. */
  readonly onReady: (meta: ResultMeta, index: number) => void
}

/**
 * Resolves when all are ready, in whichever of the ready states. Rejects with a parent's error, when
 * the time is over, when the signal aborts, and when the backend has nothing more to say.
 */
export async function waitFor(tasks: readonly TaskHandle[], options: WaitOptions): Promise<void> {
  if (options.signal?.aborted) throw reasonOf(options.signal)
  const seconds = limitOf(options.timeout)
  const failed = options.parents?.find(({ known }) => PROPAGATE_STATES.has(known?.status ?? ''))
  if (failed !== undefined) throw raised(failed.known?.result)
  const waited = tasks.flatMap((task, index) => {
    if (task.known === undefined) return [{ task, index }]
    options.onReady(task.known, index)
    return []
  })
  if (waited.length > 0) await new Wait(waited, options, seconds).over
}

/** The error of the first of some tasks that failed. */
export async function parentError(parents: readonly TaskHandle[]): Promise<Error | undefined> {
  const known = await metasOf(parents)
  const failed = parents
    .map(({ taskId }) => known.get(taskId)?.meta)
    .find((meta) => PROPAGATE_STATES.has(meta?.status ?? ''))
  return failed === undefined ? undefined : raised(failed.result)
}

interface Waited {
  readonly task: TaskHandle
  readonly index: number
}

/** One timer and one listener for them all; each is left as soon as it is ready. */
class Wait {
  readonly over: Promise<void>
  readonly #options: WaitOptions
  readonly #unsubscribes = new Map<string | Waited, Unsubscribe>()
  #left: number
  #timer: NodeJS.Timeout | undefined
  #resolve: () => void = () => {}
  #reject: (reason: unknown) => void = () => {}

  constructor(waited: readonly Waited[], options: WaitOptions, seconds: number) {
    this.#options = options
    this.#left = waited.length
    this.over = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    try {
      this.#subscribe(waited)
    } catch (error) {
      this.#end()
      throw error
    }
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (seconds === 0) return
    this.#timer = setTimeout(() => this.#fail(new TimeoutError()), timerMs(seconds))
  }

  /** Parents first: of what is known already, theirs is told first. */
  #subscribe(waited: readonly Waited[]): void {
    for (const parent of this.#options.parents ?? []) {
      if (parent.known !== undefined) continue
      const { source, taskId } = parent
      const onMeta = (meta: ResultMeta): void => this.#hearParent(parent, meta)
      this.#unsubscribes.set(taskId, source.backend.subscribe(taskId, onMeta))
    }
    for (const each of waited) {
      const { source, taskId } = each.task
      const onMeta = (meta: ResultMeta): void => this.#hear(each, meta)
      const onEnd = (reason: Error): void => this.#fail(reason)
      this.#unsubscribes.set(each, source.backend.subscribe(taskId, onMeta, onEnd))
    }
  }

  /** What failed before it may be stored already, and the news of that still on their way. */
  #hearParent(parent: TaskHandle, raw: ResultMeta): void {
    const { status, result } = parent.learn(raw)
    if (!PROPAGATE_STATES.has(status)) return
    const failing = (error?: Error): void => this.#fail(error ?? raised(result))
    parentError(this.#options.parents ?? []).then(failing, () => failing())
  }

  /** What the caller's functions throw is the caller's to hear, not the backend's. */
  #hear(waited: Waited, raw: ResultMeta): void {
    const unsubscribe = this.#unsubscribes.get(waited)
    if (unsubscribe === undefined) return
    try {
      const meta = waited.task.learn(raw)
      this.#options.onMessage?.(meta)
      if (!READY_STATES.has(meta.status)) return
      this.#unsubscribes.delete(waited)
      unsubscribe()
      this.#options.onReady(meta, waited.index)
    } catch (error) {
      return this.#fail(error)
    }
    this.#left -= 1
    if (this.#left > 0) return
    this.#end()
    this.#resolve()
  }

  readonly #onAbort = (): void => this.#fail(reasonOf(this.#options.signal))

  #fail(reason: unknown): void {
    this.#end()
    this.#reject(reason)
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    for (const unsubscribe of this.#unsubscribes.values()) unsubscribe()
    this.#unsubscribes.clear()
  }
}

/** @throws ImproperlyConfigured */
function limitOf(timeout: Seconds | null = 0): number {
  const seconds = secondsOf(timeout ?? 0)
  if (seconds !== undefined) return seconds
  throw new ImproperlyConfigured('timeout must be a number of seconds, or a duration')
}
