/** Groups and chords in this process, for the memory backend. */

import {
  decodeChordPart,
  decodeGroupMeta,
  encodeChordPart,
  encodeGroupMeta,
  type ChordPart,
  type ResultTuple,
} from '../../../protocol/result.ts'
import type { ChordStore, GroupStore, OpenedChord, ReturnedPart } from '../../results/backend.ts'
import { claimOf, holds } from '../claim.ts'
import type { KeyValue } from '../key-value.ts'

/** Of each kind so many are kept at most; the oldest go first. */
const MAX_GROUPS = 10_000
/** Until another may end a chord. */
const CLAIM_MS = 60_000

interface Counted {
  readonly index: number
  readonly raw: Buffer
}

interface Chord {
  /** By task. */
  readonly parts: Map<string, Counted>
  size: number | undefined
  added: number
  claim: { readonly by: string; readonly until: number } | undefined
}

/** What is shared by all who name the same memory. */
export interface GroupMemory {
  readonly groups: Map<string, Buffer>
  readonly chords: Map<string, Chord>
}

export function groupMemory(): GroupMemory {
  return { groups: new Map(), chords: new Map() }
}

/** Values are kept as bytes, so that what no serializer can write fails here, too. */
export class MemoryGroups implements GroupStore {
  readonly #memory: () => GroupMemory
  readonly #keyValue: KeyValue

  constructor(memory: () => GroupMemory, keyValue: KeyValue) {
    this.#memory = memory
    this.#keyValue = keyValue
  }

  async save(group: ResultTuple): Promise<void> {
    const [[id]] = group
    put(this.#memory().groups, id, this.#keyValue.dumps(encodeGroupMeta(group)))
  }

  async restore(groupId: string): Promise<ResultTuple | undefined> {
    const raw = this.#memory().groups.get(groupId)
    return raw === undefined ? undefined : decodeGroupMeta(this.#keyValue.loads(raw))
  }

  async forget(groupId: string): Promise<void> {
    this.#memory().groups.delete(groupId)
  }
}

/** Counts in the same memory. */
export class MemoryChords implements ChordStore {
  readonly #memory: () => GroupMemory
  readonly #keyValue: KeyValue
  readonly #groups: GroupStore

  constructor(memory: () => GroupMemory, keyValue: KeyValue, groups: GroupStore) {
    this.#memory = memory
    this.#keyValue = keyValue
    this.#groups = groups
  }

  /** A header that holds groups is saved: the parts alone do not tell its order. */
  async open({ header, size }: OpenedChord): Promise<void> {
    const [[id], members] = header
    this.#chord(id).size = size
    if (members?.some(([, inner]) => inner !== null)) await this.#groups.save(header)
  }

  async addToChord(groupId: string, parts: number): Promise<void> {
    this.#chord(groupId).added += parts
  }

  async onChordPartReturn(part: ReturnedPart): Promise<readonly ChordPart[] | undefined> {
    const { groupId, groupIndex, taskId } = part
    const raw = this.#keyValue.dumps(encodeChordPart(part))
    const chord = this.#chord(groupId)
    chord.parts.set(taskId, { index: groupIndex ?? Infinity, raw })
    if (chord.size === undefined || chord.parts.size < chord.size + chord.added) return undefined
    if (!claimed(chord, part)) return undefined
    return [...chord.parts.values()]
      .toSorted((a, b) => a.index - b.index || a.raw.compare(b.raw))
      .map((counted) => decodeChordPart(this.#keyValue.loads(counted.raw)))
  }

  async endChord(groupId: string): Promise<void> {
    this.#memory().chords.delete(groupId)
  }

  #chord(groupId: string): Chord {
    const { chords } = this.#memory()
    const known = chords.get(groupId)
    if (known !== undefined) return known
    const chord: Chord = { parts: new Map(), size: undefined, added: 0, claim: undefined }
    put(chords, groupId, chord)
    return chord
  }
}

function claimed(chord: Chord, part: ReturnedPart): boolean {
  const { claim } = chord
  if (claim !== undefined && claim.until > Date.now() && !holds(claim.by, part)) return false
  chord.claim = { by: claimOf(part), until: Date.now() + CLAIM_MS }
  return true
}

function put<T>(map: Map<string, T>, id: string, value: T): void {
  map.delete(id)
  map.set(id, value)
  const [oldest] = map.keys()
  if (map.size > MAX_GROUPS && oldest !== undefined) map.delete(oldest)
}
