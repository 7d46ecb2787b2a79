/** The simulated backend: one store for all, and for each process a way to it that takes its time, and may fail. */

import type { CeleryError } from '../../protocol/errors.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { BackendError } from '../../src/errors.ts'
import type { BackendCapabilities, ResultBackend, Unsubscribe } from '../../src/results/backend.ts'
import type { Actor, Wire, World } from './world.ts'

export interface StoreObserver {
  /** A process asks to store. */
  storing(meta: ResultMeta, actor: Actor): void
  /** It is stored; undefined before when nothing was. */
  stored(meta: ResultMeta, before: ResultMeta | undefined, actor: Actor): void
  /** The adapter gave up. */
  failed(meta: ResultMeta, actor: Actor): void
}

type Listener = (meta: ResultMeta) => void

/** Keeps what Redis would: a SUCCESS is not overwritten. */
export class ResultStore {
  readonly #metas = new Map<string, ResultMeta>()
  readonly #observer: StoreObserver
  readonly listeners = new Map<string, Set<Listener>>()

  constructor(observer: StoreObserver) {
    this.#observer = observer
  }

  get(taskId: string): ResultMeta | undefined {
    return this.#metas.get(taskId)
  }

  put(meta: ResultMeta, actor: Actor): void {
    const before = this.#metas.get(meta.taskId)
    if (before?.status === 'SUCCESS') return
    this.#metas.set(meta.taskId, meta)
    this.#observer.stored(meta, before, actor)
    for (const listener of this.listeners.get(meta.taskId) ?? []) listener(meta)
  }

  delete(taskId: string): void {
    this.#metas.delete(taskId)
  }
}

export interface SimBackendOptions {
  readonly world: World
  readonly store: ResultStore
  readonly actor: Actor
  readonly observer: StoreObserver
  /** Whether the backend gives up on the next call. */
  readonly fails: () => boolean
}

export class SimBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: true }
  readonly address = 'sim://backend'
  readonly #options: SimBackendOptions
  readonly #up: Wire
  readonly #down: Wire

  constructor(options: SimBackendOptions) {
    const { world, actor } = options
    this.#options = options
    this.#up = world.wire(world.fate)
    this.#down = world.wire(actor)
  }

  get groups(): never {
    throw new Error('no simulated task is in a group')
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {}

  store(meta: ResultMeta): Promise<void> {
    const { store, actor, observer } = this.#options
    observer.storing(meta, actor)
    const what = `store ${meta.status} of ${meta.taskId}`
    return this.#ask(what, () => store.put(meta, actor)).catch((error: unknown) => {
      observer.failed(meta, actor)
      throw error
    })
  }

  fetch(taskId: string): Promise<ResultMeta> {
    const { store } = this.#options
    return this.#ask(`fetch ${taskId}`, () => store.get(taskId) ?? pending(taskId))
  }

  async fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return await Promise.all(taskIds.map((taskId) => this.fetch(taskId)))
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    _onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    const { store } = this.#options
    const listener: Listener = (meta) => this.#down.push(`hears of ${taskId}`, () => onMeta(meta))
    const listeners = store.listeners.get(taskId) ?? new Set<Listener>()
    store.listeners.set(taskId, listeners.add(listener))
    const known = store.get(taskId)
    if (known !== undefined) listener(known)
    return () => void listeners.delete(listener)
  }

  async onTaskCall(): Promise<void> {}

  forget(taskId: string): Promise<void> {
    return this.#ask(`forget ${taskId}`, () => this.#options.store.delete(taskId))
  }

  #ask<T>(what: string, act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#up.push(what, () => {
        if (this.#options.fails()) {
          // it may have been done, and only its reply was lost
          if (this.#options.world.random.chance(0.5)) act()
          const error = new BackendError('the simulated backend gave up')
          return this.#down.push(`${what}: refused`, () => reject(error))
        }
        const value = act()
        this.#down.push(`${what}: reply`, () => resolve(value))
      })
    })
  }
}

function pending(taskId: string): ResultMeta {
  return {
    taskId,
    status: 'PENDING',
    result: null,
    traceback: null,
    children: null,
    dateDone: null,
  }
}
