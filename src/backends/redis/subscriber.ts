/** Hears results on Redis as they are published, and reads what the channel may have missed. */

import type { CeleryError } from '../../errors.ts'
import type { Redis } from '../../redis.ts'
import type { ResultMeta } from '../../../protocol/result.ts'
import type { Unsubscribe } from '../../results/backend.ts'
import { Waiters, type Waiter } from '../../results/waiters.ts'
import { unreadable, type KeyValue } from '../key-value.ts'
import type { RedisLink } from './link.ts'

export interface SubscriberOptions {
  /** A connection of its own: one that subscribes can do nothing else. */
  readonly link: RedisLink
  readonly read: (key: string) => Promise<Buffer | null>
  /** Gives up the connection of {@link read} when it does not answer within these seconds. */
  readonly probeRead: (seconds: number) => Promise<void>
  readonly keyValue: KeyValue
  /** Seconds between two looks at what is waited for, though nothing was heard; so long may a PING take. */
  readonly rereadInterval: number
}

/** How many channels one SUBSCRIBE names. */
const MAX_CHANNELS = 512
/** How many tasks are looked at each time. */
const MAX_REREAD = 2000

/**
 * The key is the truth, its channel only a hint: a message is lost with the connection, and when the
 * server finds us slow. So first a task's channel is subscribed, then its key is read; both again
 * after each reconnect; and what is waited for is read now and then all the same. A connection that
 * nobody closed, but that is dead, is found by asking it as often.
 */
export class ResultSubscriber {
  readonly #options: SubscriberOptions
  readonly #waiters = new Waiters((taskId) => this.#touch(taskId))
  /** On the connection of now. */
  readonly #subscribed = new Set<string>()
  /** Tasks whose channel or value is to be looked after. */
  readonly #touched = new Set<string>()
  #listening: Redis | undefined
  #running = false
  #rereads: NodeJS.Timeout | undefined
  #reread: IterableIterator<string> | undefined
  #looking = false
  #closed = false

  constructor(options: SubscriberOptions) {
    this.#options = options
    options.link.onLost(() => this.#lost())
  }

  subscribe(taskId: string, waiter: Waiter): Unsubscribe {
    const unsubscribe = this.#waiters.add(taskId, waiter)
    this.#touch(taskId)
    return unsubscribe
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#rereads)
    this.#waiters.close()
    this.#options.link.close()
  }

  #touch(taskId: string): void {
    if (this.#closed) return
    this.#touched.add(taskId)
    if (!this.#running) void this.#run()
  }

  /** One round at a time; what comes meanwhile goes along with the next. */
  async #run(): Promise<void> {
    this.#running = true
    await new Promise((resolve) => setImmediate(resolve))
    this.#tendRereads()
    while (this.#touched.size > 0 && !this.#closed) {
      if (this.#idle()) this.#touched.clear()
      else await this.#tryRound()
    }
    this.#running = false
    this.#tendRereads()
  }

  async #tryRound(): Promise<void> {
    try {
      await this.#options.link.retry('cannot wait for results', (redis) => this.#round(redis))
    } catch (error) {
      this.#touched.clear()
      this.#waiters.endAll(error as CeleryError)
    }
  }

  /** Nobody waits, and there is no connection where a channel could be left. */
  #idle(): boolean {
    return this.#waiters.size === 0 && this.#subscribed.size === 0
  }

  async #round(redis: Redis): Promise<void> {
    this.#listen(redis)
    const touched = [...this.#touched]
    const wanted = touched.filter((taskId) => this.#waiters.has(taskId))
    const fresh = wanted.filter((taskId) => !this.#subscribed.has(taskId))
    const stale = touched.filter(
      (taskId) => this.#subscribed.has(taskId) && !this.#waiters.has(taskId),
    )
    this.#touched.clear()
    try {
      await Promise.all([this.#subscribeAll(redis, fresh), this.#unsubscribeAll(redis, stale)])
      await Promise.all(wanted.map((taskId) => this.#read(taskId)))
    } catch (error) {
      for (const taskId of touched) this.#touched.add(taskId)
      throw error
    }
  }

  async #subscribeAll(redis: Redis, taskIds: readonly string[]): Promise<void> {
    const { keys } = this.#options.keyValue
    const channels = taskIds.map((taskId) => keys.task(taskId))
    await Promise.all(chunks(channels, MAX_CHANNELS).map((chunk) => redis.subscribe(...chunk)))
    for (const taskId of taskIds) this.#subscribed.add(taskId)
  }

  async #unsubscribeAll(redis: Redis, taskIds: readonly string[]): Promise<void> {
    const { keys } = this.#options.keyValue
    for (const taskId of taskIds) this.#subscribed.delete(taskId)
    const channels = taskIds.map((taskId) => keys.task(taskId))
    await Promise.all(chunks(channels, MAX_CHANNELS).map((chunk) => redis.unsubscribe(...chunk)))
  }

  async #read(taskId: string): Promise<void> {
    const { read, keyValue } = this.#options
    const version = this.#waiters.version(taskId)
    const raw = await read(keyValue.keys.task(taskId))
    if (raw !== null && this.#waiters.isNews(taskId, raw, version)) this.#tell(taskId, raw)
  }

  #tell(taskId: string, raw: Buffer): void {
    let meta: ResultMeta
    try {
      meta = { ...this.#options.keyValue.decode(raw, taskId), taskId }
    } catch (error) {
      return this.#waiters.end(taskId, unreadable(taskId, error))
    }
    this.#waiters.tell(meta, raw)
  }

  #listen(redis: Redis): void {
    if (this.#listening === redis) return
    this.#listening = redis
    redis.on('messageBuffer', (channel: Buffer, raw: Buffer) => {
      const taskId = this.#options.keyValue.keys.idOf(channel.toString())
      if (this.#waiters.has(taskId)) this.#tell(taskId, raw)
    })
  }

  #lost(): void {
    this.#subscribed.clear()
    this.#listening = undefined
    for (const taskId of this.#waiters.ids()) this.#touch(taskId)
  }

  /** Looks again every so often, as long as somebody waits. */
  #tendRereads(): void {
    if (this.#waiters.size === 0 || this.#closed) {
      clearInterval(this.#rereads)
      this.#rereads = undefined
      return
    }
    this.#rereads ??= setInterval(() => void this.#look(), this.#options.rereadInterval * 1000)
  }

  /** Apart from the rounds: one of them may hang on a dead connection. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const { link, probeRead, rereadInterval } = this.#options
    const reads = this.#nextToReread().map((taskId) => this.#read(taskId))
    // what could not be read is looked at again
    await Promise.allSettled([link.probe(rereadInterval), probeRead(rereadInterval), ...reads])
    this.#looking = false
  }

  /** The next ones of a walk around all that are waited for. */
  #nextToReread(): readonly string[] {
    this.#reread ??= this.#waiters.ids()
    const taskIds: string[] = []
    while (taskIds.length < MAX_REREAD) {
      const { done, value } = this.#reread.next()
      if (done) break
      taskIds.push(value)
    }
    if (taskIds.length < MAX_REREAD) this.#reread = undefined
    return taskIds
  }
}

function chunks<T>(items: readonly T[], size: number): readonly T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size))
}
