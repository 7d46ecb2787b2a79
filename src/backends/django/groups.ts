/** Groups in Django's table of group results. */

import { readResultTuple, type ResultTuple } from '../../../protocol/result.ts'
import type { GroupStore } from '../../results/backend.ts'
import type { Clock } from './clock.ts'
import type { Contents } from './content.ts'
import type { DjangoDatabase } from './database.ts'
import { GROUPS } from './tables.ts'

export interface DjangoGroupsOptions {
  readonly database: DjangoDatabase
  readonly contents: Contents
  readonly clock: Clock
}

/** @see django-celery-results 2.6, backends/database.py, `_save_group`, `_restore_group`, `_delete_group` */
export class DjangoGroups implements GroupStore {
  readonly #options: DjangoGroupsOptions

  constructor(options: DjangoGroupsOptions) {
    this.#options = options
  }

  async save(group: ResultTuple): Promise<void> {
    const { database, contents, clock } = this.#options
    const [[groupId]] = group
    const now = clock.now()
    const changes = { ...contents.columns, result: contents.encode(group), date_done: now }
    await database.retry('cannot save a group', async (db) => {
      const insert = db
        .insertInto(GROUPS)
        .values({ ...changes, group_id: groupId, date_created: now })
      const upsert =
        database.dialect === 'mysql'
          ? insert.onDuplicateKeyUpdate(changes)
          : insert.onConflict((conflict) => conflict.column('group_id').doUpdateSet(changes))
      await upsert.execute()
    })
  }

  async restore(groupId: string): Promise<ResultTuple | undefined> {
    const { database, contents } = this.#options
    const row = await database.retry('cannot restore a group', (db) =>
      db
        .selectFrom(GROUPS)
        .select(['content_type', 'content_encoding', 'result'])
        .where('group_id', '=', groupId)
        .executeTakeFirst(),
    )
    if (row === undefined || row.result === null) return undefined
    return readResultTuple(contents.decode(row, row.result))
  }

  async forget(groupId: string): Promise<void> {
    await this.#options.database.retry('cannot forget a group', (db) =>
      db.deleteFrom(GROUPS).where('group_id', '=', groupId).execute(),
    )
  }
}
