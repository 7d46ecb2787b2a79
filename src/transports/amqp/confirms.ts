/** Which published messages the broker has not answered yet, and what its answers mean. */

import type { Message } from '../../../protocol/message.ts'
import { OperationalError, UnroutableError } from '../../errors.ts'

export interface Publish {
  readonly message: Message
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /** It came back: no queue takes it. */
  returned?: boolean
}

/** A message that came back because no queue takes it. */
export interface Returned {
  readonly exchange: string
  readonly routingKey: string
  readonly correlationId: string | undefined
  readonly body: Buffer
}

/** The unconfirmed publishes of one channel; the broker counts them from 1, and so do we. */
export class Confirms {
  readonly #pending = new Map<number, Publish>()
  #last = 0

  get size(): number {
    return this.#pending.size
  }

  /** To be called in the order in which the messages are written. */
  add(publish: Publish): void {
    this.#last += 1
    this.#pending.set(this.#last, publish)
  }

  ack(tag: number, multiple: boolean): void {
    this.#settle(tag, multiple, (publish) => {
      if (!publish.returned) publish.resolve()
      else publish.reject(new UnroutableError(publish.exchange, publish.routingKey))
    })
  }

  nack(tag: number, multiple: boolean): void {
    this.#settle(tag, multiple, ({ reject }) => {
      reject(new OperationalError('the broker could not take the message (basic.nack)'))
    })
  }

  /**
   * `basic.return` comes before the message's ack and names no tag. Of messages that look the same
   * any one will do; they come back in the order in which they were sent.
   */
  return(returned: Returned): void {
    for (const pending of this.#pending.values()) {
      if (!looksLike(pending, returned)) continue
      pending.returned = true
      return
    }
  }

  /** Settles all that are left, when the channel is gone. */
  fail(reason: (publish: Publish) => Error): void {
    const left = [...this.#pending.values()]
    this.#pending.clear()
    for (const pending of left) pending.reject(reason(pending))
  }

  #settle(tag: number, multiple: boolean, settle: (publish: Publish) => void): void {
    if (!multiple) {
      const publish = this.#pending.get(tag)
      if (publish !== undefined && this.#pending.delete(tag)) settle(publish)
      return
    }
    // A Map keeps the order of insertion, which is the order of the tags; tag 0 is all of them.
    for (const [key, publish] of this.#pending) {
      if (tag !== 0 && key > tag) break
      this.#pending.delete(key)
      settle(publish)
    }
  }
}

function looksLike(pending: Publish, returned: Returned): boolean {
  return (
    pending.mandatory &&
    !pending.returned &&
    pending.routingKey === returned.routingKey &&
    pending.exchange === returned.exchange &&
    pending.message.properties.correlationId === returned.correlationId &&
    pending.message.body.equals(returned.body)
  )
}
