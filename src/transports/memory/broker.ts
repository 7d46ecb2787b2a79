/** A broker inside the process: exchanges, and queues that hand their messages to consumers in turn. */

import type { Message } from '../../../protocol/message.ts'
import {
  lookup,
  type VirtualBinding,
  type VirtualExchangeType,
} from '../../../protocol/virtual/exchange.ts'
import { ImproperlyConfigured, NotSupported } from '../../errors.ts'
import type { Exchange, Queue } from '../../messaging/entity.ts'
import { BACKGROUND_CLOCK } from '../../runtime/clock.ts'
import { Timer } from '../../runtime/timer.ts'
import { Fifo } from './fifo.ts'

/** A message in a queue. */
export interface Stored {
  readonly message: Message
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  /** Milliseconds of the clock, or undefined for ever. */
  readonly expiresAt: number | undefined
}

/** Who wants the messages of a queue. */
export interface Receiver {
  /** Whether it may have one more. */
  hasRoom(): boolean
  receive(stored: Stored): void
  /** The queue was deleted. */
  cancelled(): void
}

/** Messages by priority, the highest first, for queues with `x-max-priority`. */
export class MemoryQueue {
  readonly name: string
  readonly #maxPriority: number
  readonly #autoDelete: boolean
  readonly #ranks: Fifo<Stored>[] = []
  readonly #receivers: Receiver[] = []
  readonly #onUnused: () => void
  #scheduled = false

  constructor(queue: Queue, onUnused: () => void) {
    this.name = queue.name
    this.#autoDelete = queue.autoDelete ?? false
    const max = queue.arguments?.['x-max-priority']
    this.#maxPriority = typeof max === 'number' ? Math.min(Math.max(max, 0), 255) : 0
    this.#onUnused = onUnused
  }

  get size(): number {
    return this.#ranks.reduce((size, rank) => size + (rank?.size ?? 0), 0)
  }

  get consumerCount(): number {
    return this.#receivers.length
  }

  put(stored: Stored): void {
    this.#rank(stored).push(stored)
    this.#schedule()
  }

  /** Back to where it was taken from. */
  restore(stored: Stored): void {
    this.#rank(stored).unshift({ ...stored, redelivered: true })
    this.#schedule()
  }

  take(): Stored | undefined {
    for (let rank = this.#ranks.length - 1; rank >= 0; rank -= 1) {
      for (let stored = this.#ranks[rank]?.shift(); stored; stored = this.#ranks[rank]?.shift()) {
        if (stored.expiresAt === undefined || stored.expiresAt > Date.now()) return stored
      }
    }
    return undefined
  }

  purge(): number {
    const { size } = this
    this.#ranks.length = 0
    return size
  }

  subscribe(receiver: Receiver): void {
    this.#receivers.push(receiver)
    this.#schedule()
  }

  unsubscribe(receiver: Receiver): void {
    const index = this.#receivers.indexOf(receiver)
    if (index < 0) return
    this.#receivers.splice(index, 1)
    if (this.#autoDelete && this.#receivers.length === 0) this.#onUnused()
  }

  cancelAll(): void {
    for (const receiver of this.#receivers.splice(0)) receiver.cancelled()
  }

  /** A receiver has room again. */
  wake(): void {
    if (this.#receivers.length > 0) this.#schedule()
  }

  #rank({ message }: Stored): Fifo<Stored> {
    const rank = Math.min(message.properties.priority ?? 0, this.#maxPriority)
    while (this.#ranks.length <= rank) this.#ranks.push(new Fifo())
    return this.#ranks[rank] as Fifo<Stored>
  }

  /** Messages never arrive within the call that sent them. */
  #schedule(): void {
    if (this.#scheduled || this.#receivers.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    for (;;) {
      const index = this.#receivers.findIndex((receiver) => receiver.hasRoom())
      const receiver = this.#receivers[index]
      if (receiver === undefined) return
      const stored = this.take()
      if (stored === undefined) return
      // The one that was served goes to the end of the line.
      this.#receivers.push(...this.#receivers.splice(index, 1))
      receiver.receive(stored)
    }
  }
}

interface MemoryExchange {
  readonly type: VirtualExchangeType
  readonly bindings: VirtualBinding[]
}

export class MemoryBroker {
  readonly #postponed = new Timer(BACKGROUND_CLOCK)
  readonly #exchanges = new Map<string, MemoryExchange>()
  readonly #queues = new Map<string, MemoryQueue>()
  /** What to call when the broker drops its connections; a test does that. */
  readonly connections: Set<() => void> = new Set()

  queue(name: string): MemoryQueue | undefined {
    return this.#queues.get(name)
  }

  declareExchange({ name, type }: Exchange): void {
    if (name === '') return
    if (type === 'headers') throw new NotSupported('memory:// has no exchanges of type headers')
    const known = this.#exchanges.get(name)
    if (known === undefined) {
      this.#exchanges.set(name, { type, bindings: [] })
    } else if (known.type !== type) {
      throw new ImproperlyConfigured(`exchange '${name}' is of type ${known.type}, not ${type}`)
    }
  }

  declareQueue(queue: Queue): MemoryQueue {
    for (const { exchange } of queue.bindings) this.declareExchange(exchange)
    const declared =
      this.#queues.get(queue.name) ?? new MemoryQueue(queue, () => this.deleteQueue(queue.name))
    this.#queues.set(queue.name, declared)
    for (const { exchange, routingKey } of queue.bindings) {
      this.#bind(queue.name, exchange.name, routingKey)
    }
    return declared
  }

  #bind(queue: string, exchange: string, routingKey: string): void {
    const bindings = this.#exchanges.get(exchange)?.bindings
    if (bindings?.some((bound) => bound.queue === queue && bound.routingKey === routingKey)) return
    bindings?.push({ queue, routingKey })
  }

  deleteQueue(name: string): void {
    const queue = this.#queues.get(name)
    if (queue === undefined) return
    this.#queues.delete(name)
    for (const { bindings } of this.#exchanges.values()) {
      const kept = bindings.filter((binding) => binding.queue !== name)
      bindings.splice(0, bindings.length, ...kept)
    }
    queue.purge()
    queue.cancelAll()
  }

  /** Returns whether any queue took the message. */
  publish(message: Message, exchange: string, routingKey: string): boolean {
    const queues = this.#route(exchange, routingKey)
    const { expiration } = message.properties
    const expiresAt = expiration === undefined ? undefined : Date.now() + Number(expiration)
    for (const queue of queues) {
      queue.put({ message, exchange, routingKey, redelivered: false, expiresAt })
    }
    return queues.length > 0
  }

  /**
   * To its queue again at that time, in milliseconds since 1970; to none when it was deleted meanwhile.
   * It does not expire on the way: whoever holds it meanwhile in Celery would find out himself.
   */
  postpone(queue: string, stored: Stored, until: number): void {
    const kept = { ...stored, expiresAt: undefined }
    this.#postponed.callAt(until, () => this.#queues.get(queue)?.put(kept))
  }

  #route(exchange: string, routingKey: string): MemoryQueue[] {
    if (exchange === '') return this.#found([routingKey])
    const { type, bindings } = this.#exchanges.get(exchange) ?? { type: 'direct', bindings: [] }
    return this.#found(lookup(type, bindings, routingKey))
  }

  #found(names: readonly string[]): MemoryQueue[] {
    return names.flatMap((name) => this.#queues.get(name) ?? [])
  }
}

const BROKERS = new Map<string, MemoryBroker>()

/** The broker of a name, shared by the whole process as kombu's is. @see kombu 5.6, transport/memory.py */
export function memoryBroker(name: string): MemoryBroker {
  const broker = BROKERS.get(name) ?? new MemoryBroker()
  BROKERS.set(name, broker)
  return broker
}
