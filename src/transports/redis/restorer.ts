/** Gives messages back to their queues: with the mark of having been delivered, or a count of the runs that died. */

import { decodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import type { Limits } from '../../../protocol/limits.ts'
import {
  countInHeader,
  decodeUnacked,
  isPostponed,
  markRedelivered,
  type Count,
} from '../../../protocol/virtual/unacked.ts'
import { DELIVERY_COUNT } from '../../messaging/delivery-count.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import { leaseKeys, type RedisTransportSettings } from './options.ts'
import { run } from './script.ts'
import { RESTORE } from './scripts.ts'

export interface RestorerOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly limits: Limits
  readonly logger: Logger
  /** The queues that an exchange's message goes to. */
  readonly lookup: (exchange: string, routingKey: string) => Promise<readonly string[]>
}

/** What goes back. */
export interface Restored {
  readonly tag: string
  readonly score: string
  readonly entry: string
  /** Where it came from, when we know; else its exchange and routing key say it. */
  readonly queue?: string | undefined
}

/** Where a message goes back to: `L` is the end of the line, `R` its front. */
export type Side = 'LPUSH' | 'RPUSH'

export interface RestoreOptions {
  readonly side: Side
  /** Who held it; `''` when nobody, or when it is not known. */
  readonly owner: string
  readonly count: Count
}

interface Destination {
  readonly text: string
  readonly lists: readonly string[]
}

/** How many messages one script gives back. */
const CHUNK = 250

/** @see kombu 5.6, transport/redis.py, `QoS.restore_by_tag` and `Channel._do_restore_message` */
export class Restorer {
  readonly #options: RestorerOptions

  constructor(options: RestorerOptions) {
    this.#options = options
  }

  /** Pushes them in this order; resolves to the tags whose lease is another's or gone. */
  async restore(
    found: readonly Restored[],
    { side, owner, count }: RestoreOptions,
  ): Promise<readonly string[]> {
    const { client, settings } = this.#options
    const lost: string[] = []
    for (const chunk of chunks(found)) {
      const keys = leaseKeys(settings, owner)
      const args: (string | number)[] = [owner, side]
      for (const item of chunk) {
        const { text, lists } = await this.#destination(item, count)
        keys.push(...lists)
        args.push(item.tag, item.score, text, lists.length)
      }
      lost.push(...((await run(client, RESTORE, keys, args)) as string[]))
    }
    return lost
  }

  /** The text that goes back, and to which lists: there is always one, nothing is dropped. */
  async #destination(item: Restored, count: RestoreOptions['count']): Promise<Destination> {
    const { limits, lookup, settings } = this.#options
    try {
      const { raw, exchange, routingKey } = decodeUnacked(item.entry)
      const { properties } = decodeEnvelope(raw, limits).message
      const priority = properties.priority ?? properties.extra?.['priority']
      const queues = item.queue === undefined ? await lookup(exchange, routingKey) : [item.queue]
      const lists = queues.map((queue) => settings.keys.queue(queue, priority))
      if (isPostponed(item.entry)) return { text: raw, lists }
      return { text: returned(raw, count), lists }
    } catch (error) {
      return this.#dead(item, error)
    }
  }

  #dead({ tag, entry }: Restored, error: unknown): Destination {
    if (!(error instanceof Error) || !('code' in error) || error.code === 'ERR_OPERATIONAL')
      throw error
    const dead = deadKey(this.#options.settings.keys.unacked)
    this.#options.logger.error(
      `cannot restore message ${tag}: moved its record to the list '${dead}': ${error.message}`,
    )
    return { text: entry, lists: [dead] }
  }
}

/** What comes back counted tells by its count that it was delivered before: the mark would have it counted again. */
export function returned(raw: string, count: Count): string {
  const text = countInHeader(raw, DELIVERY_COUNT, count)
  return markRedelivered(text, count !== 'more')
}

/** Where goes what no consumer can read. */
export function deadKey(list: string): string {
  return `${list}.dead`
}

export function* chunks<T>(items: readonly T[], size: number = CHUNK): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
