/** The loop that takes messages off the queues of a channel, as many as may be in hand, and no sooner than needed. */

import type { Redis } from '../../redis.ts'
import { redisFault } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import type { RedisTransportSettings } from './options.ts'
import { describeDead, fetch, MOST, type Source, type Taken } from './fetch.ts'
import type { Ownership } from './owner.ts'

export interface FetcherOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly logger: Logger
  readonly ownership: Ownership
  /** How many more may be taken now. */
  readonly room: () => number
  readonly onTaken: (taken: Taken) => void
  /** Whether the server tells when a queue has changed; else it is asked more often. */
  readonly told: () => boolean
  /** The connection cannot be used any more; the fetcher has stopped. */
  readonly onLost: (error: unknown) => void
}

/** Milliseconds between two looks where the server does not tell: from, to. */
const POLL_MS = [5, 100] as const
/** Milliseconds until a refused fetch (the server is full) is tried again: from, to. */
const REFUSED_MS = [100, 5000] as const

/**
 * The server says when a list that the script has read is changed (CLIENT TRACKING), so an idle
 * consumer costs one cheap script per polling interval, and a message in any of its lists is seen
 * at once. Nothing is ever on the way without a lease: unlike kombu's BRPOP.
 *
 * @see kombu 5.6, transport/redis.py, `Channel._brpop_start`
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #sources = new Map<string, Source>()
  /** Whose turn it is: the names of the queues, the next one first. */
  #cycle: string[] = []
  #loop: Promise<void> | undefined
  #fetching: Promise<unknown> | undefined
  #wake: (() => void) | undefined
  #called = false
  #stopped = false
  #empty = 0
  #refused = 0

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  has(queue: string): boolean {
    return this.#sources.has(queue)
  }

  add(source: Source): void {
    this.#sources.set(source.queue, source)
    if (!this.#cycle.includes(source.queue)) this.#cycle.push(source.queue)
    if (this.#options.settings.queueOrderStrategy === 'sorted') this.#cycle.sort()
    this.#loop ??= this.#run()
    this.wake()
  }

  /** Resolves when nothing more of this queue can arrive. */
  async remove(queue: string): Promise<void> {
    this.#sources.delete(queue)
    this.#cycle = this.#cycle.filter((name) => name !== queue)
    await this.#fetching
  }

  /** Something may be there to take, or there is room again. */
  wake(): void {
    this.#called = true
    this.#wake?.()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.wake()
    await this.#loop
  }

  async #run(): Promise<void> {
    // Queues that are consumed in the same turn take part from the first fetch on.
    await new Promise((resolve) => setImmediate(resolve))
    while (!this.#stopped) {
      this.#called = false
      await this.#pause(await this.#turn())
    }
  }

  /** Takes what may be taken; resolves to the milliseconds to wait then, or for a call when undefined. */
  async #turn(): Promise<number | undefined> {
    const limit = Math.min(this.#options.room(), MOST)
    if (limit <= 0 || this.#cycle.length === 0) return undefined
    const fetching = this.#take(limit)
    this.#fetching = fetching.catch(() => {})
    try {
      const more = await fetching
      this.#refused = 0
      return more ? 0 : this.#longest()
    } catch (error) {
      if (redisFault(error) === 'lost') return this.#lost(error)
      this.#logRefused(error)
      return between(REFUSED_MS, this.#refused++)
    }
  }

  /** How long it may take until we look again, although nobody called. */
  #longest(): number {
    const { told, settings } = this.#options
    const longest = settings.pollingInterval * 1000
    return told() ? longest : Math.min(longest, between(POLL_MS, this.#empty++))
  }

  /** Resolves to whether there may be more. */
  async #take(limit: number): Promise<boolean> {
    const { client, settings, logger, ownership, onTaken } = this.#options
    const sources = this.#cycle
      .map((name) => this.#sources.get(name))
      .filter((s) => s !== undefined)
    const { taken, dead, more } = await fetch(
      { client, settings, owner: ownership.id, sources },
      limit,
    )
    if (taken.length > 0) this.#empty = 0
    for (const item of dead) logger.error(describeDead(item))
    for (const item of taken) {
      this.#rotate(item.queue)
      onTaken(item)
    }
    return more
  }

  #rotate(queue: string): void {
    if (this.#options.settings.queueOrderStrategy !== 'round_robin') return
    const at = this.#cycle.indexOf(queue)
    if (at === -1 || at === this.#cycle.length - 1) return
    this.#cycle.splice(at, 1)
    this.#cycle.push(queue)
  }

  #lost(error: unknown): undefined {
    this.#stopped = true
    this.#options.onLost(error)
  }

  #logRefused(error: unknown): void {
    const { logger } = this.#options
    const log = this.#refused === 0 ? logger.error : logger.debug
    log(`the server refuses to hand out messages, trying again: ${String(error)}`)
  }

  /** Resolves when woken, or after the milliseconds. */
  async #pause(ms: number | undefined): Promise<void> {
    if (this.#called || this.#stopped || ms === 0) return
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => this.#wake?.(), ms)
      this.#wake = (): void => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}

/** Doubles from the first to the last. */
function between([from, to]: readonly [number, number], times: number): number {
  return Math.min(from * 2 ** Math.min(times, 20), to)
}
