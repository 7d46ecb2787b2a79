/** Waits until a task is ready, or until something speaks against it. */

import type { ResultMeta } from '../../protocol/result.ts'
import { PROPAGATE_STATES, READY_STATES } from '../../protocol/states.ts'
import { ImproperlyConfigured, TimeoutError } from '../errors.ts'
import { secondsOf, type Seconds } from '../runtime/duration.ts'
import { reasonOf, timerMs } from '../runtime/retry.ts'
import type { ResultBackend, Unsubscribe } from './backend.ts'
import { remoteError } from './remote-error.ts'

export interface WaitOptions {
  /** Seconds; 0 and undefined are no limit, as in Celery. */
  readonly timeout?: Seconds | undefined
  readonly signal?: AbortSignal | undefined
  /** The tasks whose failure ends the wait, the first to run first. */
  readonly parents: readonly string[]
  /** Called with every meta of the task itself. */
  readonly onMessage: (meta: ResultMeta) => void
}

/**
 * The meta of a task that is ready, in whichever of the ready states. Rejects with a parent's error,
 * when the time is over, when the signal aborts, and when the backend has nothing more to say.
 */
export function waitFor(
  backend: ResultBackend,
  taskId: string,
  { timeout, signal, parents, onMessage }: WaitOptions,
): Promise<ResultMeta> {
  return new Promise<ResultMeta>((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal))
    const seconds = limitOf(timeout)
    const unsubscribes: Unsubscribe[] = []
    let timer: NodeJS.Timeout | undefined
    const over = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      for (const unsubscribe of unsubscribes) unsubscribe()
    }
    const fail = (reason: Error): void => (over(), reject(reason))
    const onAbort = (): void => fail(reasonOf(signal))
    const onParent = (meta: ResultMeta): void => {
      if (PROPAGATE_STATES.has(meta.status)) fail(remoteError(meta))
    }
    const onMeta = guarded(fail, (meta) => {
      onMessage(meta)
      if (!READY_STATES.has(meta.status)) return
      over()
      resolve(meta)
    })
    for (const parent of parents) unsubscribes.push(backend.subscribe(parent, onParent))
    unsubscribes.push(backend.subscribe(taskId, onMeta, fail))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (seconds === 0) return
    timer = setTimeout(() => fail(new TimeoutError()), timerMs(seconds))
  })
}

/** @throws ImproperlyConfigured */
function limitOf(timeout: Seconds | null = 0): number {
  const seconds = secondsOf(timeout ?? 0)
  if (seconds !== undefined) return seconds
  throw new ImproperlyConfigured('timeout must be a number of seconds, or a duration')
}

/** What the caller's function throws is the caller's to hear, not the backend's. */
function guarded(
  fail: (reason: Error) => void,
  onMeta: (meta: ResultMeta) => void,
): (meta: ResultMeta) => void {
  return (meta) => {
    try {
      onMeta(meta)
    } catch (error) {
      fail(error as Error)
    }
  }
}
