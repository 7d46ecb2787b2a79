/** Tells a run to end: an AbortController that is made when the first one asks for its signal. */

/** Where listeners of a signal are called. */
export type Surroundings = (abort: () => void) => void

/** A signal that may not have been made yet. */
export interface SignalSource {
  /** The same as the signal's, without making one. */
  readonly aborted: boolean
  readonly signal: AbortSignal
  /**
   * Set by whose signal it is: what a listener throws is thrown once more by Node, where nobody
   * catches it, and can only be told to be his when the listener was called in his surroundings.
   */
  within?: Surroundings
}

/** Most runs end before anybody looks at their signal, which takes Node microseconds to make. */
export class Cancellation implements SignalSource {
  #controller: AbortController | undefined
  within?: Surroundings

  get aborted(): boolean {
    return this.#controller !== undefined && this.#controller.signal.aborted
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /**
   * A signal aborts once; but a hard time limit, or a cold shutdown, must still reach a run that a soft
   * limit has told already. So the signal gets the later reason, and tells it once more.
   */
  abort(reason: Error): void {
    if (this.within === undefined) this.#abort(reason)
    else this.within(() => this.#abort(reason))
  }

  #abort(reason: Error): void {
    this.#controller ??= new AbortController()
    const { signal } = this.#controller
    if (!signal.aborted) return this.#controller.abort(reason)
    Object.defineProperty(signal, 'reason', { value: reason, configurable: true })
    signal.dispatchEvent(new Event('abort'))
  }
}

/** A signal that is there already. */
export function sourceOf(signal: AbortSignal): SignalSource {
  return {
    signal,
    get aborted() {
      return signal.aborted
    },
  }
}
