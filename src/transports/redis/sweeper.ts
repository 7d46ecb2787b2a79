/** Gives back what nobody holds any more: what came due, what timed out, and what a dead worker held. */

import { randomUUID } from 'node:crypto'
import { isPostponed } from '../../../protocol/virtual/unacked.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { leaseKeys, type RedisTransportSettings } from './options.ts'
import type { Ownership } from './owner.ts'
import { every } from './periodic.ts'
import type { Restored, Restorer, RestoreOptions } from './restorer.ts'
import { run } from './script.ts'
import { HELD, LOOK, MISS, TIMED_OUT, UNLOCK } from './sweep-scripts.ts'

export interface SweeperOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly logger: Logger
  readonly ownership: Ownership
  readonly restorer: Restorer
}

/** Seconds between two looks for what came due, at most: so much later than its time it comes. */
const LONGEST_SWEEP = 1
/** Seconds between two looks for owners that are gone, at most. */
const LONGEST_LOOK = 5
/** Seconds that our lock lasts while nothing is heard of who took it: so much later comes what is due. */
const LOCK = 1
/** Seconds that kombu's holders need at most. */
const THEIR_LOCK = 5
/** Bytes after which a script hands out no more. */
const MOST_BYTES = 8 * 1024 * 1024

/** What one owner left, and how it goes back. */
export interface Legacy {
  readonly owner: string
  readonly count: RestoreOptions['count']
  /** Takes what does not go back, and says in which order, the first to be served at the front, the rest does. */
  readonly sort: (held: readonly Restored[]) => Promise<readonly Restored[]>
}

export class Sweeper {
  readonly #options: SweeperOptions
  readonly #token: string = randomUUID()
  #timers: NodeJS.Timeout[] = []
  #sweeping: Promise<void> | undefined
  /** A sweep between two: something is due then. */
  #early: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: SweeperOptions) {
    this.#options = options
  }

  /** Now and from time to time, until {@link stop}. */
  start(): void {
    if (this.#timers.length > 0 || this.#stopped) return
    const { visibilityTimeout, ownerGrace } = this.#options.settings
    const sweep = (): Promise<void> => (this.#sweeping ??= this.#sweep())
    const look = (): Promise<void> => this.#look()
    this.#timers = [
      every(Math.min(LONGEST_SWEEP, visibilityTimeout / 4), sweep, this.#report),
      every(Math.min(LONGEST_LOOK, ownerGrace / 3), look, this.#report),
    ]
    for (const work of [sweep, look]) work().catch(this.#report)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#early)
    for (const timer of this.#timers) clearInterval(timer)
  }

  /** Gives back all that one owner holds; resolves to how much that was. */
  async giveBack({ owner, count, sort }: Legacy): Promise<number> {
    const { client, settings, restorer } = this.#options
    const limits = [settings.unackedRestoreLimit, MOST_BYTES]
    let total = 0
    for (;;) {
      const reply = await run(client, HELD, leaseKeys(settings, owner), [owner, ...limits])
      const held = triples(reply as string[])
      if (held.length === 0) return total
      const found = await sort(held)
      const options = { side: 'RPUSH', owner, count } as const
      const lost = await restorer.restore(found.toReversed(), options)
      total += found.length - lost.length
    }
  }

  /** The connection's own watch reports what is lost; what is refused is tried again the next time. */
  readonly #report = (error: unknown): void =>
    this.#options.logger.debug(`cannot look for what nobody holds: ${String(error)}`)

  /** @see kombu 5.6, transport/redis.py, `QoS.restore_visible` */
  async #sweep(): Promise<void> {
    const { client, settings } = this.#options
    let locked = false
    try {
      while (!this.#stopped) {
        const reply = await run(client, TIMED_OUT, this.#sweepKeys(), this.#sweepArgs())
        if (typeof reply === 'number') this.#sweepIn(reply)
        if (!Array.isArray(reply)) break
        locked = true
        const [more, ...flat] = reply as string[]
        const restored = await this.#restoreTimedOut(triples(flat))
        if (more !== '1' || restored === 0) break
      }
    } finally {
      this.#sweeping = undefined
      if (locked && !this.#stopped) {
        await run(client, UNLOCK, [settings.keys.unackedMutex], [this.#token])
      }
    }
  }

  #sweepIn(ms: number): void {
    clearTimeout(this.#early)
    if (ms >= LONGEST_SWEEP * 1000 || this.#stopped) return
    this.#early = setTimeout(() => {
      this.#sweeping ??= this.#sweep()
      this.#sweeping.catch(this.#report)
    }, ms).unref()
  }

  #sweepKeys(): string[] {
    const { unacked, unackedIndex, unackedMutex } = this.#options.settings.keys
    return [unacked, unackedIndex, unackedMutex]
  }

  #sweepArgs(): (string | number)[] {
    const { visibilityTimeout, unackedRestoreLimit, unackedMutexExpire } = this.#options.settings
    const theirs = Math.ceil(unackedMutexExpire * 1000)
    const locks = [LOCK * 1000, theirs, THEIR_LOCK * 1000].map((ms) => Math.min(ms, theirs))
    return [visibilityTimeout, unackedRestoreLimit, MOST_BYTES, this.#token, ...locks]
  }

  /** Resolves to how many of them were still there to be given back, or were gone at all. */
  async #restoreTimedOut(found: readonly Restored[]): Promise<number> {
    const { logger, restorer } = this.#options
    const late = found.filter(({ entry }) => !isPostponed(entry)).length
    if (late > 0) logger.info(`Restoring ${late} message(s) whose visibility timeout passed`)
    const options = { side: 'RPUSH', owner: '', count: 'keep' } as const
    const lost = await restorer.restore(found.toReversed(), options)
    return found.length === 0 ? 1 : found.length - lost.length
  }

  /** What is held by those who are gone for longer than the grace. */
  async #look(): Promise<void> {
    const { client, settings, logger, ownership } = this.#options
    const { unackedOwners, unackedLook } = settings.keys
    await ownership.identify()
    if (ownership.owner === undefined) return
    const interval = Math.min(LONGEST_LOOK, settings.ownerGrace / 3) * 1000
    const args = [ownership.id, Math.max(Math.floor(interval / 2), 1)]
    const owners = await run(client, LOOK, [unackedOwners, unackedLook], args)
    if (!Array.isArray(owners)) return
    const missing = await ownership.missing(owners as string[])
    if (missing.length === 0) return
    const gone = await run(client, MISS, [unackedOwners], [settings.ownerGrace, ...missing])
    const sort = async (held: readonly Restored[]): Promise<readonly Restored[]> => held
    for (const owner of gone as string[]) {
      const total = await this.giveBack({ owner, count: 'keep', sort })
      if (total > 0) logger.info(`Restoring ${total} message(s) of a worker that died`)
    }
  }
}

function triples(flat: readonly string[]): Restored[] {
  const found: Restored[] = []
  for (let i = 0; i < flat.length; i += 3) {
    const [tag = '', score = '', entry = ''] = flat.slice(i, i + 3)
    found.push({ tag, score, entry })
  }
  return found
}
