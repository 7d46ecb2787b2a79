/** A number of slots, taken and given back; who finds none waits in line. */

import { reasonOf } from '../runtime/retry.ts'

export class Semaphore {
  readonly #slots: number
  readonly #waiting = new Set<() => void>()
  readonly #idle = new Set<() => void>()
  #taken = 0

  constructor(slots: number) {
    this.#slots = slots
  }

  get taken(): number {
    return this.#taken
  }

  tryAcquire(): boolean {
    if (this.#taken >= this.#slots || this.#waiting.size > 0) return false
    this.#taken += 1
    return true
  }

  /** @throws the signal's reason when it aborts before there is a slot */
  acquire(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal))
    if (this.tryAcquire()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter)
        reject(reasonOf(signal))
      }
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** Hands the slot to the one who waits longest. */
  release(): void {
    for (const enter of this.#waiting) {
      this.#waiting.delete(enter)
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
