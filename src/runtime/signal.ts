/** A hook that others may connect to; what they throw is logged and stops nobody. */

import type { Logger } from './log.ts'

export type Receiver<T> = (payload: T) => void | Promise<void>

export interface ConnectOptions {
  /** Hear only what comes from this sender: a task's name, a worker's node name. */
  readonly sender?: string
}

interface Connection<T> {
  readonly receiver: Receiver<T>
  readonly sender: string | undefined
}

/**
 * Unlike Celery's, receivers are held until they are disconnected: a function has no other owner here.
 *
 * @see celery 5.6, utils/dispatch/signal.py, `Signal`
 */
export class Signal<T> {
  readonly name: string
  /** Replaced when it changes, so that a receiver may disconnect while it is called. */
  #connections: readonly Connection<T>[] = []

  constructor(name: string) {
    this.name = name
  }

  /** Whether anybody listens; ask before a payload is made. */
  get active(): boolean {
    return this.#connections.length > 0
  }

  /** Calls the receiver at each send, until the returned function is called. */
  connect(receiver: Receiver<T>, { sender }: ConnectOptions = {}): () => void {
    const connection = { receiver, sender }
    this.#connections = [...this.#connections, connection]
    return () => {
      this.#connections = this.#connections.filter((other) => other !== connection)
    }
  }

  /** Whether the receiver was connected. */
  disconnect(receiver: Receiver<T>): boolean {
    const before = this.#connections.length
    this.#connections = this.#connections.filter((other) => other.receiver !== receiver)
    return this.#connections.length < before
  }

  /** Calls who listens, one after another; resolves when all are done, whatever they threw. */
  async send(sender: string, payload: T, log: Logger): Promise<void> {
    for (const { receiver, sender: wanted } of this.#connections) {
      if (wanted !== undefined && wanted !== sender) continue
      try {
        await receiver(payload)
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
        log.error(`Signal handler ${receiver.name || 'anonymous'} of ${this.name} raised: ${text}`)
      }
    }
  }
}
