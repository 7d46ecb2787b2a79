/** Who holds what on Redis: a connection, which the server itself says is there or is not. */

import { redisFault, type Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'

/** One connection of one run of a server. */
export interface Owner {
  readonly runId: string
  /** The server's number for the connection: never given twice in one run. */
  readonly client: string
}

/** What stands in Redis. */
export function ownerId({ runId, client }: Owner): string {
  return `${runId}:${client}`
}

function readOwner(id: string): Owner {
  const [runId = '', client = ''] = id.split(':')
  return { runId, client }
}

/**
 * Our own name, and which of the others are gone. A process that hangs, is frozen or computes keeps its
 * connection and with it what it holds, until the visibility timeout; one that died loses both at once.
 *
 * Where the server does not answer such questions (an access list, a proxy) nobody is named, and only
 * the visibility timeout gives back what was held.
 */
export class Ownership {
  readonly #client: Redis
  readonly #logger: Logger
  #identifying: Promise<void> | undefined
  #owner: Owner | undefined
  #refused = false

  constructor(client: Redis, logger: Logger) {
    this.#client = client
    this.#logger = logger
  }

  get owner(): Owner | undefined {
    return this.#owner
  }

  /** `''` while, and where, there is none. */
  get id(): string {
    return this.#owner === undefined ? '' : ownerId(this.#owner)
  }

  /** Asks who we are; once. Must be done before anything is taken. */
  identify(): Promise<void> {
    this.#identifying ??= this.#identify()
    return this.#identifying
  }

  /** Which of the owners have no connection to this server any more. */
  async missing(ids: readonly string[]): Promise<readonly string[]> {
    const own = this.#owner
    if (own === undefined || this.#refused) return []
    const others = ids.filter((id) => id !== this.id)
    const near = others.filter((id) => readOwner(id).runId === own.runId)
    const clients = [own, ...near.map(readOwner)].map(({ client }) => client)
    const list = await this.#ask(() => this.#client.call('CLIENT', 'LIST', 'ID', ...clients))
    const present = new Set(typeof list === 'string' ? list.match(/(?<=^id=)\d+/gm) : [])
    if (present.has(own.client)) {
      return others.filter((id) => !near.includes(id) || !present.has(readOwner(id).client))
    }
    this.#refused = true
    return []
  }

  /** Makes sure that a lost connection of ours does nothing more: the server may not know that it is lost. */
  async kill({ runId, client }: Owner): Promise<void> {
    await this.identify()
    if (runId !== this.#owner?.runId) return
    await this.#ask(() => this.#client.call('CLIENT', 'KILL', 'ID', client))
  }

  async #identify(): Promise<void> {
    const [info, client] = await Promise.all([
      this.#ask(() => this.#client.info('server')),
      this.#ask(() => this.#client.client('ID')),
    ])
    const runId = typeof info === 'string' ? /^run_id:(\w+)\r?$/m.exec(info)?.[1] : undefined
    if (runId !== undefined && typeof client === 'number') {
      this.#owner = { runId, client: String(client) }
    }
  }

  /** The reply, or undefined when the server refuses. */
  async #ask(question: () => Promise<unknown>): Promise<unknown> {
    try {
      return await question()
    } catch (error) {
      if (redisFault(error) !== 'refused') throw error
      this.#logger.debug(`the server does not say who is connected: ${String(error)}`)
      return undefined
    }
  }
}
