/** A message in hand from Redis: settled once, by its lease or, where there is none, at once. */

import type { Envelope } from '../../../protocol/virtual/envelope.ts'
import type { Count } from '../../../protocol/virtual/unacked.ts'
import type { Message } from '../../../protocol/message.ts'
import { LeaseLostError } from '../../errors.ts'
import { deliveryCountOf } from '../../messaging/delivery-count.ts'
import type { Delivery, RequeueOptions } from '../../messaging/transport.ts'

export type Outcome =
  | { readonly how: 'ack' | 'reject' | 'bury' }
  | { readonly how: 'requeue'; readonly count: Count }
  /** Milliseconds since 1970. */
  | { readonly how: 'postpone'; readonly until: number }

const ACK: Outcome = { how: 'ack' }
const REJECT: Outcome = { how: 'reject' }
const BURY: Outcome = { how: 'bury' }

/** Tells the server; resolves to whether the message was still ours. */
export type Settle = (outcome: Outcome) => Promise<boolean>

export class RedisDelivery implements Delivery {
  readonly message: Message
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  readonly deliveryCount: number
  readonly deliveryTag: string | number
  readonly #settle: Settle

  constructor(queue: string, envelope: Envelope, settle: Settle) {
    this.message = envelope.message
    this.queue = queue
    this.exchange = envelope.exchange
    this.routingKey = envelope.routingKey
    this.redelivered = envelope.redelivered
    this.deliveryCount = deliveryCountOf(envelope.message)
    this.deliveryTag = envelope.deliveryTag
    this.#settle = settle
  }

  ack(): Promise<void> {
    return this.#end(ACK)
  }

  reject(): Promise<void> {
    return this.#end(REJECT)
  }

  requeue({ counted, anew }: RequeueOptions = {}): Promise<void> {
    return this.#end({ how: 'requeue', count: counted ? 'more' : anew ? 'none' : 'keep' })
  }

  bury(): Promise<void> {
    return this.#end(BURY)
  }

  postpone(until: number): Promise<void> {
    return this.#end({ how: 'postpone', until })
  }

  #end(outcome: Outcome): Promise<void> {
    return this.#settle(outcome).then((ours) => {
      if (ours) return
      throw new LeaseLostError(
        `message ${String(this.deliveryTag)} of queue '${this.queue}' is no longer ours: ` +
          'its visibility timeout passed or its connection was lost, and it was given to another',
      )
    })
  }
}
