/** The deliveries in hand: their leases are renewed, settled, postponed or given back. */

import { encodePostponed, type Count } from '../../../protocol/virtual/unacked.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { Batch } from './batch.ts'
import { leaseKeys, type RedisTransportSettings } from './options.ts'
import { ownerId, type Owner, type Ownership } from './owner.ts'
import { every } from './periodic.ts'
import { chunks, deadKey, type Restored, type Restorer, type Side } from './restorer.ts'
import { run } from './script.ts'
import { POSTPONE, RENEW, RESTORE, SETTLE } from './scripts.ts'
import type { Legacy, Sweeper } from './sweeper.ts'

/** One entry of `unacked` that is ours while its score is the one that we set. */
export interface Lease {
  readonly tag: string
  /** The score: changes with each renewal. */
  score: string
  readonly queue: string
  /** `settled` and `returning` are decided, but the server may not know it yet. */
  state: 'held' | 'settled' | 'returning'
}

/** What a lost connection had in hand, as far as we know. */
export interface Orphans {
  readonly owner: Owner | undefined
  readonly leases: readonly Lease[]
}

export interface UnackedOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly logger: Logger
  readonly ownership: Ownership
  readonly restorer: Restorer
  readonly sweeper: Sweeper
}

/** What is to be put aside, and until when, in milliseconds since 1970. */
interface Postponed {
  readonly lease: Lease
  readonly until: number
  readonly raw: string
}

type Lost = ReadonlySet<string>

/** How many one script settles, the same as a batch: Lua hands at most some 8,000 values to a command. */
const LARGEST_SETTLE = 500
/** The most that a dead list keeps: the latest. */
const DEAD_LIMIT = 1000

/** @see kombu 5.6, transport/redis.py, `QoS` */
export class Unacked {
  readonly #options: UnackedOptions
  readonly #leases = new Map<string, Lease>()
  readonly #settle: Batch<Lease, Lost>
  readonly #requeue: Readonly<Record<Count, Batch<Lease, Lost>>>
  readonly #putBack: Batch<Lease, Lost>
  readonly #postpone: Batch<Postponed, Lost>
  #renewal: NodeJS.Timeout | undefined
  /** While a renewal is under way the scores that we know are about to be old. */
  #renewing: Promise<void> | undefined

  constructor(options: UnackedOptions) {
    this.#options = options
    this.#settle = new Batch((leases) => this.#runSettle(leases, this.#owner))
    const requeue = (count: Count): Batch<Lease, Lost> =>
      new Batch((leases) => this.giveBack(leases, 'LPUSH', count))
    this.#requeue = { keep: requeue('keep'), more: requeue('more'), none: requeue('none') }
    this.#putBack = new Batch((leases) => this.giveBack(leases, 'RPUSH'))
    this.#postpone = new Batch((items) => this.#runPostpone(items))
  }

  /** All leases that are not known to be over. */
  get leases(): readonly Lease[] {
    return [...this.#leases.values()]
  }

  add(lease: Lease): void {
    this.#leases.set(lease.tag, lease)
    this.#renewal ??= every(
      this.#options.settings.visibilityTimeout / 3,
      () => (this.#renewing = this.#renew().finally(() => (this.#renewing = undefined))),
      // The connection's own watch reports what is lost; what is refused is tried again the next time.
      (error) => this.#options.logger.debug(`cannot renew leases: ${String(error)}`),
    )
  }

  stop(): void {
    clearInterval(this.#renewal)
  }

  /** Resolves to whether the lease was still ours. */
  settle(lease: Lease): Promise<boolean> {
    lease.state = 'settled'
    return this.#settle.add(lease).then((lost) => !lost.has(lease.tag))
  }

  /** To the end of the line, as kombu does for `reject(requeue=True)`. */
  requeue(lease: Lease, count: Count): Promise<boolean> {
    return this.#requeue[count].add(lease).then((lost) => !lost.has(lease.tag))
  }

  /** To the front, as it was never handed over; those of one turn in the order that they came in. */
  async putBack(lease: Lease): Promise<void> {
    lease.state = 'returning'
    this.#leases.set(lease.tag, lease)
    await this.#putBack.add(lease)
  }

  /** Puts a message aside until a time; one that never had a lease is new there, under its tag. */
  postpone(lease: Lease, until: number, raw: string): Promise<boolean> {
    lease.state = 'returning'
    return this.#postpone.add({ lease, until, raw }).then((lost) => !lost.has(lease.tag))
  }

  /** Out of `unacked` and into its queue's dead list, as it is; resolves to whether the lease was still ours. */
  async bury(lease: Lease, raw: string): Promise<boolean> {
    const { client, settings } = this.#options
    lease.state = 'returning'
    await this.#renewing
    const dead = deadKey(settings.keys.queue(lease.queue))
    const keys = [...leaseKeys(settings, this.#owner), dead]
    const args = [this.#owner, 'LPUSH', lease.tag, lease.score, raw, 1]
    const lost = (await run(client, RESTORE, keys, args)) as string[]
    await client.ltrim(dead, 0, DEAD_LIMIT - 1)
    this.#leases.delete(lease.tag)
    return lost.length === 0
  }

  /** Resolves when all that was asked for is done. */
  async idle(): Promise<void> {
    const requeues = Object.values(this.#requeue)
    const batches = [this.#settle, ...requeues, this.#putBack, this.#postpone]
    await Promise.all(batches.map((batch) => batch.idle()))
  }

  /**
   * Takes over from a lost connection of ours: settles what was settled, gives back the rest to the
   * front; also that of which only the server knows, since its reply to a fetch was lost.
   */
  async adopt({ owner, leases }: Orphans): Promise<void> {
    const { ownership, sweeper } = this.#options
    const id = owner === undefined ? '' : ownerId(owner)
    if (owner !== undefined) await ownership.kill(owner)
    await this.#runSettle(
      leases.filter((lease) => lease.state === 'settled'),
      id,
    )
    if (owner !== undefined) {
      const sort = this.#sorter(id, leases)
      await sweeper.giveBack({ owner: id, count: 'keep', sort })
    }
    const rest = leases.filter((lease) => lease.state !== 'settled')
    await this.giveBack(rest, 'RPUSH')
  }

  /** Gives leases back, the first one to be served first; resolves to the tags that were not ours any more. */
  async giveBack(leases: readonly Lease[], side: Side, count: Count = 'keep'): Promise<Lost> {
    const { client, settings, restorer } = this.#options
    const lost = new Set<string>()
    const ordered = side === 'RPUSH' ? leases.toReversed() : leases
    for (const lease of leases) lease.state = 'returning'
    await this.#renewing
    for (const chunk of chunks(ordered)) {
      const tags = chunk.map(({ tag }) => tag)
      const entries = await client.hmget(settings.keys.unacked, ...tags)
      const found: Restored[] = []
      for (const [i, { tag, score, queue }] of chunk.entries()) {
        const entry = entries[i]
        if (typeof entry === 'string') found.push({ tag, score, queue, entry })
        else lost.add(tag)
      }
      const options = { side, owner: this.#owner, count }
      for (const tag of await restorer.restore(found, options)) lost.add(tag)
      for (const tag of tags) this.#leases.delete(tag)
    }
    return lost
  }

  get #owner(): string {
    return this.#options.ownership.id
  }

  async #renew(): Promise<void> {
    const { client, settings } = this.#options
    const held = this.leases.filter((lease) => lease.state === 'held')
    for (const chunk of chunks(held)) {
      const args = [this.#owner, settings.ownerExpires, ...pairs(chunk)]
      const reply = await run(client, RENEW, leaseKeys(settings, this.#owner), args)
      const [score, lost] = reply as [string, string[]]
      const gone = new Set(lost)
      for (const lease of chunk) {
        if (!gone.has(lease.tag)) lease.score = score
        else if (lease.state === 'held') this.#leases.delete(lease.tag)
      }
    }
  }

  async #runSettle(leases: readonly Lease[], owner: string): Promise<Lost> {
    const { client, settings } = this.#options
    await this.#renewing
    const lost = new Set<string>()
    for (const chunk of chunks(leases, LARGEST_SETTLE)) {
      const reply = await run(client, SETTLE, leaseKeys(settings, owner), [owner, ...pairs(chunk)])
      for (const tag of reply as string[]) lost.add(tag)
      for (const { tag } of chunk) this.#leases.delete(tag)
    }
    return lost
  }

  async #runPostpone(items: readonly Postponed[]): Promise<Lost> {
    const { client, settings } = this.#options
    await this.#renewing
    const lost = new Set<string>()
    for (const chunk of chunks(items)) {
      const args: (string | number)[] = [this.#owner, settings.visibilityTimeout]
      for (const { lease, until, raw } of chunk) {
        const rest = Math.ceil(until - Date.now())
        args.push(lease.tag, lease.score, rest, encodePostponed(raw, lease.queue))
      }
      const reply = await run(client, POSTPONE, leaseKeys(settings, this.#owner), args)
      for (const tag of reply as string[]) lost.add(tag)
      for (const { lease } of chunk) this.#leases.delete(lease.tag)
    }
    return lost
  }

  /** Settles what was settled under a lease that we never heard of; orders the rest as it came in. */
  #sorter(owner: string, leases: readonly Lease[]): Legacy['sort'] {
    const known = new Map(leases.map((lease, at) => [lease.tag, { lease, at }]))
    const isSettled = ({ tag }: Restored): boolean => known.get(tag)?.lease.state === 'settled'
    const place = ({ tag }: Restored): number => known.get(tag)?.at ?? Infinity
    return async (held: readonly Restored[]): Promise<readonly Restored[]> => {
      const settled = held.filter(isSettled)
      await this.#runSettle(
        settled.map(({ tag, score }) => ({ tag, score, queue: '', state: 'settled' })),
        owner,
      )
      return held
        .filter((item) => !isSettled(item))
        .map((item) => ({ ...item, queue: known.get(item.tag)?.lease.queue }))
        .toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)))
    }
  }
}

function pairs(leases: readonly Lease[]): string[] {
  return leases.flatMap(({ tag, score }) => [tag, score])
}
