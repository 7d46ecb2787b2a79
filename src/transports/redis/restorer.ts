/** Gives messages back to their queues: with the mark of having been delivered, and a count when a run died. */

import { decodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import type { Limits } from '../../../protocol/limits.ts'
import type { Headers } from '../../../protocol/message.ts'
import { own } from '../../../protocol/plain.ts'
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
  /** `lost` when its holder is gone: it has died in a run, unless it still waited for its time. */
  readonly count: Count | 'lost'
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
      const { headers, properties } = decodeEnvelope(raw, limits).message
      const priority = properties.priority ?? properties.extra?.['priority']
      const queues = item.queue === undefined ? await lookup(exchange, routingKey) : [item.queue]
      const lists = queues.map((queue) => settings.keys.queue(queue, priority))
      if (isPostponed(item.entry)) return { text: raw, lists }
      const text = markRedelivered(raw)
      const change = count !== 'lost' ? count : waits(headers) ? 'keep' : 'more'
      return { text: countInHeader(text, DELIVERY_COUNT, change), lists }
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

/**
 * A task whose time has not come has not run, so no run of it died: a Python worker holds it all the
 * while, longer than the visibility timeout, and would use up its deliveries with waiting.
 */
function waits(headers: Headers): boolean {
  const eta = own(headers, 'eta')
  return typeof eta === 'string' && Date.parse(eta) > Date.now()
}

/** Where goes what no consumer can read. */
export function deadKey(list: string): string {
  return `${list}.dead`
}

export function* chunks<T>(items: readonly T[], size: number = CHUNK): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
