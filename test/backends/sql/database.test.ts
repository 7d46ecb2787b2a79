/** Whether a database is asked again when it was away, within bounds, and says what is wrong without its password. */

import { expect } from 'chai'
import { sql, type Kysely } from 'kysely'
import { Database, type DatabaseOptions } from '../../../src/backends/sql/database.ts'
import { BackendError, ImproperlyConfigured } from '../../../src/errors.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import { freePort } from '../../support/server.ts'
import {
  mysqlUrl,
  postgresUrl,
  startMariadb,
  startPostgres,
  type Server,
} from '../../support/services.ts'
import { until, within } from '../../support/until.ts'

const PATIENT = { maxRetries: null, intervalStart: 0.05, intervalStep: 0.05, intervalMax: 0.2 }
const ONCE = { maxRetries: 0, intervalStart: 0, intervalStep: 0, intervalMax: 0 }

type Nothing = Record<string, never>

describe('a database', () => {
  const opened: Database<Nothing>[] = []
  const open = (
    options: Partial<DatabaseOptions> & { readonly url: string },
  ): Database<Nothing> => {
    const database = new Database<Nothing>({ policy: ONCE, log: SILENT, ...options })
    opened.push(database)
    return database
  }
  afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())))

  const one = async (db: Kysely<Nothing>): Promise<unknown> => {
    const { rows } = await sql<{ one: number }>`select 1 as one`.execute(db)
    return rows[0]?.one
  }
  const failure = (promise: Promise<unknown>): Promise<BackendError> =>
    promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as BackendError,
    )

  for (const [name, start] of [
    ['PostgreSQL', startPostgres],
    ['MariaDB', startMariadb],
  ] as const) {
    it(`is asked again after ${name} was killed and started again`, async function () {
      this.timeout(120_000)
      const server: Server = await start()
      const database = open({ url: server.url, policy: PATIENT })
      expect(await database.retry('ask', one)).to.equal(1)
      await server.kill()
      const lines: string[] = []
      const told = open({
        url: server.url,
        policy: PATIENT,
        log: { ...SILENT, error: (line) => void lines.push(line) },
      })
      const answers = Promise.all([database.retry('ask', one), told.retry('ask', one)])
      await until(() => lines.length > 1)
      await server.restart()
      expect(await within(60, answers)).to.deep.equal([1, 1])
      expect(lines[0]).to.match(
        /^Connection to \w+:\/\/127\.0\.0\.1:\d+\/\w+ lost: Retry \(0\/Inf\)/,
      )
      expect(lines.join()).to.not.include('p@ss').and.not.include('p%40ss')
      await server.stop()
    })
  }

  for (const [name, url, slow] of [
    ['PostgreSQL', postgresUrl, sql`select pg_sleep(60)`],
    ['MariaDB', mysqlUrl, sql`select sleep(60)`],
  ] as const) {
    it(`gives up a query that ${name} does not answer, and its connection with it`, async function () {
      this.timeout(60_000)
      const engineOptions = { query_timeout: 0.3, pool_size: 1, max_overflow: 0 }
      const database = open({ url: await url(), engineOptions })
      const late = await failure(database.retry('wait', (db) => slow.execute(db)))
      expect(late).to.be.instanceOf(BackendError).and.include({ retryable: true })
      expect(await within(20, database.retry('ask', one, PATIENT))).to.equal(1)
    })

    it(`uses no more connections to ${name} than it may`, async function () {
      this.timeout(60_000)
      const database = open({ url: await url(), engineOptions: { pool_size: 2 } })
      let most = 0
      let now = 0
      const work = (db: Kysely<Nothing>): Promise<void> =>
        db.connection().execute(async (connection) => {
          most = Math.max(most, (now += 1))
          await one(connection)
          now -= 1
        })
      await Promise.all(Array.from({ length: 20 }, () => database.retry('work', work)))
      expect(most).to.be.within(1, 2)
    })

    it(`says that ${name} does not let us in, without the password, and does not try again`, async function () {
      this.timeout(60_000)
      const wrong = (await url()).replace(/:[^:@/]+@/, ':Secret1@')
      const database = open({ url: wrong, policy: PATIENT })
      const error = await within(20, failure(database.retry('ask', one)))
      expect(error).to.be.instanceOf(BackendError).and.include({ retryable: false })
      expect(error.message)
        .to.match(/password|denied/)
        .and.not.include('Secret1')
    })
  }

  it('fails at once where nobody listens, when it is not to be tried again', async () => {
    const port = await freePort()
    for (const scheme of ['postgresql', 'mysql']) {
      const database = open({ url: `${scheme}://u:Secret1@127.0.0.1:${port}/x` })
      const error = await within(20, failure(database.retry('cannot ask', one)))
      expect(error).to.be.instanceOf(BackendError).and.include({ retryable: true })
      expect(error.message)
        .to.match(/^cannot ask: .*ECONNREFUSED/)
        .and.not.include('Secret1')
    }
  })

  it('ends what is being tried when it is closed, and takes no more', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    let lost = 0
    const log = { ...SILENT, error: () => void (lost += 1) }
    const url = `postgresql://127.0.0.1:${await freePort()}/x`
    const database = open({ url, policy: PATIENT, log })
    const trying = Array.from({ length: 20 }, () => failure(database.retry('ask', one)))
    await until(() => lost >= trying.length)
    await database.close()
    for (const error of await within(10, Promise.all(trying)))
      expect(error).to.include({ code: 'ERR_ABORTED' })
    expect(await failure(database.retry('ask', one))).to.include({ code: 'ERR_ABORTED' })
    process.off('warning', onWarning)
    expect(warnings).to.deep.equal([])
  })

  it('says which file of SQLite cannot be opened', async () => {
    const error = await failure(open({ url: 'sqlite:////no/such/dir/x.db' }).retry('ask', one))
    expect(error).to.be.instanceOf(BackendError).and.include({ retryable: false })
    expect(error.message).to.include('/no/such/dir/x.db')
  })

  it('refuses options of the engine that are no numbers', () => {
    const engineOptions = { pool_size: 'many' }
    expect(() => open({ url: 'sqlite:///x.db', engineOptions })).to.throw(
      ImproperlyConfigured,
      'pool_size',
    )
  })
})
