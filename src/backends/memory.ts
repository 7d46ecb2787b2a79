/** Results in this process, shared by all apps that name the same memory: for tests and for a first try. */

import type { ResultMeta } from '../../protocol/result.ts'
import { SUCCESS } from '../../protocol/states.ts'
import type { CeleryError } from '../errors.ts'
import type {
  BackendCapabilities,
  ChordStore,
  GroupStore,
  ResultBackend,
  Unsubscribe,
} from '../results/backend.ts'
import { Waiters } from '../results/waiters.ts'
import type { BackendDeps } from './deps.ts'
import { keyValue, pendingMeta, unreadable, type KeyValue } from './key-value.ts'
import { groupMemory, MemoryChords, MemoryGroups, type GroupMemory } from './memory/groups.ts'

/** What is kept at most, in one memory; the oldest goes first. */
const MAX_VALUES = 100_000

interface Value {
  readonly raw: Buffer
  readonly success: boolean
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

/** One memory: what was stored in it, and who hears of more. */
interface Memory extends GroupMemory {
  readonly values: Map<string, Value>
  readonly listeners: Set<(taskId: string, raw: Buffer) => void>
}

const memories = new Map<string, Memory>()

function newMemory(): Memory {
  return { values: new Map(), listeners: new Set(), ...groupMemory() }
}

/** Results are kept as bytes, so that what no serializer can write fails here, too. */
export class MemoryBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: true }
  readonly address: string
  readonly groups: GroupStore
  readonly chords: ChordStore
  readonly #name: string
  readonly #keyValue: KeyValue
  readonly #waiters = new Waiters()
  #closed = false

  constructor(url: string, deps: BackendDeps) {
    this.address = url
    this.#name = (url.split('://')[1] ?? '').replace(/\/$/, '')
    this.#keyValue = keyValue(deps)
    this.groups = new MemoryGroups(() => this.#memory, this.#keyValue)
    this.chords = new MemoryChords(() => this.#memory, this.#keyValue, this.groups)
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
    this.#memory.listeners.delete(this.#hear)
    this.#waiters.close()
  }

  async store(meta: ResultMeta): Promise<void> {
    const { values, listeners } = this.#memory
    const raw = this.#keyValue.encode(meta)
    const key = this.#keyValue.keys.task(meta.taskId)
    if (this.#value(key)?.success) return
    const { expires } = this.#keyValue
    const expiresAt = expires === 0 ? Number.POSITIVE_INFINITY : Date.now() + expires * 1000
    values.delete(key)
    values.set(key, { raw, success: meta.status === SUCCESS, expiresAt })
    this.#trim()
    for (const hear of listeners) hear(meta.taskId, raw)
  }

  async fetch(taskId: string): Promise<ResultMeta> {
    const value = this.#value(this.#keyValue.keys.task(taskId))
    return value === undefined ? pendingMeta(taskId) : this.#decode(taskId, value.raw)
  }

  fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return Promise.all(taskIds.map((taskId) => this.fetch(taskId)))
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    const known = this.#waiters.has(taskId)
    const unsubscribe = this.#waiters.add(taskId, { onMeta, onEnd })
    if (this.#closed) return unsubscribe
    this.#memory.listeners.add(this.#hear)
    const value = this.#value(this.#keyValue.keys.task(taskId))
    if (value !== undefined && !known) queueMicrotask(() => this.#hear(taskId, value.raw))
    return unsubscribe
  }

  async onTaskCall(): Promise<void> {}

  async forget(taskId: string): Promise<void> {
    this.#memory.values.delete(this.#keyValue.keys.task(taskId))
  }

  get #memory(): Memory {
    const memory = memories.get(this.#name) ?? newMemory()
    memories.set(this.#name, memory)
    return memory
  }

  readonly #hear = (taskId: string, raw: Buffer): void => {
    if (!this.#waiters.has(taskId)) return
    try {
      this.#waiters.tell(this.#decode(taskId, raw), raw)
    } catch (error) {
      this.#waiters.end(taskId, error as CeleryError)
    }
  }

  #decode(taskId: string, raw: Buffer): ResultMeta {
    try {
      return this.#keyValue.decode(raw, taskId)
    } catch (error) {
      throw unreadable(taskId, error)
    }
  }

  #value(key: string): Value | undefined {
    const { values } = this.#memory
    const value = values.get(key)
    if (value === undefined || value.expiresAt > Date.now()) return value
    values.delete(key)
    return undefined
  }

  /** Insertion order is age. */
  #trim(): void {
    const { values } = this.#memory
    for (const [key, { expiresAt }] of values) {
      if (values.size <= MAX_VALUES && expiresAt > Date.now()) return
      values.delete(key)
    }
  }
}
