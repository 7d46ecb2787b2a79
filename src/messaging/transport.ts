/** The port to a broker: a transport opens connections, a connection channels, a channel publishes and consumes. */

import type { ConnectionOptions } from 'node:tls'
import type { Limits } from '../../protocol/limits.ts'
import type { Message } from '../../protocol/message.ts'
import type { Logger } from '../runtime/log.ts'
import type { Exchange, Queue } from './entity.ts'

/** What Node's TLS wants to know; certificates and names are verified unless `rejectUnauthorized` is false. */
export type TlsOptions = Pick<
  ConnectionOptions,
  | 'ca'
  | 'cert'
  | 'ciphers'
  | 'key'
  | 'maxVersion'
  | 'minVersion'
  | 'passphrase'
  | 'pfx'
  | 'rejectUnauthorized'
  | 'servername'
>

/** What every transport is opened with, next to its URL. */
export interface TransportOptions {
  /** Seconds until an attempt to connect, handshake included, has failed. @see celery 5.6, `broker_connection_timeout` */
  readonly connectTimeout: number
  /** Seconds; 0 is none; the broker may lower it. @see celery 5.6, `broker_heartbeat` */
  readonly heartbeat: number
  /** Celery's `broker_transport_options`, names in camelCase (`visibilityTimeout`, `globalKeyprefix`, …). */
  readonly transportOptions: Readonly<Record<string, unknown>>
  /** `true` is TLS with Node's defaults; absent, the URL's scheme decides. @see celery 5.6, `broker_use_ssl` */
  readonly tls?: boolean | TlsOptions
  readonly limits: Limits
  readonly logger: Logger
}

/** What a broker can do; the worker and the app ask here, never for a transport's name. */
export interface Capabilities {
  /** `amqp`, `redis` or `memory`: what Celery calls the driver type. */
  readonly driver: string
  /** Whether a lower priority number is served first, as on Redis (RabbitMQ: higher first). */
  readonly lowPriorityFirst: boolean
  /** Whether a message for an absent queue is returned to the sender instead of being dropped. */
  readonly mandatory: boolean
  /** Seconds that a delivery may be held unsettled; Infinity where a held one is never taken away. */
  readonly holdLimit: number
}

/** One broker at one address. Nothing is opened before `connect`. */
export interface Transport {
  readonly capabilities: Capabilities
  /** The address without its password: for logs and errors. */
  readonly address: string
  /**
   * Opens one connection.
   *
   * @throws OperationalError when there is none within the connect timeout
   */
  connect(signal?: AbortSignal): Promise<TransportConnection>
}

/** One generation of a connection: when it is lost it stays lost, and a new one is opened by its owner. */
export interface TransportConnection {
  /** Opens a channel; channels share the connection and fail with it. */
  channel(): Promise<Channel>
  /** Resolves once, with the reason when the connection was lost, with undefined when we closed it. */
  readonly closed: Promise<Error | undefined>
  /** Whether the broker asked publishers to wait (RabbitMQ's alarms). */
  readonly blocked: boolean
  /** Resolves when the broker takes messages again, or the connection is lost; absent where none ever asks to wait. */
  unblocked?(): Promise<void>
  /** Closes the channels, then the connection, within a deadline of its own; never rejects. */
  close(): Promise<void>
}

export interface PublishOptions {
  /** `''` is the default exchange. */
  readonly exchange: string
  readonly routingKey: string
  /** Reject with UnroutableError when no queue takes the message, where the broker can tell. @default false */
  readonly mandatory?: boolean
  /**
   * The fanout publisher must say so where no broker keeps the exchange's type (Redis).
   *
   * @default the type that was declared on this channel, else `direct`
   */
  readonly exchangeType?: Exchange['type']
}

export interface ConsumeOptions {
  /** Deliveries are settled as they are sent. @default false */
  readonly noAck?: boolean
  /** Called when the broker ends the consumer (its queue was deleted). */
  readonly onCancel?: () => void
  /**
   * Called when the broker closes the channel while the connection stays: the consumer has ended, and
   * what it delivered is void. @default onCancel
   */
  readonly onLost?: (error: Error) => void
}

export interface DeclaredQueue {
  readonly name: string
  readonly messageCount: number
  readonly consumerCount: number
}

export interface Channel {
  declareExchange(exchange: Exchange): Promise<void>
  /** Declares the queue and its bindings and exchanges; or, when `passive`, checks that it exists. */
  declareQueue(queue: Queue): Promise<DeclaredQueue>
  deleteQueue(name: string): Promise<void>
  /** Removes the messages that nobody holds; returns how many. */
  purge(name: string): Promise<number>
  /**
   * Resolves when the broker holds the message in a queue (or no queue wants it and `mandatory` is off).
   *
   * @throws OperationalError when the connection is lost before that: whether it arrived is unknown
   * @throws UnroutableError see `mandatory`
   */
  publish(message: Message, options: PublishOptions): Promise<void>
  /** Takes one message, or undefined when the queue is empty. */
  get(queue: string, options?: { readonly noAck?: boolean }): Promise<Delivery | undefined>
  /**
   * Starts to hand over the messages of a queue, at most `qos` of them unsettled at a time. The queue
   * must have been declared on this channel. The handler must not throw; it is not awaited.
   */
  consume(
    queue: string,
    onDelivery: (delivery: Delivery) => void,
    options?: ConsumeOptions,
  ): Promise<Consumption>
  /**
   * How many deliveries may be unsettled on this channel; 0 is no limit. May be changed while consuming.
   *
   * @param canConsume how many may come at this moment besides; it is asked before each fetch, where
   * clients fetch (Redis), and to be told anew when the answer grows. @default no limit
   */
  qos(prefetchCount: number, canConsume?: () => number): Promise<void>
  /** Stops consuming and gives back what is unsettled; never rejects. */
  close(): Promise<void>
}

/** A running consumer of one queue. */
export interface Consumption {
  readonly queue: string
  /** No delivery arrives after this resolved; those in hand stay valid. */
  cancel(): Promise<void>
}

export interface RequeueOptions {
  /**
   * It comes back because its run died: the next delivery's `deliveryCount` is one higher. Where no
   * broker counts by itself, it comes as if for the first time: not `redelivered`, until that is one
   * delivery later. @default false
   */
  readonly counted?: boolean
  /** Its run did not die, but shall be repeated: what was counted is forgotten. @default false */
  readonly anew?: boolean
}

/**
 * A message in hand: settle it once, by one of `ack`, `reject`, `requeue`, `postpone` and `bury`. Each resolves when the
 * broker was told (they are batched where order allows), and rejects with LeaseLostError when the
 * connection that the message came by is gone: the broker has given it, or will give it, to another.
 */
export interface Delivery {
  readonly message: Message
  /** The queue that it came from. */
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  /** How often a run of it has died before, as far as was counted; 0 at first. */
  readonly deliveryCount: number
  readonly deliveryTag: string | number
  ack(): Promise<void>
  /** Drops it, or dead-letters it where the queue says so. */
  reject(): Promise<void>
  /** Puts it back to the queue. */
  requeue(options?: RequeueOptions): Promise<void>
  /**
   * Puts it aside, to come to its queue again at that time, in milliseconds since 1970: never before,
   * a second or so later. Nobody holds it meanwhile: it survives this worker and needs no memory here.
   */
  postpone(until: number): Promise<void>
  /**
   * For what no worker can read: keeps it aside for people to look at, where the broker has such a
   * place (`<queue>.dead` on Redis); else as `reject`, and the queue's dead-letter exchange gets it.
   */
  bury(): Promise<void>
}
