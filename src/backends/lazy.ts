/** A result backend whose code is loaded when it is first used, so that nobody loads what he does not need. */

import type { ResultMeta } from '../../protocol/result.ts'
import { BackendError, CeleryError } from '../errors.ts'
import type {
  BackendCapabilities,
  ChordStore,
  GroupStore,
  ResultBackend,
  StoreOptions,
  Unsubscribe,
} from '../results/backend.ts'
import { Waiters } from '../results/waiters.ts'

/** What is known of a backend before its code is there. */
export interface LazyOptions {
  /** The address without its password. */
  readonly address: string
  /** Whether it counts the parts of chords by itself. */
  readonly chords: boolean
  /** Loads its code, and opens nothing yet. */
  readonly load: () => Promise<ResultBackend>
}

export class LazyBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: true }
  readonly address: string
  readonly groups: GroupStore
  readonly chords?: ChordStore
  readonly #load: () => Promise<ResultBackend>
  /** Who waits while the code is being loaded. */
  readonly #early = new Waiters()
  #loading: Promise<ResultBackend> | undefined
  #loaded: ResultBackend | undefined
  #closed = false

  constructor({ address, chords, load }: LazyOptions) {
    this.address = address
    this.#load = load
    this.groups = {
      save: async (group) => (await this.#backend()).groups.save(group),
      restore: async (groupId) => (await this.#backend()).groups.restore(groupId),
      forget: async (groupId) => (await this.#backend()).groups.forget(groupId),
    }
    if (chords) this.chords = this.#lazyChords()
  }

  async start(): Promise<void> {
    await (await this.#backend()).start()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#early.close()
    const backend = await this.#loading?.catch(() => undefined)
    await backend?.close()
  }

  async store(meta: ResultMeta, options?: StoreOptions): Promise<void> {
    await (await this.#backend()).store(meta, options)
  }

  async fetch(taskId: string): Promise<ResultMeta> {
    return (await this.#backend()).fetch(taskId)
  }

  async fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return (await this.#backend()).fetchMany(taskIds)
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    if (this.#loaded !== undefined) return this.#loaded.subscribe(taskId, onMeta, onEnd)
    let leave = this.#early.add(taskId, { onMeta, onEnd })
    if (this.#closed) return leave
    let left = false
    this.#backend().then(
      (backend) => {
        leave()
        if (!left && !this.#closed) leave = backend.subscribe(taskId, onMeta, onEnd)
      },
      (error: unknown) => this.#early.end(taskId, asCeleryError(error)),
    )
    return () => {
      left = true
      leave()
    }
  }

  async onTaskCall(taskId: string, options?: { readonly signal?: AbortSignal }): Promise<void> {
    await this.#loaded?.onTaskCall(taskId, options)
  }

  async forget(taskId: string): Promise<void> {
    await (await this.#backend()).forget(taskId)
  }

  async cleanup(): Promise<void> {
    await (await this.#backend()).cleanup?.()
  }

  #lazyChords(): ChordStore {
    const chords = async (): Promise<ChordStore> => {
      const { chords: loaded } = await this.#backend()
      if (loaded !== undefined) return loaded
      throw new BackendError(`the result backend ${this.address} does not count chords`)
    }
    return {
      open: async (chord) => (await chords()).open(chord),
      addToChord: async (groupId, parts) => (await chords()).addToChord(groupId, parts),
      onChordPartReturn: async (part) => (await chords()).onChordPartReturn(part),
      endChord: async (groupId, failed) => (await chords()).endChord(groupId, failed),
    }
  }

  #backend(): Promise<ResultBackend> {
    if (this.#closed && this.#loading === undefined) {
      return Promise.reject(new CeleryError('ERR_ABORTED', 'the result backend was closed'))
    }
    this.#loading ??= this.#load().then((backend) => (this.#loaded = backend))
    return this.#loading
  }
}

function asCeleryError(error: unknown): CeleryError {
  if (error instanceof CeleryError) return error
  return new BackendError('the result backend could not be loaded', { cause: error })
}
