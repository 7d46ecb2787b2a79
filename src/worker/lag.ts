/** Notices when a task blocks the event loop: all others, heartbeats and leases wait meanwhile. */

import type { Logger } from '../runtime/log.ts'
import type { Service } from '../runtime/service.ts'

export interface LagOptions {
  readonly log: Logger
  /** Which tasks run now, for the warning. */
  readonly running: () => Iterable<string>
  /** Seconds of silence that are worth a warning. @default 5 */
  readonly threshold?: number
  /** Milliseconds between two looks. @default 1000 */
  readonly intervalMs?: number
  /** A monotonic clock in milliseconds. @default performance.now */
  readonly now?: () => number
}

/** More names than this say nothing. */
const MAX_NAMES = 5

/** Its timer also keeps the process alive while the worker runs, whatever the transport has open. */
export class LagMonitor implements Service {
  readonly #options: Required<LagOptions>
  #timer: NodeJS.Timeout | undefined
  #last = 0
  /** The culprit has often ended when the loop turns again: who ran at the last look is asked too. */
  #before: readonly string[] = []

  constructor(options: LagOptions) {
    this.#options = { threshold: 5, intervalMs: 1000, now: () => performance.now(), ...options }
  }

  async start(): Promise<void> {
    this.#last = this.#options.now()
    this.#timer ??= setInterval(() => this.look(), this.#options.intervalMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Compares the time that has passed with the time that should have. */
  look(): void {
    const { now, intervalMs, threshold, log, running } = this.#options
    const at = now()
    const lag = (at - this.#last - intervalMs) / 1000
    this.#last = at
    const names = [...new Set([...this.#before, ...first(running())])].slice(0, MAX_NAMES)
    this.#before = first(running())
    if (lag < threshold) return
    const suspects = names.length === 0 ? '' : ` Suspects: ${names.join(', ')}.`
    log.warning(
      `The event loop was blocked for ${lag.toFixed(1)} seconds.${suspects} Every other task, ` +
        'heartbeats and leases waited: divide what computes into parts, or run it elsewhere.',
    )
  }
}

function first(names: Iterable<string>): readonly string[] {
  const found: string[] = []
  for (const name of names) {
    if (found.length === MAX_NAMES) break
    found.push(name)
  }
  return found
}
