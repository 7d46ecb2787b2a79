/** A number of slots, taken and given back; who finds none stands in line until called. */

export class Semaphore {
  readonly #slots: number
  readonly #line = new Set<() => void>()
  readonly #idle = new Set<() => void>()
  #taken = 0

  constructor(slots: number) {
    this.#slots = slots
  }

  get taken(): number {
    return this.#taken
  }

  tryAcquire(): boolean {
    if (this.#taken >= this.#slots || this.#line.size > 0) return false
    this.#taken += 1
    return true
  }

  /** Calls `enter`, with a slot taken for it, when it is its turn: perhaps at once. */
  acquire(enter: () => void): void {
    if (this.tryAcquire()) enter()
    else this.#line.add(enter)
  }

  /** Leaves the line. */
  leave(enter: () => void): void {
    this.#line.delete(enter)
  }

  /** Hands the slot to the one who waits longest. */
  release(): void {
    for (const enter of this.#line) {
      this.#line.delete(enter)
      return enter()
    }
    this.#taken -= 1
    if (this.#taken > 0) return
    for (const resolve of this.#idle) resolve()
    this.#idle.clear()
  }

  /** Resolves when all slots are free. */
  idle(): Promise<void> {
    if (this.#taken === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.add(resolve))
  }
}
