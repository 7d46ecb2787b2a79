/** Jobs that wait for a slot, in the order they came: a list with constant time at both ends. */

interface Entry<T> {
  readonly value: T
  next: Entry<T> | undefined
}

export class JobQueue<T> {
  #first: Entry<T> | undefined
  #last: Entry<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  push(value: T): void {
    const entry: Entry<T> = { value, next: undefined }
    if (this.#last === undefined) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
    this.#size += 1
  }

  /** To the front: for what was taken, but could not be handed on. */
  unshift(value: T): void {
    this.#first = { value, next: this.#first }
    this.#last ??= this.#first
    this.#size += 1
  }

  shift(): T | undefined {
    const entry = this.#first
    if (entry === undefined) return undefined
    this.#first = entry.next
    if (this.#first === undefined) this.#last = undefined
    this.#size -= 1
    return entry.value
  }

  /** Hands out those in front of which that is true. */
  takeWhile(wanted: (value: T) => boolean): T[] {
    const taken: T[] = []
    for (let entry = this.#first; entry !== undefined && wanted(entry.value); entry = entry.next) {
      taken.push(entry.value)
      this.shift()
    }
    return taken
  }
}
