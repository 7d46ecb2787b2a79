/** Gathers what is asked for within one turn of the event loop, to send it as one. */

/** Items that are added in the same turn are flushed together; all get the one outcome. */
export class Batch<T, R> {
  readonly #flush: (items: readonly T[]) => Promise<R>
  readonly #limit: number
  #items: T[] = []
  #outcome: Promise<R> | undefined
  #pending = new Set<Promise<unknown>>()

  constructor(flush: (items: readonly T[]) => Promise<R>, limit = 500) {
    this.#flush = flush
    this.#limit = limit
  }

  add(item: T): Promise<R> {
    if (this.#outcome === undefined || this.#items.length >= this.#limit) return this.#open(item)
    this.#items.push(item)
    return this.#outcome
  }

  /** Resolves when all that was added is settled, one way or the other. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }

  #open(first: T): Promise<R> {
    const items = [first]
    this.#items = items
    const outcome = turn().then(() => {
      if (this.#items === items) this.#outcome = undefined
      return this.#flush(items)
    })
    this.#outcome = outcome
    this.#pending.add(outcome)
    const done = (): boolean => this.#pending.delete(outcome)
    outcome.then(done, done)
    return outcome
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
