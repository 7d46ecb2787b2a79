/** The brokers of a connection, in the order in which they are tried. */

import type { Transport } from './transport.ts'

/** @see celery 5.6, `broker_failover_strategy` */
export type FailoverStrategy = 'round-robin' | 'shuffle'

export class Brokers {
  readonly #transports: readonly Transport[]
  readonly #strategy: FailoverStrategy
  #order: readonly Transport[]
  #next = 0

  /** @param transports one at least */
  constructor(transports: readonly Transport[], strategy: FailoverStrategy = 'round-robin') {
    this.#transports = transports
    this.#strategy = strategy
    this.#order = transports
  }

  get count(): number {
    return this.#order.length
  }

  /** The one to be tried first. */
  get current(): Transport {
    return this.#order[this.#next] as Transport
  }

  /** The current one has failed. */
  failOver(): void {
    this.#next = (this.#next + 1) % this.#order.length
  }

  /** A connection is to be opened. */
  reorder(): void {
    if (this.#strategy !== 'shuffle' || this.count < 2) return
    this.#order = shuffled(this.#transports)
    this.#next = 0
  }
}

function shuffled(transports: readonly Transport[]): Transport[] {
  const keyed = transports.map((transport) => [Math.random(), transport] as const)
  return keyed.toSorted(([a], [b]) => a - b).map(([, transport]) => transport)
}
