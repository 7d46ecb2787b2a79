/** The deliveries in hand: their leases are renewed, settled or given back; what others left too long, too. */

import { randomUUID } from 'node:crypto'
import { decodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import type { Limits } from '../../../protocol/limits.ts'
import { decodeUnacked, markRedelivered } from '../../../protocol/virtual/unacked.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { Batch } from './batch.ts'
import type { RedisTransportSettings } from './options.ts'
import { RENEW, RESTORE, run, SETTLE, TIMED_OUT, UNLOCK } from './scripts.ts'

/** One entry of `unacked` that is ours while its score is the one that we set. */
export interface Lease {
  readonly tag: string
  /** The score: changes with each renewal. */
  score: string
  readonly queue: string
  /** `settled` and `returning` are decided, but the server may not know it yet. */
  state: 'held' | 'settled' | 'returning'
}

/** Where a message goes back to: `L` is the end of the line, `R` its front. */
export type Side = 'LPUSH' | 'RPUSH'

export interface UnackedOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly limits: Limits
  readonly logger: Logger
  /** The queues that an exchange's message goes to. */
  readonly lookup: (exchange: string, routingKey: string) => Promise<readonly string[]>
}

/** How many leases one script touches. */
const CHUNK = 250
/** How many one script settles, the same as a batch: Lua hands at most some 8,000 values to a command. */
const LARGEST_SETTLE = 500
/** The most that a dead list keeps: the latest. */
const DEAD_LIMIT = 1000
/** Seconds between two looks for what timed out, at most. */
const LONGEST_SWEEP = 10

interface Restored {
  readonly tag: string
  readonly score: string
  readonly entry: string
  /** Where it came from, when we know; else its exchange and routing key say it. */
  readonly queue: string | undefined
}

/** @see kombu 5.6, transport/redis.py, `QoS` */
export class Unacked {
  readonly #options: UnackedOptions
  readonly #leases = new Map<string, Lease>()
  readonly #settle: Batch<Lease, ReadonlySet<string>>
  readonly #requeue: Batch<Lease, ReadonlySet<string>>
  readonly #putBack: Batch<Lease, ReadonlySet<string>>
  #renewal: NodeJS.Timeout | undefined
  #sweeping: NodeJS.Timeout | undefined
  /** While a renewal is under way the scores that we know are about to be old. */
  #renewing: Promise<void> | undefined

  constructor(options: UnackedOptions) {
    this.#options = options
    this.#settle = new Batch((leases) => this.#runSettle(leases))
    this.#requeue = new Batch((leases) => this.giveBack(leases, 'LPUSH'))
    this.#putBack = new Batch((leases) => this.giveBack(leases, 'RPUSH'))
  }

  /** All leases that are not known to be over. */
  get leases(): readonly Lease[] {
    return [...this.#leases.values()]
  }

  add(lease: Lease): void {
    this.#leases.set(lease.tag, lease)
    this.#renewal ??= this.#every(this.#options.settings.visibilityTimeout / 3, () => {
      this.#renewing = this.#renew().finally(() => (this.#renewing = undefined))
      return this.#renewing
    })
  }

  /** Gives back what timed out, now and from time to time, until {@link stop}. */
  startSweeping(): void {
    const seconds = Math.min(LONGEST_SWEEP, this.#options.settings.visibilityTimeout / 4)
    const work = (): Promise<void> => this.sweep()
    this.#sweeping ??= this.#every(seconds, work)
    void this.#try(work)
  }

  stop(): void {
    clearInterval(this.#renewal)
    clearInterval(this.#sweeping)
  }

  /** Resolves to whether the lease was still ours. */
  settle(lease: Lease): Promise<boolean> {
    lease.state = 'settled'
    return this.#settle.add(lease).then((lost) => !lost.has(lease.tag))
  }

  /** To the end of the line, as kombu does for `reject(requeue=True)`. */
  requeue(lease: Lease): Promise<boolean> {
    return this.#requeue.add(lease).then((lost) => !lost.has(lease.tag))
  }

  /** To the front, as it was never handed over; those of one turn in the order that they came in. */
  async putBack(lease: Lease): Promise<void> {
    lease.state = 'returning'
    this.#leases.set(lease.tag, lease)
    await this.#putBack.add(lease)
  }

  /** Out of `unacked` and into its queue's dead list, as it is; resolves to whether the lease was still ours. */
  async bury(lease: Lease, raw: string): Promise<boolean> {
    lease.state = 'returning'
    await this.#renewing
    const dead = deadKey(this.#keys.queue(lease.queue))
    const keys = [this.#keys.unacked, this.#keys.unackedIndex, dead]
    const args = ['LPUSH', lease.tag, lease.score, raw, 1]
    const lost = (await run(this.#options.client, RESTORE, keys, args)) as string[]
    await this.#options.client.ltrim(dead, 0, DEAD_LIMIT - 1)
    this.#leases.delete(lease.tag)
    return lost.length === 0
  }

  /** Resolves when all that was asked for is done. */
  async idle(): Promise<void> {
    await Promise.all([this.#settle.idle(), this.#requeue.idle(), this.#putBack.idle()])
  }

  /** What a lost connection left: settles what was settled, gives back the rest to the front. */
  async adopt(leases: readonly Lease[]): Promise<void> {
    await this.#runSettle(leases.filter((lease) => lease.state === 'settled'))
    await this.giveBack(
      leases.filter((lease) => lease.state !== 'settled'),
      'RPUSH',
    )
  }

  /** Gives leases back, the first one to be served first; resolves to the tags that were not ours any more. */
  async giveBack(leases: readonly Lease[], side: Side): Promise<ReadonlySet<string>> {
    const lost = new Set<string>()
    const ordered = side === 'RPUSH' ? leases.toReversed() : leases
    for (const lease of leases) lease.state = 'returning'
    await this.#renewing
    for (const chunk of chunks(ordered)) {
      const tags = chunk.map(({ tag }) => tag)
      const entries = await this.#options.client.hmget(this.#keys.unacked, ...tags)
      const found: Restored[] = []
      for (const [i, { tag, score, queue }] of chunk.entries()) {
        const entry = entries[i]
        if (typeof entry === 'string') found.push({ tag, score, queue, entry })
        else lost.add(tag)
      }
      for (const tag of await this.#restore(found, side)) lost.add(tag)
      for (const tag of tags) this.#leases.delete(tag)
    }
    return lost
  }

  /** @see kombu 5.6, transport/redis.py, `QoS.restore_visible` */
  async sweep(): Promise<void> {
    const { settings } = this.#options
    const token = randomUUID()
    const mutex = [settings.visibilityTimeout, settings.unackedRestoreLimit, token]
    const keys = [this.#keys.unacked, this.#keys.unackedIndex, this.#keys.unackedMutex]
    const expire = Math.ceil(settings.unackedMutexExpire * 1000)
    const late = await run(this.#options.client, TIMED_OUT, keys, [...mutex, expire])
    if (!Array.isArray(late)) return
    try {
      const found = triples(late as string[])
      this.#options.logger.info(
        `Restoring ${found.length} message(s) whose visibility timeout passed`,
      )
      await this.#restore(found.toReversed(), 'RPUSH')
    } finally {
      await run(this.#options.client, UNLOCK, [this.#keys.unackedMutex], [token])
    }
  }

  get #keys(): RedisTransportSettings['keys'] {
    return this.#options.settings.keys
  }

  #every(seconds: number, work: () => Promise<void>): NodeJS.Timeout {
    let running: Promise<void> | undefined
    const tick = (): void => {
      running ??= this.#try(work).finally(() => (running = undefined))
    }
    const timer = setInterval(tick, Math.max(seconds * 1000, 50))
    return timer.unref()
  }

  /** The connection's own watch reports what is lost; what is refused is tried again the next time. */
  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.logger.debug(`leases: ${String(error)}`)
    }
  }

  async #renew(): Promise<void> {
    const held = this.leases.filter((lease) => lease.state === 'held')
    for (const chunk of chunks(held)) {
      const reply = await run(this.#options.client, RENEW, [this.#keys.unackedIndex], pairs(chunk))
      const [score, lost] = reply as [string, string[]]
      const gone = new Set(lost)
      for (const lease of chunk) {
        if (!gone.has(lease.tag)) lease.score = score
        else if (lease.state === 'held') this.#leases.delete(lease.tag)
      }
    }
  }

  async #runSettle(leases: readonly Lease[]): Promise<ReadonlySet<string>> {
    await this.#renewing
    const keys = [this.#keys.unacked, this.#keys.unackedIndex]
    const lost = new Set<string>()
    for (const chunk of chunks(leases, LARGEST_SETTLE)) {
      const tags = (await run(this.#options.client, SETTLE, keys, pairs(chunk))) as string[]
      for (const tag of tags) lost.add(tag)
      for (const { tag } of chunk) this.#leases.delete(tag)
    }
    return lost
  }

  async #restore(found: readonly Restored[], side: Side): Promise<readonly string[]> {
    const lost: string[] = []
    for (const chunk of chunks(found)) {
      const keys: string[] = [this.#keys.unacked, this.#keys.unackedIndex]
      const args: (string | number)[] = [side]
      for (const item of chunk) {
        const { text, lists } = await this.#destination(item)
        keys.push(...lists)
        args.push(item.tag, item.score, text, lists.length)
      }
      lost.push(...((await run(this.#options.client, RESTORE, keys, args)) as string[]))
    }
    return lost
  }

  /** The text that goes back, and to which lists: there is always one, nothing is dropped. */
  async #destination(item: Restored): Promise<{ text: string; lists: string[] }> {
    try {
      const { raw, exchange, routingKey } = decodeUnacked(item.entry)
      const { properties } = decodeEnvelope(raw, this.#options.limits).message
      const priority = properties.priority ?? properties.extra?.['priority']
      const queues =
        item.queue === undefined ? await this.#options.lookup(exchange, routingKey) : [item.queue]
      const lists = queues.map((queue) => this.#keys.queue(queue, priority))
      return { text: markRedelivered(raw), lists }
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code === 'ERR_OPERATIONAL')
        throw error
      const dead = deadKey(this.#keys.unacked)
      this.#options.logger.error(
        `cannot restore message ${item.tag}: moved its record to the list '${dead}': ${error.message}`,
      )
      return { text: item.entry, lists: [dead] }
    }
  }
}

/** Where goes what no consumer can read. */
export function deadKey(list: string): string {
  return `${list}.dead`
}

function pairs(leases: readonly Lease[]): string[] {
  return leases.flatMap(({ tag, score }) => [tag, score])
}

function triples(flat: readonly string[]): Restored[] {
  const found: Restored[] = []
  for (let i = 0; i < flat.length; i += 3) {
    const [tag = '', score = '', entry = ''] = flat.slice(i, i + 3)
    found.push({ tag, score, entry, queue: undefined })
  }
  return found
}

function* chunks<T>(items: readonly T[], size: number = CHUNK): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
