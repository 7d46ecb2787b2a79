/** Sends copies of deliveries, on a connection of its own: an alarm that blocks it blocks no ack. */

import type { Message } from '../../../protocol/message.ts'
import { OperationalError, TimeoutError, UnroutableError } from '../../errors.ts'
import type { Queue } from '../../messaging/entity.ts'
import { Semaphore } from '../../messaging/semaphore.ts'
import type { Channel, Delivery, TransportConnection } from '../../messaging/transport.ts'
import { deadline } from '../../runtime/retry.ts'
import { copyOf } from './kept.ts'
import { DECLARED_FOR, waitQueue } from './wait-queue.ts'

export interface OutboxOptions {
  /** Opens the connection: when the first copy is sent, and again after a loss. */
  readonly connect: (signal: AbortSignal) => Promise<TransportConnection>
  /** Who is logged in. */
  readonly user: string
}

/** Copies that wait for the broker's confirmation at a time. */
const MAX_IN_FLIGHT = 1000
/** Seconds that it may take, alarms apart. */
const CONFIRM_TIMEOUT = 30

/** What a copy is made of. */
type Delivered = Pick<Delivery, 'message' | 'queue' | 'exchange' | 'routingKey'>

interface Side {
  readonly connection: TransportConnection
  readonly channel: Channel
  /** When, in milliseconds, each wait queue was declared, and by what. */
  readonly declared: Map<string, { readonly at: number; readonly done: Promise<unknown> }>
}

/** RabbitMQ stops to read from a connection that publishes during an alarm, acks included. */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #slots = new Semaphore(MAX_IN_FLIGHT)
  readonly #quorum = new Set<string>()
  readonly #closing = new AbortController()
  #side: Promise<Side> | undefined

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Remembers that a queue is a quorum queue: what waits for it shall be as safe. */
  addQuorum(queue: string): void {
    this.#quorum.add(queue)
  }

  /** Resolves when a copy waits for its time, or for some of it; or is in its queue, when that has come. */
  async postpone(delivery: Delivered, until: number): Promise<void> {
    const { queue } = delivery
    const copy = copyOf(delivery, { user: this.#options.user, until })
    await this.#inTurn(async (side) => {
      const left = until - Date.now()
      if (left <= 0) return await confirmed(side, queue, copy)
      const waiting = waitQueue(queue, left, this.#quorum.has(queue))
      try {
        await declared(side, waiting)
        await confirmed(side, waiting.name, copy)
      } catch (error) {
        if (!(error instanceof UnroutableError)) throw error
        // Somebody has deleted it.
        side.declared.delete(waiting.name)
        await declared(side, waiting)
        await confirmed(side, waiting.name, copy)
      }
    })
  }

  /** Resolves when a copy is in its queue. */
  async resend(delivery: Delivered): Promise<void> {
    const copy = copyOf(delivery, { user: this.#options.user })
    await this.#inTurn((side) => confirmed(side, delivery.queue, copy))
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closing.abort(closed())
    const side = await this.#side?.catch(() => undefined)
    await side?.connection.close()
  }

  async #inTurn(send: (side: Side) => Promise<void>): Promise<void> {
    await new Promise<void>((enter) => this.#slots.acquire(enter))
    try {
      const side = await this.#open()
      if (side.connection.blocked) {
        throw new OperationalError('the broker takes no messages for now (an alarm)')
      }
      await send(side)
    } finally {
      this.#slots.release()
    }
  }

  #open(): Promise<Side> {
    if (this.#closing.signal.aborted) return Promise.reject(closed())
    this.#side ??= this.#connect().catch((error: unknown) => {
      this.#side = undefined
      throw error
    })
    return this.#side
  }

  async #connect(): Promise<Side> {
    const connection = await this.#options.connect(this.#closing.signal)
    void connection.closed.then(() => (this.#side = undefined))
    return { connection, channel: await connection.channel(), declared: new Map() }
  }
}

function closed(): OperationalError {
  return new OperationalError('the connection is closed')
}

/** Declares a queue unless that was done of late; those who need it at once share the work. */
async function declared({ channel, declared: known }: Side, queue: Queue): Promise<void> {
  const now = performance.now()
  const last = known.get(queue.name)
  if (last !== undefined && now - last.at < DECLARED_FOR * 1000) {
    await last.done
    return
  }
  const done = channel.declareQueue(queue)
  known.set(queue.name, { at: now, done })
  await done.catch((error: unknown) => {
    known.delete(queue.name)
    throw error
  })
}

/** While an alarm is on, whether the broker has read the copy is not known: the only way is to wait. */
async function confirmed({ channel, connection }: Side, to: string, copy: Message): Promise<void> {
  const sent = channel.publish(copy, { exchange: '', routingKey: to, mandatory: true })
  const late = (): Error => new TimeoutError(`no confirmation within ${CONFIRM_TIMEOUT} s`)
  for (;;) {
    try {
      return await deadline(sent, CONFIRM_TIMEOUT, late)
    } catch (error) {
      if (!(error instanceof TimeoutError) || !connection.blocked) throw error
    }
  }
}
