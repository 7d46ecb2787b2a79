/** A message in the simulated broker, who may hold it, and who hears of it. */

import type { Message } from '../../protocol/message.ts'
import type { Actor } from './world.ts'

/** Held messages come back when the connection drops; or when a janitor finds that their holder is gone. */
export type Flavour = 'amqp' | 'redis'

/** One message in one queue; a task that was sent twice has two. */
export interface Copy {
  readonly serial: number
  readonly exchange: string
  readonly routingKey: string
  readonly queue: string
  message: Message
  redelivered: boolean
  /** How often it was handed to somebody. */
  handed: number
  /** RabbitMQ drops what has outlived its `expiration`; Redis does not look at it. */
  readonly expiresAt: number
  place: 'ready' | 'held' | 'postponed' | 'gone'
  holder: Holder | undefined
}

/** A channel, as the broker sees it. */
export interface Holder {
  readonly actor: Actor
  readonly held: Map<number, Copy>
  prefetchCount: number
  open: boolean
}

export interface Subscription {
  readonly holder: Holder
  readonly queue: string
  readonly noAck: boolean
  /** Puts the message on the way to the consumer. */
  readonly hand: (copy: Copy, tag: number, redelivered: boolean) => void
  readonly onCancel: () => void
}

/** How a message left the broker. */
export type Exit = 'ack' | 'reject' | 'bury' | 'expired' | 'noAck' | 'copied'

/** What the one who checks the history hears. */
export interface BrokerObserver {
  entered(copy: Copy): void
  /** Another one of the same message has come in its place. */
  copied(copy: Copy): void
  handed(copy: Copy, holder: Holder): void
  returned(copy: Copy, why: string): void
  left(copy: Copy, how: Exit, actor: Actor): void
}
