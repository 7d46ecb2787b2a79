/** Chords in Django's table of chord counters, whose parts may end in Python and in TypeScript. */

import type { Kysely } from 'kysely'
import type { ChordPart, ResultTuple } from '../../../protocol/result.ts'
import { READY_STATES } from '../../../protocol/states.ts'
import type { ChordStore, GroupStore, OpenedChord, ReturnedPart } from '../../results/backend.ts'
import type { Logger } from '../../runtime/log.ts'
import { claimOf, holds } from '../claim.ts'
import {
  changeChord,
  claimChord,
  COMPLETE,
  insertChord,
  lockChord,
  readSubTasks,
  tasksIn,
  type ChordRow,
} from './chord-row.ts'
import type { DjangoDatabase, LaterColumns } from './database.ts'
import { batches, CHORDS, TASKS, type DjangoTables } from './tables.ts'
import { counted, isCounted, markCounted, upsert, type TaskResults } from './task-results.ts'

/** Milliseconds until another may end a chord: to send its body may take half of them. */
const CLAIM_MS = 60_000

export interface DjangoChordsOptions {
  readonly database: DjangoDatabase
  readonly tasks: TaskResults
  readonly groups: GroupStore
  readonly log: Logger
}

/** What came of counting a part. */
type Verdict =
  | { readonly complete: false }
  | { readonly complete: true; readonly members: readonly ResultTuple[] }

const INCOMPLETE: Verdict = { complete: false }

/**
 * A row for each chord, whose count goes down with each part. That alone, as Python does it, takes a
 * part that ends twice for two, and its body never runs. Here a part that was counted is marked, and
 * when the count is 0 it is looked whether all are ready: those that are not are counted on.
 *
 * Python deletes the row and then sends the body: one that dies between them loses it. Here the row
 * stays, claimed by a task, until the body is sent.
 *
 * @see django-celery-results 2.6, backends/database.py, `apply_chord`, `on_chord_part_return`
 */
export class DjangoChords implements ChordStore {
  readonly #options: DjangoChordsOptions
  /** Those that were saved to be joined, and not by their user. */
  readonly #saved = new Set<string>()

  constructor(options: DjangoChordsOptions) {
    this.#options = options
  }

  /** One that is open already was sent before, and is sent again: what was counted stays. */
  async open({ header, size }: OpenedChord): Promise<void> {
    const [[groupId]] = header
    const members = header[1] ?? []
    await this.#transaction('cannot open a chord', async (db) => {
      const row = await this.#lock(db, groupId)
      if (row?.opened) return
      const left = size - (await this.#countedOf(db, tasksIn(members)))
      if (row === undefined) await insertChord(db, groupId, left, members)
      else await changeChord(db, groupId, { count: row.count + left, members })
    })
  }

  async addToChord(groupId: string, parts: number): Promise<void> {
    await this.#transaction('cannot add to a chord', async (db) => {
      const row = await this.#lock(db, groupId)
      if (row === undefined) return insertChord(db, groupId, parts, undefined)
      const count = row.count + parts
      if (row.added) return changeChord(db, groupId, { count })
      const { members } = await readSubTasks(db, groupId)
      await changeChord(db, groupId, { count, members })
    })
  }

  async onChordPartReturn(part: ReturnedPart): Promise<readonly ChordPart[] | undefined> {
    const { groupId } = part
    // asked before: a transaction that asks for another connection may wait for itself
    const columns = await this.#options.database.columns()
    const verdict = await this.#transaction('cannot count a part of a chord', (db) =>
      this.#count(db, part, columns),
    )
    if (!verdict.complete) return undefined
    const { members } = verdict
    if (members.some(([, inner]) => inner !== null)) await this.#save([[groupId, null], members])
    return this.#partsOf(tasksIn(members))
  }

  async endChord(groupId: string): Promise<void> {
    const { database, groups } = this.#options
    await database.retry('cannot end a chord', (db) =>
      db.deleteFrom(CHORDS).where('group_id', '=', groupId).execute(),
    )
    if (this.#saved.delete(groupId)) await groups.forget(groupId)
  }

  async #count(
    db: Kysely<DjangoTables>,
    part: ReturnedPart,
    columns: LaterColumns,
  ): Promise<Verdict> {
    const { groupId, taskId } = part
    // the first statement writes, so that SQLite gives the transaction all of the file
    const isNew = await this.#mark(db, part, columns)
    const row = await this.#lock(db, groupId)
    if (row === undefined) this.#options.log.warning(`Can't find ChordCounter for Group ${groupId}`)
    if (!row?.opened) return INCOMPLETE
    if (row.count >= COMPLETE / 2) return this.#claimAgain(db, part)
    if (!isNew) return INCOMPLETE
    if (row.added) await this.#learn(db, groupId, taskId)
    if (row.count <= 1) return this.#complete(db, part)
    await changeChord(db, groupId, { count: row.count - 1 })
    return INCOMPLETE
  }

  /**
   * Whether the part ends for the first time. Its result is stored already, unless its task ignores
   * it: then it is stored now, as the body has no other way to it.
   */
  async #mark(
    db: Kysely<DjangoTables>,
    part: ReturnedPart,
    columns: LaterColumns,
  ): Promise<boolean> {
    const { tasks, database } = this.#options
    const { taskId, state: status, result } = part
    if (await markCounted(db, database.dialect, taskId)) return true
    const found = await db
      .selectFrom(TASKS)
      .select(['status', 'meta'])
      .where('task_id', '=', taskId)
      .executeTakeFirst()
    if (found !== undefined && READY_STATES.has(found.status)) return !isCounted(found.meta)
    const facts = { traceback: null, children: [], dateDone: null }
    const row = tasks.row({ taskId, status, result, ...facts }, {}, columns)
    await upsert(db, database.dialect, counted(row))
    return !isCounted(found?.meta ?? null)
  }

  /** A part that the header does not know was added to the chord. */
  async #learn(db: Kysely<DjangoTables>, groupId: string, taskId: string): Promise<void> {
    const { members } = await readSubTasks(db, groupId)
    if (tasksIn(members).includes(taskId)) return
    await changeChord(db, groupId, { members: [...members, [[taskId, null], null]] })
  }

  /** The last part as it seems; those that ended twice in Python are not the last. */
  async #complete(db: Kysely<DjangoTables>, part: ReturnedPart): Promise<Verdict> {
    const { groupId } = part
    const { members } = await readSubTasks(db, groupId)
    const waiting = await this.#waitingOf(db, tasksIn(members))
    if (waiting > 0) {
      this.#options.log.warning(
        `Chord ${groupId} is not complete: ${waiting} of its parts are not ready, though all were counted`,
      )
      await changeChord(db, groupId, { count: waiting })
      return INCOMPLETE
    }
    await claimChord(db, groupId, members, { by: claimOf(part), until: Date.now() + CLAIM_MS })
    return { complete: true, members }
  }

  async #claimAgain(db: Kysely<DjangoTables>, part: ReturnedPart): Promise<Verdict> {
    const { groupId } = part
    const { members, claim } = await readSubTasks(db, groupId)
    const isOver = claim === undefined || claim.until <= Date.now()
    if (!isOver && !holds(claim.by, part)) return INCOMPLETE
    await claimChord(db, groupId, members, { by: claimOf(part), until: Date.now() + CLAIM_MS })
    return { complete: true, members }
  }

  async #waitingOf(db: Kysely<DjangoTables>, taskIds: readonly string[]): Promise<number> {
    const ready = new Set<string>()
    for (const batch of batches(taskIds)) {
      const rows = await db
        .selectFrom(TASKS)
        .select('task_id')
        .where('task_id', 'in', batch)
        .where('status', 'in', [...READY_STATES])
        .execute()
      for (const row of rows) ready.add(row.task_id)
    }
    return taskIds.filter((taskId) => !ready.has(taskId)).length
  }

  async #countedOf(db: Kysely<DjangoTables>, taskIds: readonly string[]): Promise<number> {
    let count = 0
    for (const batch of batches(taskIds)) {
      const rows = await db.selectFrom(TASKS).select('meta').where('task_id', 'in', batch).execute()
      count += rows.filter(({ meta }) => isCounted(meta)).length
    }
    return count
  }

  /** So that a header with groups in it is joined in its form. */
  async #save(header: ResultTuple): Promise<void> {
    const { groups } = this.#options
    const [[groupId]] = header
    if ((await groups.restore(groupId)) !== undefined) return
    this.#saved.add(groupId)
    await groups.save(header)
  }

  async #partsOf(taskIds: readonly string[]): Promise<readonly ChordPart[]> {
    const { tasks } = this.#options
    const rows = new Map((await tasks.read(taskIds)).map((row) => [row.task_id, row]))
    return taskIds.flatMap((taskId) => {
      const row = rows.get(taskId)
      if (row === undefined) return []
      const { status: state, result } = tasks.decode(row)
      return { taskId, state, result }
    })
  }

  #lock(db: Kysely<DjangoTables>, groupId: string): Promise<ChordRow | undefined> {
    return lockChord(db, groupId, this.#options.database.dialect !== 'sqlite')
  }

  #transaction<T>(doing: string, work: (db: Kysely<DjangoTables>) => Promise<T>): Promise<T> {
    return this.#options.database.transaction(doing, work)
  }
}
