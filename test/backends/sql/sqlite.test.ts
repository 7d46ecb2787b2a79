/** Whether a SQLite file that others write, too, is left as it should be by who was locked out. */

import { expect } from 'chai'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../../../src/backends/sql/database.ts'
import { BackendError } from '../../../src/errors.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import type { RetryPolicy } from '../../../src/runtime/retry.ts'

interface Tables {
  readonly words: { readonly word: string }
}

const NEVER: RetryPolicy = { maxRetries: 0, intervalStart: 0, intervalStep: 0, intervalMax: 0 }

describe('a SQLite file that several write', () => {
  let directory: string
  let one: Database<Tables>
  let other: Database<Tables>

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'celeriac-sqlite-'))
    const url = `sqlite:///${join(directory, 'words.db')}`
    const open = (): Database<Tables> => new Database({ url, policy: NEVER, log: SILENT })
    ;[one, other] = [open(), open()]
    await one.retry('cannot make it', (db) =>
      db.schema.createTable('words').addColumn('word', 'text').execute(),
    )
  })
  after(async () => {
    await Promise.all([one.close(), other.close()])
    await rm(directory, { recursive: true })
  })

  const write = (database: Database<Tables>, word: string): Promise<unknown> =>
    database.retry('cannot write', (db) => db.insertInto('words').values({ word }).execute())
  const words = async (database: Database<Tables>): Promise<readonly string[]> =>
    (await database.retry('cannot read', (db) => db.selectFrom('words').selectAll().execute())).map(
      ({ word }) => word,
    )
  const refusal = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    )

  it('keeps for all to see what one writes who was locked out before', async () => {
    let held: unknown
    let inTransaction: unknown
    await other.retry('cannot hold it', (db) =>
      db.transaction().execute(async (transaction) => {
        await transaction.insertInto('words').values({ word: 'held' }).execute()
        held = await refusal(write(one, 'refused'))
        inTransaction = await refusal(
          one.retry('cannot write', (mine) =>
            mine
              .transaction()
              .execute((writer) => writer.insertInto('words').values({ word: 'no' }).execute()),
          ),
        )
      }),
    )
    expect(held).to.be.instanceOf(BackendError).with.property('message').that.includes('locked')
    expect(inTransaction).to.be.instanceOf(BackendError)
    await write(one, 'written')
    expect(await words(other)).to.deep.equal(['held', 'written'])
    await write(other, 'by the other')
    expect(await words(one)).to.deep.equal(['held', 'written', 'by the other'])
  })
})
