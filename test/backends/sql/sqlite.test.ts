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

/** Four attempts within half a second, if they were counted. */
const SOON: RetryPolicy = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 0.2 }
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

  it('is waited for while another holds it, however soon who asks wants an answer', async () => {
    const waiting = one.retry(
      'cannot write',
      (db) => db.insertInto('words').values({ word: 'waited' }).execute(),
      SOON,
    )
    await other.retry('cannot hold it', (db) =>
      db.transaction().execute(async (transaction) => {
        await transaction.insertInto('words').values({ word: 'long' }).execute()
        await new Promise((resolve) => setTimeout(resolve, 1200))
      }),
    )
    await waiting
    expect((await words(other)).slice(-2)).to.have.members(['long', 'waited'])
  })

  it('that has no room for more is tried again, as a server that is full is', async () => {
    const codes = ['SQLITE_FULL', 'ER_RECORD_FILE_FULL', 'ER_USER_LIMIT_REACHED', '53300', '57014']
    for (const code of codes) {
      let attempts = 0
      const full = async (): Promise<number> => {
        attempts += 1
        if (attempts === 1) throw Object.assign(new Error('full'), { code })
        return attempts
      }
      expect(await one.retry('cannot write', full, SOON), code).to.equal(2)
    }
  })
})
