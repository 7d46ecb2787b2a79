/** Groups in `celery_tasksetmeta`, each a pickled GroupResult. */

import type { Kysely } from 'kysely'
import type { Limits } from '../../../protocol/limits.ts'
import type { ResultTuple } from '../../../protocol/result.ts'
import { pickleGroup, unpickleGroup } from '../../../protocol/serialization/pickle.ts'
import type { GroupStore } from '../../results/backend.ts'
import { now, storable } from './rows.ts'
import type { Schema, Tables } from './schema.ts'

export interface GroupsOptions {
  readonly schema: Schema
  readonly limits: Limits
  readonly retry: <T>(doing: string, work: (db: Kysely<Tables>) => Promise<T>) => Promise<T>
}

/** @see celery 5.6, backends/database/__init__.py, `_save_group`, `_restore_group`, `_delete_group` */
export class Groups implements GroupStore {
  readonly #options: GroupsOptions

  constructor(options: GroupsOptions) {
    this.#options = options
  }

  async save(group: ResultTuple): Promise<void> {
    const { schema, retry } = this.#options
    const [[groupId]] = group
    const changes = { result: pickleGroup(group), date_done: now() }
    await retry('cannot save a group', async (db) => {
      const insert = db
        .insertInto(schema.group)
        .values({ ...changes, taskset_id: storable(groupId), ...schema.groupId })
      const upsert =
        schema.dialect === 'mysql'
          ? insert.onDuplicateKeyUpdate(changes)
          : insert.onConflict((conflict) => conflict.column('taskset_id').doUpdateSet(changes))
      await upsert.execute()
    })
  }

  async restore(groupId: string): Promise<ResultTuple | undefined> {
    const { schema, limits, retry } = this.#options
    const row = await retry('cannot restore a group', (db) =>
      db
        .selectFrom(schema.group)
        .select('result')
        .where('taskset_id', '=', storable(groupId))
        .executeTakeFirst(),
    )
    return row === undefined || row.result === null ? undefined : unpickleGroup(row.result, limits)
  }

  async forget(groupId: string): Promise<void> {
    const { schema, retry } = this.#options
    await retry('cannot forget a group', (db) =>
      db.deleteFrom(schema.group).where('taskset_id', '=', storable(groupId)).execute(),
    )
  }
}
