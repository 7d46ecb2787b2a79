/** First in, first out, in constant time; what was given back goes in front again. */

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  unshift(item: T): void {
    if (this.#head === 0) {
      // As much room in front as there are items, so that the next ones need not be moved again.
      this.#head = Math.max(this.#items.length, 16)
      this.#items = [...Array.from({ length: this.#head }, () => undefined), ...this.#items]
    }
    this.#head -= 1
    this.#items[this.#head] = item
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (this.size === 0) return undefined
    this.#items[this.#head] = undefined
    this.#head += 1
    if (this.#head > 1024 && this.#head > this.#items.length * 0.75) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
