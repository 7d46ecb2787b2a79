/** What a channel has in hand: counted against its prefetch, settled or given back, one by one. */

import { randomUUID } from 'node:crypto'
import { CeleryError } from '../../errors.ts'
import type { Message } from '../../../protocol/message.ts'
import { decodeEnvelope, type Envelope } from '../../../protocol/virtual/envelope.ts'
import type { Count } from '../../../protocol/virtual/unacked.ts'
import { counted, uncounted } from '../../messaging/delivery-count.ts'
import { redisError, redisFault } from '../../redis.ts'
import { BACKGROUND_CLOCK } from '../../runtime/clock.ts'
import { Timer } from '../../runtime/timer.ts'
import { RedisDelivery, type Outcome, type Settle } from './delivery.ts'
import { describeDead, type Taken } from './fetch.ts'
import type { RedisLink } from './link.ts'
import { deadKey, returned } from './restorer.ts'
import type { Lease } from './unacked.ts'

/** Broadcasts that wait for room; more are dropped, as Redis drops those of a slow subscriber. */
const MOST_WAITING = 1000

const COUNTED: Readonly<Record<Count, (message: Message) => Message>> = {
  keep: (message) => message,
  more: counted,
  none: uncounted,
}

const unlimited = (): number => Infinity

type Handler = (delivery: RedisDelivery) => void

export class InHand {
  readonly #link: RedisLink
  readonly #onRoom: () => void
  /** The oldest first. */
  readonly #leases = new Set<Lease>()
  /** Broadcasts that wait for room, and those that wait for their time. */
  #waiting: (() => void)[] = []
  readonly #postponed = new Timer(BACKGROUND_CLOCK)
  #prefetchCount = 0
  #canConsume = unlimited
  #count = 0
  #telling = false
  #closed = false

  constructor(link: RedisLink, onRoom: () => void) {
    this.#link = link
    this.#onRoom = onRoom
  }

  qos(prefetchCount: number, canConsume: () => number = unlimited): void {
    this.#prefetchCount = prefetchCount
    this.#canConsume = canConsume
    this.#tell()
  }

  /** How many more may be taken. */
  get room(): number {
    const room = this.#prefetchCount === 0 ? Infinity : this.#prefetchCount - this.#count
    return Math.min(room, this.#canConsume())
  }

  /** A taken message as a delivery; one that cannot be read is put aside, and is none. */
  take(taken: Taken, noAck: boolean): RedisDelivery | undefined {
    const lease = leaseOf(taken)
    if (lease !== undefined) this.#link.unacked.add(lease)
    const envelope = this.#decode(taken.raw, (reason) => this.#bury(taken, lease, reason))
    if (envelope === undefined) return undefined
    if (noAck) return new RedisDelivery(taken.queue, envelope, settled)
    this.#count += 1
    if (lease === undefined) return new RedisDelivery(taken.queue, envelope, this.#local(taken))
    this.#leases.add(lease)
    return new RedisDelivery(taken.queue, envelope, this.#leased(taken, lease))
  }

  /** A broadcast is never leased: there is no queue for it to go back to. */
  hear(queue: string, raw: string, noAck: boolean, onDelivery: Handler): void {
    const envelope = this.#decode(raw, (reason) =>
      this.#link.logger.warning(
        `a broadcast for queue '${queue}' is no message (${reason}, ${raw.length} bytes): dropped`,
      ),
    )
    if (envelope === undefined) return
    if (noAck) return onDelivery(new RedisDelivery(queue, envelope, settled))
    if (this.#waiting.length + this.#postponed.size >= MOST_WAITING) {
      return this.#link.logger.warning(`too many broadcasts for queue '${queue}': one was dropped`)
    }
    this.#broadcast(queue, envelope, onDelivery)
    this.#handWaiting()
  }

  #broadcast(queue: string, envelope: Envelope, onDelivery: Handler): void {
    const again = (next: Envelope): void => this.#broadcast(queue, next, onDelivery)
    const settle = (outcome: Outcome): Promise<boolean> => {
      if (outcome.how === 'requeue') {
        again({ ...envelope, message: COUNTED[outcome.count](envelope.message) })
      } else if (outcome.how === 'postpone') {
        this.#postponed.callAt(outcome.until, () => {
          again(envelope)
          this.#handWaiting()
        })
      }
      return OURS
    }
    this.#waiting.push(() => {
      this.#count += 1
      onDelivery(new RedisDelivery(queue, envelope, this.#once(settle)))
    })
  }

  /** Puts a message back that was taken but never handed over. */
  async putBack(taken: Taken): Promise<void> {
    const lease = leaseOf(taken)
    if (lease !== undefined) return await this.#link.unacked.putBack(lease)
    await this.#push('rpush', taken)
  }

  /** Gives back all that is unsettled, the oldest to be served first. */
  async giveBack(): Promise<void> {
    this.#closed = true
    const held = [...this.#leases].filter(({ state }) => state === 'held')
    this.#leases.clear()
    this.#waiting = []
    if (held.length === 0) return
    this.#link.logger.info(`Restoring ${held.length} unacknowledged message(s)`)
    await this.#link.unacked.giveBack(held, 'RPUSH')
  }

  #decode(raw: string, onBad: (reason: string) => void): Envelope | undefined {
    try {
      return decodeEnvelope(raw, this.#link.limits)
    } catch (error) {
      const known = error instanceof CeleryError
      onBad(known ? error.message : 'cannot be read')
      return undefined
    }
  }

  #bury(taken: Taken, lease: Lease | undefined, reason: string): void {
    const { queue, raw } = taken
    this.#link.logger.error(describeDead({ queue, reason, bytes: raw.length }))
    const done = lease === undefined ? this.#putAside(taken) : this.#link.unacked.bury(lease, raw)
    done.catch((error: unknown) => this.#link.logger.error(`queue '${queue}': ${String(error)}`))
  }

  async #push(
    command: 'lpush' | 'rpush',
    { queue, raw }: Pick<Taken, 'queue' | 'raw'>,
    list?: string,
  ): Promise<void> {
    const { client, settings } = this.#link
    await client[command](list ?? settings.keys.queue(queue, this.#priority(raw)), raw)
  }

  #priority(raw: string): unknown {
    const properties = this.#decode(raw, () => {})?.message.properties
    return properties?.priority ?? properties?.extra?.['priority']
  }

  #leased({ raw }: Taken, lease: Lease): Settle {
    const { unacked } = this.#link
    return this.#once((outcome) => {
      // What a lost connection held is given back by the next one: it is not ours to settle any more.
      if (this.#link.lost !== undefined || lease.state !== 'held') return NOT_OURS
      if (outcome.how === 'requeue') return unacked.requeue(lease, outcome.count)
      if (outcome.how === 'postpone') return unacked.postpone(lease, outcome.until, raw)
      return outcome.how === 'bury' ? unacked.bury(lease, raw) : unacked.settle(lease)
    }, lease)
  }

  /** Without ack emulation only giving back, and putting aside, concern the server. */
  #local(taken: Taken): Settle {
    const { queue, raw } = taken
    return this.#once((outcome) => {
      if (outcome.how === 'requeue') {
        const text = returned(raw, outcome.count)
        return this.#push('lpush', { queue, raw: text }).then(() => true)
      }
      if (outcome.how === 'postpone') {
        const unleased: Lease = { tag: randomUUID(), score: '', queue, state: 'held' }
        return this.#link.unacked.postpone(unleased, outcome.until, raw)
      }
      return outcome.how === 'bury' ? this.#putAside(taken).then(() => true) : OURS
    })
  }

  #putAside(taken: Taken): Promise<void> {
    return this.#push('lpush', taken, deadKey(this.#link.settings.keys.queue(taken.queue)))
  }

  /**
   * The first outcome counts, unless the server refused it: then the message stays in hand. When the
   * connection fails the message is not ours any more.
   */
  #once(settle: Settle, lease?: Lease): Settle {
    let done: Promise<boolean> | undefined
    const refused = (error: unknown, outcome: Outcome): boolean => {
      if (redisFault(error) === 'lost') {
        this.#link.fail(error)
        return false
      }
      if (lease !== undefined) lease.state = 'held'
      this.#count += 1
      done = undefined
      throw redisError(error, `cannot ${outcome.how} a message`)
    }
    const run = (outcome: Outcome): Promise<boolean> => {
      this.#count -= 1
      this.#tell()
      return settle(outcome).then(
        (ours) => {
          if (lease !== undefined) this.#leases.delete(lease)
          return ours
        },
        (error: unknown) => refused(error, outcome),
      )
    }
    return (outcome) => (done ??= run(outcome))
  }

  /** What was settled in one turn makes room for one fetch, not for one each. */
  #tell(): void {
    if (this.#telling) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      this.#handWaiting()
      this.#onRoom()
    })
  }

  #handWaiting(): void {
    while (this.#waiting.length > 0 && this.room > 0 && !this.#closed) this.#waiting.shift()?.()
  }
}

function leaseOf({ tag, score, queue }: Taken): Lease | undefined {
  return score === '' ? undefined : { tag, score, queue, state: 'held' }
}

const OURS = Promise.resolve(true)
const NOT_OURS = Promise.resolve(false)

/** A delivery that needs no settling. */
const settled: Settle = () => OURS
