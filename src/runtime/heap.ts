/** A binary heap: what comes first is at hand, and anything can be taken out of it. */

export interface HeapEntry {
  /** Its place, kept by the heap that it is in; -1 when it is in none. */
  index: number
}

export class Heap<T extends HeapEntry> {
  readonly #entries: T[] = []
  readonly #before: (a: T, b: T) => boolean

  /** @param before whether `a` comes before `b`; of two equals neither does */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#entries.length
  }

  /** The entry that no other comes before. */
  get first(): T | undefined {
    return this.#entries[0]
  }

  add(entry: T): void {
    entry.index = this.#entries.length
    this.#entries.push(entry)
    this.#up(entry)
  }

  /** Takes an entry out; returns whether it was here. */
  delete(entry: T): boolean {
    const { index } = entry
    if (this.#entries[index] !== entry) return false
    const last = this.#entries.pop()
    if (last !== undefined && last !== entry) {
      this.#put(last, index)
      this.#up(last)
      this.#down(last)
    }
    entry.index = -1
    return true
  }

  clear(): void {
    for (const entry of this.#entries) entry.index = -1
    this.#entries.length = 0
  }

  #up(entry: T): void {
    while (entry.index > 0) {
      const parent = this.#entries[(entry.index - 1) >> 1]
      if (parent === undefined || !this.#before(entry, parent)) return
      this.#swap(entry, parent)
    }
  }

  #down(entry: T): void {
    for (;;) {
      const left = this.#entries[2 * entry.index + 1]
      const right = this.#entries[2 * entry.index + 2]
      const sooner = left !== undefined && right !== undefined && this.#before(right, left)
      const child = sooner ? right : left
      if (child === undefined || !this.#before(child, entry)) return
      this.#swap(child, entry)
    }
  }

  #swap(a: T, b: T): void {
    const { index } = a
    this.#put(a, b.index)
    this.#put(b, index)
  }

  #put(entry: T, index: number): void {
    this.#entries[index] = entry
    entry.index = index
  }
}
