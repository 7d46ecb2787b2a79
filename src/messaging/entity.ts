/** Exchanges, queues and bindings as plain values, with the arguments that RabbitMQ knows. */

export type ExchangeType = 'direct' | 'topic' | 'fanout' | 'headers'

export interface Exchange {
  /** `''` is the default exchange, where the routing key is the queue's name. */
  readonly name: string
  readonly type: ExchangeType
  /** @default true */
  readonly durable?: boolean
  /** @default false */
  readonly autoDelete?: boolean
  readonly arguments?: Readonly<Record<string, unknown>>
  /** Never declare it, only use it. @default false */
  readonly passive?: boolean
}

export interface Binding {
  readonly exchange: Exchange
  readonly routingKey: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

export interface Queue {
  readonly name: string
  /** The exchanges that lead here; the first is the one that senders use. */
  readonly bindings: readonly Binding[]
  /** @default true */
  readonly durable?: boolean
  /** @default false */
  readonly exclusive?: boolean
  /** @default false */
  readonly autoDelete?: boolean
  /** `x-…` arguments, such as `x-max-priority`. */
  readonly arguments?: Readonly<Record<string, unknown>>
  /** Expect it to exist, with whatever arguments, and do not declare it. @default false */
  readonly passive?: boolean
}

/** A durable direct queue, with an exchange and a routing key of its own name: what Celery makes for `celery`. */
export function directQueue(name: string, args?: Readonly<Record<string, unknown>>): Queue {
  return {
    name,
    bindings: [{ exchange: { name, type: 'direct' }, routingKey: name }],
    ...(args === undefined ? {} : { arguments: args }),
  }
}
