/** Takes messages off queues in one step, leased, with what they must be told apart by. */

import type { Redis } from '../../redis.ts'
import { FETCH } from './fetch-script.ts'
import { leaseKeys, type RedisTransportSettings } from './options.ts'
import { deadKey } from './restorer.ts'
import { run } from './script.ts'

/** A queue that is consumed from. */
export interface Source {
  readonly queue: string
  /** Whether what is taken is leased until it is settled. */
  readonly lease: boolean
}

/** One message, taken. */
export interface Taken {
  readonly queue: string
  /** The name of its lease. */
  readonly tag: string
  /** The score of its lease; `''` when it has none. */
  readonly score: string
  readonly raw: string
}

/** An item that was no message: it lies in the dead list now. */
export interface Dead {
  readonly queue: string
  readonly reason: string
  readonly bytes: number
}

export interface Fetched {
  readonly taken: readonly Taken[]
  readonly dead: readonly Dead[]
  /** Whether there may be more to take at once. */
  readonly more: boolean
}

/** The most that one script takes: it holds up the server for about as many hundredths of a millisecond. */
export const MOST = 100
/** Bytes after which a script takes no more. */
const MOST_BYTES = 8 * 1024 * 1024

export interface FetchOptions {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  /** Under whose name leases are written down; `''` for nobody's. */
  readonly owner: string
  /** Their order is the order of their turns. */
  readonly sources: readonly Source[]
}

/** Up to `limit` messages of the queues. */
export async function fetch(
  { client, settings, owner, sources }: FetchOptions,
  limit: number,
): Promise<Fetched> {
  const { keys } = settings
  const lists = sources.flatMap(({ queue }) => [...keys.steps(queue), deadKey(keys.queue(queue))])
  const rotate = settings.queueOrderStrategy === 'round_robin' ? 1 : 0
  const shape = [
    Math.min(limit, MOST),
    MOST_BYTES,
    sources.length,
    keys.prioritySteps.length,
    rotate,
  ]
  const leases = sources.map(({ lease }) => (lease ? 1 : 0))
  const args = [owner, settings.ownerExpires, ...shape, ...leases]
  const reply = await run(client, FETCH, [...leaseKeys(settings, owner), ...lists], args)
  const [score, items, dead, more] = reply as [string, unknown[], unknown[], string]
  return {
    taken: readTaken(sources, score, items),
    dead: readDead(sources, dead),
    more: more === '1',
  }
}

function readTaken(sources: readonly Source[], score: string, items: readonly unknown[]): Taken[] {
  const taken: Taken[] = []
  for (let i = 0; i < items.length; i += 3) {
    const source = sources[Number(items[i]) - 1]
    if (source === undefined) continue
    const { queue, lease } = source
    taken.push({
      queue,
      tag: String(items[i + 1]),
      raw: String(items[i + 2]),
      score: lease ? score : '',
    })
  }
  return taken
}

function readDead(sources: readonly Source[], items: readonly unknown[]): Dead[] {
  const dead: Dead[] = []
  for (let i = 0; i < items.length; i += 3) {
    const queue = sources[Number(items[i]) - 1]?.queue ?? ''
    dead.push({ queue, reason: String(items[i + 1]), bytes: Number(items[i + 2]) })
  }
  return dead
}

/** What the log says of an item that was no message; never what is in it. */
export function describeDead({ queue, reason, bytes }: Dead): string {
  const what = bytes > 0 ? `${reason}, ${bytes} bytes` : reason
  return `queue '${queue}' held an item that is no message (${what}): moved to the list '${deadKey(queue)}'`
}
