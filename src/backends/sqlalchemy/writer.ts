/** Stores rows of tasks: one insert for all that wait, and a stored SUCCESS stays. */

import { sql, type Kysely, type RawBuilder } from 'kysely'
import { BackendError } from '../../errors.ts'
import { SUCCESS } from '../../../protocol/states.ts'
import type { NewTaskRow } from './rows.ts'
import type { Schema, Tables } from './schema.ts'

/** What one insert may carry. */
const MAX_BATCH = 100
const MAX_BATCH_BYTES = 1024 * 1024
/** How far down the line is looked for other tasks, where many are of one. */
const MAX_LOOKED_AT = 1000
/** What may wait for its turn, while the database is slow or away. */
const MAX_WAITING = 100_000
const MAX_WAITING_BYTES = 256 * 1024 * 1024

interface Entry {
  readonly row: NewTaskRow
  readonly bytes: number
  resolve(): void
  reject(reason: unknown): void
}

export interface RowWriterOptions {
  readonly schema: Schema
  /** Does it on the database, again and again while that is away. */
  readonly retry: (doing: string, work: (db: Kysely<Tables>) => Promise<void>) => Promise<void>
}

/**
 * Rows wait in a line; one insert is under way at a time, and takes along what came meanwhile. So a
 * task's states are stored in their order.
 */
export class RowWriter {
  readonly #options: RowWriterOptions
  #line: Entry[] = []
  #bytes = 0
  #done: Promise<void> | undefined

  constructor(options: RowWriterOptions) {
    this.#options = options
  }

  /** Resolves when the row is stored, or a SUCCESS was already there. */
  store(row: NewTaskRow): Promise<void> {
    const bytes = 200 + (row.result?.length ?? 0) + (row.traceback?.length ?? 0)
    if (this.#line.length >= MAX_WAITING || this.#bytes + bytes > MAX_WAITING_BYTES) {
      const waiting = `${this.#line.length} results (${this.#bytes} bytes)`
      const message = `${waiting} wait for the database already: it is slow or away`
      if (this.#line.length > 0) return Promise.reject(new BackendError(message))
    }
    return new Promise<void>((resolve, reject) => {
      this.#line.push({ row, bytes, resolve, reject })
      this.#bytes += bytes
      this.#done ??= this.#run()
    })
  }

  /** Resolves when nothing waits any more, stored or failed. */
  async flushed(): Promise<void> {
    await this.#done
  }

  async #run(): Promise<void> {
    // what is stored in the same turn of the event loop goes along
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#line.length > 0) await this.#store(this.#take())
    this.#done = undefined
  }

  /** A task at most once, for an insert cannot change what it has just made: its later states stay. */
  #take(): readonly Entry[] {
    const tasks = new Set<string>()
    const batch: Entry[] = []
    const later: Entry[] = []
    let bytes = 0
    let seen = 0
    for (const entry of this.#line) {
      const full = batch.length === MAX_BATCH || bytes + entry.bytes > MAX_BATCH_BYTES
      if (batch.length > 0 && (full || seen === MAX_LOOKED_AT)) break
      seen += 1
      if (tasks.has(entry.row.task_id)) {
        later.push(entry)
        continue
      }
      tasks.add(entry.row.task_id)
      batch.push(entry)
      bytes += entry.bytes
    }
    this.#bytes -= bytes
    this.#line = [...later, ...this.#line.slice(seen)]
    return batch
  }

  /** What the database refuses as a whole is tried row by row: only one may be wrong. */
  async #store(batch: readonly Entry[]): Promise<void> {
    try {
      await this.#insert(batch)
      for (const entry of batch) entry.resolve()
    } catch (error) {
      const refused = error instanceof BackendError && !error.retryable
      if (batch.length > 1 && refused) for (const entry of batch) await this.#store([entry])
      else for (const entry of batch) entry.reject(error)
    }
  }

  #insert(batch: readonly Entry[]): Promise<void> {
    const { schema, retry } = this.#options
    // in one order everywhere, so that two workers do not lock each other out
    const rows = batch.map(({ row }) => row).toSorted((a, b) => (a.task_id < b.task_id ? -1 : 1))
    return retry('cannot store a result', async (db) => {
      const insert = db
        .insertInto(schema.task)
        .values(rows.map((row) => ({ ...row, ...schema.taskId })))
      const names = Object.keys(batch[0]?.row ?? {}).filter((name) => name !== 'task_id')
      if (schema.dialect === 'mysql') {
        await insert.onDuplicateKeyUpdate(mysqlChanges(schema, names)).execute()
        return
      }
      const changes = Object.fromEntries(names.map((name) => [name, sql.ref(`excluded.${name}`)]))
      await insert
        .onConflict((conflict) =>
          conflict
            .column('task_id')
            .doUpdateSet(changes)
            .where(sql<boolean>`coalesce(${schema.stored('status')}, '') <> ${SUCCESS}`),
        )
        .execute()
    })
  }
}

/** MySQL assigns one column after another: the status, which the others ask for, comes last. */
function mysqlChanges(schema: Schema, names: readonly string[]): Record<string, RawBuilder<never>> {
  const guarded = (name: string): RawBuilder<never> => {
    const column = sql.ref(name)
    return sql`if(coalesce(${schema.stored('status')}, '') = ${SUCCESS}, ${column}, values(${column}))`
  }
  const last = [...names.filter((name) => name !== 'status'), 'status']
  return Object.fromEntries(last.map((name) => [name, guarded(name)]))
}
