/** Results in any store of bytes by key that tells nobody of news: who waits looks again and again. */

import { setMaxListeners } from 'node:events'
import {
  decodeGroupMeta,
  encodeGroupMeta,
  type ResultMeta,
  type ResultTuple,
} from '../../protocol/result.ts'
import { SUCCESS } from '../../protocol/states.ts'
import { BackendError, type CeleryError } from '../errors.ts'
import type { GroupStore, ResultBackend } from '../results/backend.ts'
import { delay, interval, type RetryPolicy } from '../runtime/retry.ts'
import { retryPolicy, type BackendDeps } from './deps.ts'
import { keyValue, pendingMeta, unreadable, type KeyValue } from './key-value.ts'
import { PolledBackend, READING } from './polled-backend.ts'
import type { FailedLook } from './poller.ts'

/** Where the bytes are. What it throws is a CeleryError, which says whether trying again can help. */
export interface ByteStore {
  /** The address without a password. */
  readonly address: string
  start(): Promise<void>
  close(): Promise<void>
  /** In the order of the keys; undefined of what is not there. */
  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]>
  set(key: string, value: Buffer): Promise<void>
  /** Sets it unless what is there must stay, where nobody can come in between. */
  replace?(key: string, value: Buffer, stays: (stored: Buffer) => boolean): Promise<void>
  /** What is not there is deleted already. */
  delete(key: string): Promise<void>
  /** @throws CeleryError for what can be no key, or one that leads elsewhere; `id` is what others chose of it */
  check(key: string, id: string): void
}

/** How often, and after how many seconds, what cannot be read is read again: it may be just being written. */
const REREADS = 5
const REREAD_SECONDS = 0.02

/** @see celery 5.6, backends/base.py, `KeyValueStoreBackend` */
export class KeyValueBackend extends PolledBackend implements ResultBackend {
  readonly groups: GroupStore
  protected readonly keyValue: KeyValue
  readonly #store: ByteStore
  readonly #policy: RetryPolicy
  readonly #closing = new AbortController()
  /** What is being stored of a task, so that its states are stored in their order. */
  readonly #storing = new Map<string, Promise<void>>()

  constructor(store: ByteStore, deps: BackendDeps) {
    super(deps.log)
    // each store that is tried again listens to it
    setMaxListeners(0, this.#closing.signal)
    this.#store = store
    this.keyValue = keyValue(deps)
    this.#policy = retryPolicy(deps)
    this.groups = {
      save: (group) => this.#save(group),
      restore: async (groupId) => {
        const [raw] = await this.read([this.#groupKey(groupId)])
        return raw === undefined ? undefined : decodeGroupMeta(this.keyValue.loads(raw))
      },
      forget: async (groupId) => this.remove(this.#groupKey(groupId)),
    }
  }

  get address(): string {
    return this.#store.address
  }

  async start(): Promise<void> {
    await this.#store.start()
  }

  async close(): Promise<void> {
    this.poller.close()
    // what is under way is done; it is not tried again
    this.#closing.abort()
    await Promise.allSettled(this.#storing.values())
    await this.#store.close()
  }

  /** @see celery 5.6, backends/base.py, `_store_result`: a stored SUCCESS is not overwritten */
  async store(meta: ResultMeta): Promise<void> {
    const { taskId } = meta
    const key = this.#taskKey(taskId)
    const value = this.keyValue.encode(meta)
    const before = this.#storing.get(taskId) ?? Promise.resolve()
    const stored = before
      .catch(() => {})
      .then(() => this.retry(() => this.#storeUnlessSuccess(taskId, key, value)))
    this.#storing.set(taskId, stored)
    await stored.finally(() => {
      if (this.#storing.get(taskId) === stored) this.#storing.delete(taskId)
    })
  }

  async forget(taskId: string): Promise<void> {
    await this.remove(this.#taskKey(taskId))
  }

  protected read(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    return this.retry(() => this.#store.getMany(keys), READING)
  }

  protected remove(key: string): Promise<void> {
    return this.retry(() => this.#store.delete(key))
  }

  /** Does a piece of work again and again, by the policy, as long as that can help. */
  protected async retry<T>(work: () => Promise<T>, policy: RetryPolicy = this.#policy): Promise<T> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await work()
      } catch (error) {
        const enough = policy.maxRetries !== null && retries >= policy.maxRetries
        if (enough || !isTransient(error) || this.#closing.signal.aborted) throw error
        await delay(interval(policy, retries), this.#closing.signal)
      }
    }
  }

  async #save(group: ResultTuple): Promise<void> {
    const key = this.#groupKey(group[0][0])
    const value = this.keyValue.dumps(encodeGroupMeta(group))
    await this.retry(() => this.#store.set(key, value))
  }

  async #storeUnlessSuccess(taskId: string, key: string, value: Buffer): Promise<void> {
    if (this.#store.replace !== undefined) {
      await this.#store.replace(key, value, (stored) => this.#isSuccess(stored, taskId))
      return
    }
    const [stored] = await this.#store.getMany([key])
    if (stored !== undefined && this.#isSuccess(stored, taskId)) return
    await this.#store.set(key, value)
  }

  /** What cannot be read is no SUCCESS that must be kept. */
  #isSuccess(raw: Buffer, taskId: string): boolean {
    try {
      return this.keyValue.decode(raw, taskId).status === SUCCESS
    } catch {
      return false
    }
  }

  protected look(
    taskIds: readonly string[],
    policy: RetryPolicy,
  ): Promise<readonly (ResultMeta | FailedLook)[]> {
    return this.retry(() => this.#look(taskIds), policy)
  }

  async #look(taskIds: readonly string[]): Promise<readonly (ResultMeta | FailedLook)[]> {
    const keys = taskIds.map((taskId) => this.#keyOrError(taskId))
    const readable = keys.filter((key) => typeof key === 'string')
    const raws = await this.#store.getMany(readable)
    const values = new Map(readable.map((key, index) => [key, raws[index]]))
    return await Promise.all(
      taskIds.map(async (taskId, index) => {
        const key = keys[index] ?? ''
        return typeof key === 'string'
          ? this.#decode(taskId, values.get(key))
          : { taskId, error: key }
      }),
    )
  }

  #keyOrError(taskId: string): string | CeleryError {
    try {
      return this.#taskKey(taskId)
    } catch (error) {
      return error as CeleryError
    }
  }

  /** Python writes in place: an empty value is one that it has not written yet. */
  async #decode(taskId: string, raw: Buffer | undefined): Promise<ResultMeta | FailedLook> {
    let value = raw
    for (let rereads = 0; ; rereads += 1) {
      if (value === undefined || value.length === 0) return pendingMeta(taskId)
      try {
        return this.keyValue.decode(value, taskId)
      } catch (error) {
        if (rereads === REREADS) return { taskId, error: unreadable(taskId, error) }
      }
      await delay(REREAD_SECONDS)
      value = (await this.#store.getMany([this.#taskKey(taskId)]))[0]
    }
  }

  #taskKey(taskId: string): string {
    return this.#checked(this.keyValue.keys.task(taskId), taskId)
  }

  #groupKey(groupId: string): string {
    return this.#checked(this.keyValue.keys.group(groupId), groupId)
  }

  #checked(key: string, id: string): string {
    this.#store.check(key, id)
    return key
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof BackendError && error.retryable
}
