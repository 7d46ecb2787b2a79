/** The row of a chord: how many of its parts are still to end, and which results they make. */

import { sql, type Kysely } from 'kysely'
import { DecodeError } from '../../../protocol/errors.ts'
import { isPlainObject, own } from '../../../protocol/plain.ts'
import { readResultTuple, type ResultTuple } from '../../../protocol/result.ts'
import { CHORDS, type DjangoTables } from './tables.ts'

/**
 * What stands in `sub_tasks`:
 *
 *     [tuple, …]                                    as Python writes it: the parts are being counted
 *     with a space before it                        parts may have been added
 *     [] with a space before it                     added to, but not opened yet
 *     {"by": run, "until": ms, "sub_tasks": […]}    complete: that run ends it
 *
 * Python reads over the space, and never reads the last form: it reads when the count comes to 0, and
 * that of a complete chord is {@link COMPLETE}.
 */
const ADDED = ' '
const NOT_OPENED = `${ADDED}[]`

/** More parts than any chord has: a Python worker that counts one of them again does no harm. */
export const COMPLETE = 1_073_741_824

/** Who ends a chord whose parts are complete. */
export interface Claim {
  readonly by: string
  /** In milliseconds since 1970: from then on it may be another. */
  readonly until: number
}

export interface ChordRow {
  readonly count: number
  readonly opened: boolean
  /** Whether there may be parts that the header does not know. */
  readonly added: boolean
}

/** Reads a row, and holds it until the transaction ends; SQLite holds them all already. */
export async function lockChord(
  db: Kysely<DjangoTables>,
  groupId: string,
  locking: boolean,
): Promise<ChordRow | undefined> {
  const select = db
    .selectFrom(CHORDS)
    .select(['count', sql<string>`substr(sub_tasks, 1, 3)`.as('head')])
    .where('group_id', '=', groupId)
  const row = await (locking ? select.forUpdate() : select).executeTakeFirst()
  if (row === undefined) return undefined
  const { count, head } = row
  return { count, opened: head !== NOT_OPENED, added: head.startsWith(ADDED) }
}

export async function insertChord(
  db: Kysely<DjangoTables>,
  groupId: string,
  count: number,
  members: readonly ResultTuple[] | undefined,
): Promise<void> {
  const subTasks = members === undefined ? NOT_OPENED : JSON.stringify(members)
  const row = { group_id: groupId, count: Math.max(0, count), sub_tasks: subTasks }
  await db.insertInto(CHORDS).values(row).execute()
}

export interface ChordChange {
  readonly count?: number
  /** Written anew, as those of a chord that was added to. */
  readonly members?: readonly ResultTuple[]
}

export async function changeChord(
  db: Kysely<DjangoTables>,
  groupId: string,
  { count, members }: ChordChange,
): Promise<void> {
  const changes = {
    ...(count !== undefined && { count: Math.max(0, count) }),
    ...(members !== undefined && { sub_tasks: ADDED + JSON.stringify(members) }),
  }
  await db.updateTable(CHORDS).set(changes).where('group_id', '=', groupId).execute()
}

/** The results that the parts make, and who ends the chord when they are complete. */
export async function readSubTasks(
  db: Kysely<DjangoTables>,
  groupId: string,
): Promise<{ readonly members: readonly ResultTuple[]; readonly claim?: Claim }> {
  const row = await db
    .selectFrom(CHORDS)
    .select('sub_tasks')
    .where('group_id', '=', groupId)
    .executeTakeFirstOrThrow()
  const value = parse(row.sub_tasks, groupId)
  if (!isPlainObject(value)) return { members: readMembers(value) }
  const [by, until] = [own(value, 'by'), own(value, 'until')]
  const members = readMembers(own(value, 'sub_tasks'))
  if (typeof by !== 'string' || typeof until !== 'number') return { members }
  return { members, claim: { by, until } }
}

/** The chord is complete, and somebody is to end it. */
export async function claimChord(
  db: Kysely<DjangoTables>,
  groupId: string,
  members: readonly ResultTuple[],
  { by, until }: Claim,
): Promise<void> {
  const changes = {
    count: COMPLETE,
    sub_tasks: JSON.stringify({ by, until, sub_tasks: members }),
  }
  await db.updateTable(CHORDS).set(changes).where('group_id', '=', groupId).execute()
}

/** The ids of the tasks in a header, in its order. */
export function tasksIn(members: readonly ResultTuple[]): readonly string[] {
  return members.flatMap(([[id], inner]) => (inner === null ? id : tasksIn(inner)))
}

function readMembers(value: unknown): readonly ResultTuple[] {
  if (!Array.isArray(value)) throw new DecodeError('the sub_tasks of a chord are not a list')
  return value.map((member) => readResultTuple(member))
}

function parse(text: string, groupId: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const message = `the sub_tasks of the chord ${groupId.slice(0, 256)} are not JSON`
    throw new DecodeError(message, { cause })
  }
}
