/** A Lamport clock: counts what happens, so that messages of several machines can be put in order. */

/** @see kombu 5.6, clocks.py, `LamportClock` */
export class LamportClock {
  #value = 0

  get value(): number {
    return this.#value
  }

  /** Something happened here. */
  forward(): number {
    this.#value += 1
    return this.#value
  }

  /** Something was heard that happened elsewhere. */
  adjust(other: number): number {
    this.#value = Math.max(this.#value, other) + 1
    return this.#value
  }
}
