/** The model of a broker: queues, who holds which message, and when it comes back. RabbitMQ's way, or Redis's. */

import type { Message } from '../../protocol/message.ts'
import { UnroutableError } from '../../src/errors.ts'
import { counted, uncounted } from '../../src/messaging/delivery-count.ts'
import type { Exchange, Queue } from '../../src/messaging/entity.ts'
import type { PublishOptions, RequeueOptions } from '../../src/messaging/transport.ts'
import type { BrokerObserver, Copy, Exit, Flavour, Holder, Subscription } from './copy.ts'
import type { Actor, Wire, World } from './world.ts'

interface BrokerQueue {
  readonly name: string
  readonly autoDelete: boolean
  ready: Copy[]
  subscriptions: Subscription[]
}

export class Broker {
  readonly flavour: Flavour
  readonly #world: World
  readonly #observer: BrokerObserver
  readonly #queues = new Map<string, BrokerQueue>()
  readonly #bindings: {
    readonly exchange: string
    readonly queue: string
    readonly key: string
  }[] = []
  readonly #dispatching: Wire
  readonly #copies = new Set<Copy>()
  readonly #orphaned = new Set<Holder>()
  #serial = 0
  /** A tag belongs to one handing over, for good. */
  #tag = 0
  #scheduled = false

  constructor(world: World, flavour: Flavour, observer: BrokerObserver) {
    this.#world = world
    this.flavour = flavour
    this.#observer = observer
    this.#dispatching = world.wire(world.fate)
  }

  /** All that it has not let go. */
  get copies(): ReadonlySet<Copy> {
    return this.#copies
  }

  declareExchange(_exchange: Exchange): void {}

  declareQueue(queue: Queue): { readonly messageCount: number; readonly consumerCount: number } {
    const { name, autoDelete = false } = queue
    const known = this.#queues.get(name) ?? { name, autoDelete, ready: [], subscriptions: [] }
    this.#queues.set(name, known)
    for (const { exchange, routingKey } of queue.bindings) {
      const bound = { exchange: exchange.name, queue: name, key: routingKey }
      if (!this.#bindings.some((one) => one.exchange === bound.exchange && one.queue === name)) {
        this.#bindings.push(bound)
      }
    }
    return { messageCount: known.ready.length, consumerCount: known.subscriptions.length }
  }

  /** @throws UnroutableError when no queue takes it, and the sender wants to know */
  publish(message: Message, { exchange, routingKey, mandatory }: PublishOptions): void {
    const names =
      exchange === ''
        ? [routingKey]
        : this.#bindings
            .filter((bound) => bound.exchange === exchange && bound.key === routingKey)
            .map((bound) => bound.queue)
    const queues = names.flatMap((name) => this.#queues.get(name) ?? [])
    if (queues.length === 0 && mandatory === true) throw new UnroutableError(exchange, routingKey)
    for (const { name } of queues) {
      const copy = this.#make({ message, exchange, routingKey, queue: name })
      this.#ready(copy)
      this.#observer.entered(copy)
    }
  }

  #make(from: Pick<Copy, 'message' | 'exchange' | 'routingKey' | 'queue'>): Copy {
    const { message, exchange, routingKey, queue } = from
    const copy: Copy = {
      serial: (this.#serial += 1),
      exchange,
      routingKey,
      queue,
      message,
      redelivered: false,
      handed: 0,
      expiresAt: this.#expiry(message),
      place: 'ready',
      holder: undefined,
    }
    this.#copies.add(copy)
    return copy
  }

  #ready(copy: Copy): void {
    copy.place = 'ready'
    this.#queues.get(copy.queue)?.ready.push(copy)
    this.wake()
  }

  /** On RabbitMQ a message cannot be changed: another one is sent, then this one is acked. */
  resend(original: Copy, options: RequeueOptions): void {
    const copy = this.#make({ ...original, message: asCounted(original.message, options) })
    this.#observer.copied(copy)
    this.#ready(copy)
  }

  /** The same, for one that shall come later. */
  resendLater(original: Copy, until: number): void {
    const copy = this.#make(original)
    this.#observer.copied(copy)
    this.#putAside(copy, until)
  }

  subscribe(subscription: Subscription): void {
    this.#queues.get(subscription.queue)?.subscriptions.push(subscription)
    this.wake()
  }

  unsubscribe(subscription: Subscription): void {
    const queue = this.#queues.get(subscription.queue)
    if (queue === undefined) return
    queue.subscriptions = queue.subscriptions.filter((one) => one !== subscription)
    if (queue.autoDelete && queue.subscriptions.length === 0) this.#delete(queue)
  }

  #delete(queue: BrokerQueue): void {
    for (const copy of queue.ready) this.#leave(copy, 'expired', this.#world.fate)
    this.#queues.delete(queue.name)
    const bound = this.#bindings.findIndex((one) => one.queue === queue.name)
    if (bound >= 0) this.#bindings.splice(bound, 1)
  }

  /** The broker ends the consumers of a queue: its leader moved, say. What is held stays held. */
  cancelConsumers(name: string): void {
    const queue = this.#queues.get(name)
    for (const subscription of queue?.subscriptions.splice(0) ?? []) subscription.onCancel()
  }

  /** Whether the tag was still theirs. */
  settle(holder: Holder, tag: number, how: 'ack' | 'reject' | 'bury' | 'copied'): boolean {
    const copy = this.#letGo(holder, tag)
    if (copy !== undefined) this.#leave(copy, how, holder.actor)
    return copy !== undefined
  }

  requeue(holder: Holder, tag: number, options: RequeueOptions = {}): boolean {
    const copy = this.#letGo(holder, tag)
    if (copy === undefined) return false
    copy.message = asCounted(copy.message, options)
    this.#return(copy, `requeued by ${holder.actor.name}`)
    // what was counted need not be counted again: it comes as if for the first time
    if (options.counted === true) copy.redelivered = false
    return true
  }

  postpone(holder: Holder, tag: number, until: number): boolean {
    const copy = this.#letGo(holder, tag)
    if (copy !== undefined) this.#putAside(copy, until)
    return copy !== undefined
  }

  #putAside(copy: Copy, until: number): void {
    copy.place = 'postponed'
    const late = this.#world.random.below(1000)
    const { time, fate } = this.#world
    time.afterFor(fate, Math.max(0, until - time.now()) + late, () => this.#ready(copy))
  }

  /** All that is held goes back. */
  release(holder: Holder, why: string): void {
    holder.open = false
    this.#orphaned.delete(holder)
    for (const [tag, copy] of [...holder.held].toReversed()) {
      this.#letGo(holder, tag)
      this.#return(copy, why)
    }
  }

  /** The same from a channel that goes on: the broker closed it and it is opened again. */
  recall(holder: Holder, why: string): void {
    this.release(holder, why)
    holder.open = true
  }

  /** The connection is gone. On RabbitMQ that is all; on Redis its leases have to be found first. */
  detach(holder: Holder): void {
    holder.open = false
    for (const queue of this.#queues.values()) {
      for (const one of queue.subscriptions) if (one.holder === holder) this.unsubscribe(one)
    }
    if (this.flavour === 'amqp') return this.release(holder, 'connection lost')
    this.#orphaned.add(holder)
    const { time, fate, random } = this.#world
    time.afterFor(fate, random.below(4000), () => {
      if (this.#orphaned.has(holder)) this.release(holder, 'its holder was gone')
    })
  }

  /** On Redis a process that connects again gives back what its lost connections held. */
  adopt(actor: Actor): void {
    for (const holder of this.#orphaned) {
      if (holder.actor === actor) this.release(holder, 'its connection was lost')
    }
  }

  /** A janitor takes a lease away from a living worker: a clock is wrong, or it was frozen. Says whose. */
  steal(): string | undefined {
    const held = [...this.#copies].filter(
      ({ place, holder }) => place === 'held' && holder?.open === true,
    )
    if (held.length === 0) return undefined
    const copy = this.#world.random.pick(held)
    const { holder } = copy
    const tag = [...(holder?.held ?? [])].find(([, one]) => one === copy)?.[0]
    if (holder === undefined || tag === undefined) return undefined
    this.#letGo(holder, tag)
    this.#return(copy, `taken away from ${holder.actor.name}`)
    return holder.actor.name
  }

  #letGo(holder: Holder, tag: number): Copy | undefined {
    const copy = holder.held.get(tag)
    holder.held.delete(tag)
    if (copy !== undefined) copy.holder = undefined
    this.wake()
    return copy
  }

  #return(copy: Copy, why: string): void {
    copy.place = 'ready'
    copy.redelivered = true
    this.#queues.get(copy.queue)?.ready.unshift(copy)
    this.#observer.returned(copy, why)
    this.wake()
  }

  #leave(copy: Copy, how: Exit, actor: Actor): void {
    copy.place = 'gone'
    this.#copies.delete(copy)
    this.#observer.left(copy, how, actor)
  }

  /** Somebody may have room for a message. */
  wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#dispatching.push('broker hands out', () => {
      this.#scheduled = false
      if (this.#dispatchOne()) this.wake()
    })
  }

  #dispatchOne(): boolean {
    const { random } = this.#world
    for (const queue of this.#queues.values()) {
      const open = queue.subscriptions.filter(({ holder, noAck }) => noAck || hasRoom(holder))
      if (open.length === 0 || queue.ready.length === 0) continue
      const copy = queue.ready.shift() as Copy
      if (copy.expiresAt <= this.#world.time.now()) this.#leave(copy, 'expired', this.#world.fate)
      else this.#hand(copy, random.pick(open))
      return true
    }
    return false
  }

  #hand(copy: Copy, { holder, noAck, hand }: Subscription): void {
    const tag = (this.#tag += 1)
    const { redelivered } = copy
    copy.handed += 1
    this.#observer.handed(copy, holder)
    if (noAck) {
      this.#leave(copy, 'noAck', holder.actor)
    } else {
      copy.place = 'held'
      copy.holder = holder
      holder.held.set(tag, copy)
    }
    hand(copy, tag, redelivered)
  }

  #expiry({ properties }: Message): number {
    const { expiration } = properties
    if (this.flavour === 'redis' || expiration === undefined) return Infinity
    return this.#world.time.now() + Number(expiration)
  }
}

function asCounted(message: Message, { counted: died = false, anew = false }: RequeueOptions) {
  if (died) return counted(message)
  return anew ? uncounted(message) : message
}

function hasRoom({ open, held, prefetchCount }: Holder): boolean {
  return open && (prefetchCount === 0 || held.size < prefetchCount)
}
