/** Broadcasts: queues of fanout exchanges hear them by publish and subscribe; nothing is kept for the absent. */

import type { Redis } from '../../redis.ts'

type Listener = (payload: string) => void

/** What the server sends to say that keys have changed. @see https://redis.io/docs/latest/develop/reference/client-side-caching/ */
const INVALIDATE = '__redis__:invalidate'

/**
 * The one subscribed connection: of its fanout patterns, and of the server's notes that a list has
 * changed.
 *
 * @see kombu 5.6, transport/redis.py, `Channel._subscribe` and `_receive_one`
 */
export class Subscriber {
  readonly #client: Redis
  readonly #listeners = new Map<string, Set<Listener>>()

  constructor(client: Redis) {
    this.#client = client
    client.on('pmessage', (pattern: string, _channel: string, payload: string) => {
      for (const listener of this.#listeners.get(pattern) ?? []) listener(payload)
    })
  }

  /**
   * Hears when a list that `reader` has read is changed: by whom and in what way does not matter.
   * Resolves to whether the server does this (an access list may forbid it).
   */
  async track(reader: Redis, onChange: () => void): Promise<boolean> {
    try {
      const id = await this.#client.client('ID')
      await this.#client.subscribe(INVALIDATE)
      this.#client.on('message', (channel: string) => {
        if (channel === INVALIDATE) onChange()
      })
      await reader.client('TRACKING', 'ON', 'REDIRECT', id)
      return true
    } catch (error) {
      if (error instanceof Error && /^(ERR|NOPERM)/.test(error.message)) return false
      throw error
    }
  }

  async listen(pattern: string, listener: Listener): Promise<void> {
    const listeners = this.#listeners.get(pattern) ?? new Set()
    this.#listeners.set(pattern, listeners.add(listener))
    await this.#client.psubscribe(pattern)
  }

  async unlisten(pattern: string, listener: Listener): Promise<void> {
    const listeners = this.#listeners.get(pattern)
    if (!listeners?.delete(listener) || listeners.size > 0) return
    this.#listeners.delete(pattern)
    await this.#client.punsubscribe(pattern)
  }
}
