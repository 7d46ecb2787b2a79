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
}

/** A message that came back because no queue takes it. */
export interface Returned {
  readonly exchange: string
  readonly routingKey: string
  readonly correlationId: string | undefined
  readonly body: Buffer
}

interface Pending extends Publish {
  returned: boolean
}

/** The unconfirmed publishes of one channel; the broker counts them from 1, and so do we. */
export class Confirms {
  readonly #pending = new Map<number, Pending>()
  #last = 0

  get size(): number {
    return this.#pending.size
  }

  /** To be called in the order in which the messages are written. */
  add(publish: Publish): void {
    this.#last += 1
    this.#pending.set(this.#last, { ...publish, returned: false })
  }

  ack(tag: number, multiple: boolean): void {
    for (const pending of this.#take(tag, multiple)) {
      if (!pending.returned) pending.resolve()
      else pending.reject(new UnroutableError(pending.exchange, pending.routingKey))
    }
  }

  nack(tag: number, multiple: boolean): void {
    for (const pending of this.#take(tag, multiple)) {
      pending.reject(new OperationalError('the broker could not take the message (basic.nack)'))
    }
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

  #take(tag: number, multiple: boolean): Pending[] {
    if (!multiple) return this.#remove(tag)
    const taken: Pending[] = []
    // A Map keeps the order of insertion, which is the order of the tags; tag 0 is all of them.
    for (const key of this.#pending.keys()) {
      if (tag !== 0 && key > tag) break
      taken.push(...this.#remove(key))
    }
    return taken
  }

  #remove(tag: number): Pending[] {
    const pending = this.#pending.get(tag)
    this.#pending.delete(tag)
    return pending === undefined ? [] : [pending]
  }
}

function looksLike(pending: Pending, returned: Returned): boolean {
  return (
    pending.mandatory &&
    !pending.returned &&
    pending.routingKey === returned.routingKey &&
    pending.exchange === returned.exchange &&
    pending.message.properties.correlationId === returned.correlationId &&
    pending.message.body.equals(returned.body)
  )
}
