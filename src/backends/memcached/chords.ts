/** Counts the parts of chords in Memcached by Celery's counter, each part once. */

import type { ChordPart, ResultMeta, ResultTuple } from '../../../protocol/result.ts'
import { READY_STATES } from '../../../protocol/states.ts'
import { NotSupported } from '../../errors.ts'
import type { ChordStore, GroupStore, OpenedChord, ReturnedPart } from '../../results/backend.ts'
import type { Logger } from '../../runtime/log.ts'
import { claimOf, holds } from '../claim.ts'
import type { KeyValue } from '../key-value.ts'
import type { MemcachedServers } from './servers.ts'

/** Seconds until another may end a chord: to send its body may take half of them. */
const CLAIM_SECONDS = 60
const ONE = Buffer.from('1')

export interface MemcachedChordsOptions {
  readonly servers: MemcachedServers
  readonly groups: GroupStore
  readonly keyValue: KeyValue
  readonly log: Logger
  readonly fetchMany: (taskIds: readonly string[]) => Promise<readonly ResultMeta[]>
  readonly retry: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * Celery counts what ends, and takes the results from where they are stored. Here each task leaves a
 * mark before it is counted, so that one that comes again does not count again.
 *
 * @see celery 5.6, backends/base.py, `BaseKeyValueStoreBackend.on_chord_part_return`
 */
export class MemcachedChords implements ChordStore {
  readonly #options: MemcachedChordsOptions

  constructor(options: MemcachedChordsOptions) {
    this.#options = options
  }

  /** The counter is there before the group, as in Celery; the size stands beside it, so that not each part reads the group. */
  async open({ header, size }: OpenedChord): Promise<void> {
    const { servers, groups, keyValue, retry } = this.#options
    const [[id]] = header
    await retry(() => servers.set(this.#counter(id), Buffer.from('0')))
    await retry(() => servers.set(keyValue.keys.chordSize(id), Buffer.from(String(size))))
    await groups.save(header)
  }

  /** In the words of Celery. @see celery 5.6, backends/base.py, `Backend.add_to_chord` */
  async addToChord(): Promise<void> {
    throw new NotSupported('Backend does not support add_to_chord')
  }

  async onChordPartReturn(part: ReturnedPart): Promise<readonly ChordPart[] | undefined> {
    const { groupId, taskId } = part
    const { servers, groups, retry } = this.#options
    const isFirst = await retry(() => servers.add(this.#mark(groupId, taskId), ONE))
    if (isFirst && !(await this.#isLast(groupId))) return undefined
    const group = await groups.restore(groupId)
    if (group === undefined) return this.#gone(groupId)
    const metas = await this.#options.fetchMany(idsOf(group))
    const ready = metas.filter(({ status }) => READY_STATES.has(status))
    // counted, but perhaps not to the end: what is stored tells
    if (!isFirst && ready.length < metas.length) return undefined
    if (!(await this.#claim(part))) return undefined
    return ready.map(({ taskId: id, status, result }) => ({ taskId: id, state: status, result }))
  }

  async endChord(groupId: string): Promise<void> {
    const { servers, groups, keyValue, retry } = this.#options
    const { keys } = keyValue
    const group = await groups.restore(groupId)
    const marks = group === undefined ? [] : idsOf(group).map((id) => this.#mark(groupId, id))
    const own = [
      this.#counter(groupId),
      keys.group(groupId),
      keys.chordSize(groupId),
      keys.chordClaim(groupId),
    ]
    await retry(() => Promise.all([...own, ...marks].map((key) => servers.delete(key))))
  }

  /** Counts a part; whether it was the last. What Python opened has no size but that of its group. */
  async #isLast(groupId: string): Promise<boolean> {
    const { servers, groups, keyValue, retry } = this.#options
    const count = await retry(() => servers.incr(this.#counter(groupId)))
    if (count === undefined) return this.#gone(groupId) ?? false
    const [size] = await retry(() => servers.getMany([keyValue.keys.chordSize(groupId)]))
    const members = size === undefined ? (await groups.restore(groupId))?.[1] : undefined
    if (count === (size === undefined ? members?.length : Number(size))) return true
    await retry(() => servers.touch(this.#counter(groupId)))
    return false
  }

  #gone(groupId: string): undefined {
    const id = groupId.slice(0, 256)
    this.#options.log.warning(`GroupResult ${id} no longer exists: is its chord over?`)
  }

  async #claim(part: ReturnedPart): Promise<boolean> {
    const { servers, keyValue, retry } = this.#options
    const key = keyValue.keys.chordClaim(part.groupId)
    const claim = Buffer.from(claimOf(part))
    if (await retry(() => servers.add(key, claim, CLAIM_SECONDS))) return true
    const [held] = await retry(() => servers.getMany([key]))
    if (held === undefined || !holds(held.toString(), part)) return false
    await retry(() => servers.set(key, claim, CLAIM_SECONDS))
    return true
  }

  #counter(groupId: string): string {
    return this.#options.keyValue.keys.chordUnlock(groupId)
  }

  /** Ours: beside the other keys of the group. */
  #mark(groupId: string, taskId: string): string {
    return `${this.#counter(groupId)}.${taskId}`
  }
}

function idsOf([[id], members]: ResultTuple): readonly string[] {
  return members === null ? [id] : members.flatMap(idsOf)
}
