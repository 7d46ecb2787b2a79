/** Counts children that end by themselves before they were of use: the next come slower, then no more. */

/** So many in a row, and there is no sense in another. */
const MAX_FAILURES = 5
/** A child that lived as long as this is none of those. */
const STABLE_MS = 10_000
/** Seconds before the next is tried, doubled each time. */
const FIRST_BACKOFF = 0.1
const MAX_BACKOFF = 10

export class CrashLoop {
  #failures = 0

  /** A child was of use. */
  reset(): void {
    this.#failures = 0
  }

  /**
   * One more has ended.
   *
   * @param upSince when it came up, on the clock of `performance.now()`; undefined when it never did
   * @returns seconds to wait before the next
   */
  add(upSince: number | undefined): number {
    const stable = upSince !== undefined && performance.now() - upSince > STABLE_MS
    this.#failures = stable ? 1 : this.#failures + 1
    return Math.min(FIRST_BACKOFF * 2 ** (this.#failures - 1), MAX_BACKOFF)
  }

  get hopeless(): boolean {
    return this.#failures >= MAX_FAILURES
  }
}
