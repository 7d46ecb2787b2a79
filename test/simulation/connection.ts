/** A simulated connection: what is asked and answered on it is on its way for a while, and may get lost. */

import { OperationalError } from '../../src/errors.ts'
import type { Channel, TransportConnection } from '../../src/messaging/transport.ts'
import type { Broker } from './broker.ts'
import { SimChannel } from './channel.ts'
import type { Holder } from './copy.ts'
import type { SimDelivery } from './delivery.ts'
import type { Mutant } from './mutants.ts'
import type { Actor, Wire, World } from './world.ts'

/** What the worker does at the port, for those who watch, and for those who break it on purpose. */
export interface PortObserver {
  settling(delivery: SimDelivery, how: string): void
  unsettled(delivery: SimDelivery): void
  arrived(delivery: SimDelivery): void
  qos(actor: Actor, prefetchCount: number): void
}

export interface SimTransportOptions {
  readonly world: World
  readonly broker: Broker
  /** The process that it is opened in. */
  readonly actor: Actor
  readonly observer: PortObserver
  /** All that are open, for fate to choose from. */
  readonly connections: Set<SimConnection>
  /** Whether the broker takes no connection now. */
  readonly refuses: () => boolean
  /** Whether it refuses the next message. */
  readonly refusesMessage: () => boolean
  /** A bug that is put in. */
  readonly mutant: Mutant
}

interface Pending {
  readonly reject: (error: Error) => void
}

export class SimConnection implements TransportConnection {
  readonly blocked = false
  readonly closed: Promise<Error | undefined>
  readonly options: SimTransportOptions
  readonly #up: Wire
  readonly #down: Wire
  /** On Redis what was fetched comes by a connection of its own. */
  readonly #handing: Wire
  readonly #pending = new Set<Pending>()
  readonly #holders = new Set<Holder>()
  readonly channels = new Set<SimChannel>()
  #resolve: (reason: Error | undefined) => void = () => {}
  #cut = false
  /** Why nothing can be asked of it any more. */
  over: Error | undefined

  constructor(options: SimTransportOptions) {
    const { world, actor, broker } = options
    this.options = options
    this.#up = world.wire(world.fate)
    this.#down = world.wire(actor)
    this.#handing = broker.flavour === 'amqp' ? this.#down : world.wire(actor)
    this.closed = new Promise((resolve) => {
      if (options.mutant.deaf !== true) this.#resolve = resolve
    })
  }

  channel(): Promise<Channel> {
    return this.ask('channel.open', () => {
      const { actor } = this.options
      const holder: Holder = { actor, held: new Map(), prefetchCount: 0, open: true }
      this.#holders.add(holder)
      const channel = new SimChannel(this, holder)
      this.channels.add(channel)
      return channel
    })
  }

  /** Asks the broker: what it does then, and the reply, take their time. */
  ask<T>(what: string, act: () => T): Promise<T> {
    if (this.over !== undefined) return Promise.reject(this.over)
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = { reject }
      this.#pending.add(pending)
      const reply = (settle: () => void): void =>
        this.#down.push(`${what}: reply`, () => {
          if (this.#pending.delete(pending)) settle()
        })
      this.#up.push(what, () => {
        try {
          const value = act()
          reply(() => resolve(value))
        } catch (error) {
          reply(() => reject(error))
        }
      })
    })
  }

  /** Tells the broker, without a reply. */
  tell(what: string, act: () => void): void {
    this.#up.push(what, act)
  }

  /** The broker puts something on the way to the consumer. */
  hand(what: string, act: () => void): void {
    this.#handing.push(what, act)
  }

  /** The network breaks: what was under way may arrive or not, and each side finds out in its time. */
  cut(): void {
    if (this.#cut || this.over !== undefined) return
    this.#cut = true
    const { random } = this.options.world
    for (const wire of new Set([this.#up, this.#down, this.#handing])) {
      wire.truncate(random.below(wire.length + 1))
    }
    this.#up.seal('the broker misses a connection', () => this.#detach())
    if (this.#handing !== this.#down) this.#handing.seal()
    this.#down.seal('the connection is lost', () => this.#lose())
  }

  /** Its process died; what it had written may still arrive. */
  abandon(): void {
    this.options.connections.delete(this)
    if (this.#cut) return
    this.#cut = true
    this.#up.truncate(this.options.world.random.below(this.#up.length + 1))
    this.#up.seal('the broker misses a process', () => this.#detach())
  }

  close(): Promise<void> {
    if (this.over !== undefined) return Promise.resolve()
    const closing = this.ask('connection.close', () => {
      for (const holder of this.#holders) this.options.broker.release(holder, 'connection closed')
      this.#detach()
    })
    this.#end(new OperationalError('the connection is closed'))
    return closing.catch(() => {}).then(() => this.#gone(undefined))
  }

  #detach(): void {
    for (const holder of this.#holders) this.options.broker.detach(holder)
  }

  #lose(): void {
    const lost = new OperationalError('the connection was lost')
    this.#end(lost)
    for (const { reject } of this.#pending) reject(lost)
    this.#pending.clear()
    this.#gone(lost)
  }

  #end(why: Error): void {
    this.over ??= why
    this.options.connections.delete(this)
  }

  #gone(reason: Error | undefined): void {
    this.#resolve(reason)
  }
}
