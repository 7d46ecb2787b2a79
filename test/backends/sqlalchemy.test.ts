/** Whether results in a database are what every backend must give, in the tables of Celery's SQLAlchemy backend. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { sql } from 'kysely'
import type { ResultTuple } from '../../protocol/result.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { Database } from '../../src/backends/sql/database.ts'
import { SqlAlchemyBackend } from '../../src/backends/sqlalchemy/backend.ts'
import type { Tables } from '../../src/backends/sqlalchemy/schema.ts'
import { BackendError, ImproperlyConfigured } from '../../src/errors.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupStoreContract } from '../contracts/groups.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { mysqlUrl, postgresUrl } from '../support/services.ts'
import { within } from '../support/until.ts'

/** Two backends in one process hold up each other, and so does a slow machine: nobody gives up soon. */
const PATIENT = { maxRetries: 200, intervalStart: 0, intervalStep: 0.02, intervalMax: 0.1 }

async function sqliteUrl(): Promise<string> {
  folders.push(await mkdtemp(join(tmpdir(), 'celeriac-sqlite-')))
  return `sqlite:///${folders.at(-1)}/results.db`
}

const folders: string[] = []
after(() => Promise.all(folders.map((dir) => rm(dir, { recursive: true }))))

const DATABASES: readonly (readonly [name: string, create: () => Promise<string>])[] = [
  ['PostgreSQL', postgresUrl],
  ['MariaDB', mysqlUrl],
  ['SQLite', sqliteUrl],
]

for (const [name, create] of DATABASES) {
  describe(`results of SQLAlchemy in ${name}`, () => {
    let url: string
    let database: Database<Tables>
    const opened: SqlAlchemyBackend[] = []

    before(async function () {
      this.timeout(60_000)
      url = await create()
      database = new Database({ url, log: SILENT, policy: PATIENT })
    })
    after(() => database.close())
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((backend) => backend.close()))
    })

    const make = (more: Partial<BackendDeps> = {}): SqlAlchemyBackend =>
      new SqlAlchemyBackend(
        `db+${url}`,
        backendDeps({ transportOptions: { retryPolicy: PATIENT }, ...more }),
      )
    const open = (more: Partial<BackendDeps> = {}): SqlAlchemyBackend => {
      const backend = make(more)
      opened.push(backend)
      return backend
    }
    const settings = (more: Partial<BackendDeps['database']>): Partial<BackendDeps> => ({
      database: { ...backendDeps().database, ...more },
    })

    backendContract(async () => ({
      client: make(),
      worker: make(),
      options: {},
      keepsChildren: false,
      close: async () => {},
    }))
    groupStoreContract(async () => make())

    it('makes its tables, though many do so at the same moment', async () => {
      const tableNames = { task: 'raced_task', group: 'raced_group' }
      const racing = Array.from({ length: 5 }, () => open(settings({ tableNames })))
      await Promise.all(racing.map((backend) => backend.start()))
      await racing[0]?.store(meta('a', 'SUCCESS', 1))
      expect(await racing[1]?.fetch('a')).to.include({ status: 'SUCCESS', result: 1 })
    })

    it('makes its tables when it is started, or when they are needed', async () => {
      const tableNames = { task: 'late_task', group: 'late_group' }
      const late = open(settings({ tableNames, createTablesAtSetup: false }))
      const count = (): Promise<unknown> =>
        database.retry('look', (db) => sql`select * from late_task`.execute(db))
      await late.start()
      expect(await count().catch((error: unknown) => error)).to.be.instanceOf(BackendError)
      await late.forget('nothing')
      await count()
    })

    it('makes them again when somebody has dropped them', async () => {
      const tableNames = { task: 'dropped_task', group: 'dropped_group' }
      const backend = open(settings({ tableNames }))
      await backend.store(meta('a', 'SUCCESS', 1))
      await database.retry('drop', (db) => sql`drop table dropped_task`.execute(db))
      const refused = await backend.fetch('a').catch((error: unknown) => error)
      expect(refused).to.be.instanceOf(BackendError)
      expect(await backend.fetch('a')).to.include({ status: 'PENDING' })
    })

    it('uses the tables of another schema, also those that it may not make', async function () {
      if (name !== 'PostgreSQL') return
      const role = `reader_${randomUUID().replaceAll('-', '')}`
      const more = settings({
        tableSchemas: { task: 'results', group: 'Of Groups' },
        tableNames: { task: 'of_tasks' },
      })
      await database.retry('prepare', async (db) => {
        await sql`create schema results`.execute(db)
        await sql`create schema "Of Groups"`.execute(db)
      })
      const writer = open(more)
      await writer.store(meta('a', 'STARTED'))
      await writer.store(meta('a', 'SUCCESS', 1))
      await writer.store(meta('a', 'FAILURE', exception('E', [])))
      await writer.groups.save([['g', null], []])
      await database.retry('let in', async (db) => {
        await sql`create role ${sql.ref(role)} login password 'x'`.execute(db)
        await sql`grant usage on schema results, "Of Groups" to ${sql.ref(role)}`.execute(db)
        for (const table of ['results.of_tasks', 'Of Groups.celery_tasksetmeta'])
          await sql`grant select on ${sql.table(table)} to ${sql.ref(role)}`.execute(db)
      })
      const address = `db+${url.replace(/\/\/[^@]+@/, `//${role}:x@`)}`
      const reader = new SqlAlchemyBackend(address, backendDeps(more))
      opened.push(reader)
      await reader.start()
      expect(await reader.fetch('a')).to.include({ status: 'SUCCESS', result: 1 })
      expect(await reader.groups.restore('g')).to.deep.equal([['g', null], []])
      const refused = await reader.store(meta('b', 'SUCCESS', 1)).catch((error: unknown) => error)
      expect(refused).to.be.instanceOf(BackendError).and.include({ retryable: false })
    })

    it('keeps what result_extended tells, its arguments in the serializer of results', async () => {
      const id = randomUUID()
      const extended = {
        name: 'tasks.add',
        args: [1, { a: 2 }],
        kwargs: { b: null },
        worker: 'celery@host',
        retries: 2,
        queue: 'celery',
      }
      await open().store(meta(id, 'SUCCESS', 3, { extended }))
      expect((await open().fetch(id)).extended).to.deep.equal(extended)
      const [row] = await database.retry('look', (db) =>
        db.selectFrom('celery_taskmeta').selectAll().where('task_id', '=', id).execute(),
      )
      expect(row?.args?.toString()).to.equal('[1, {"a": 2}]')
      expect(row?.kwargs?.toString()).to.equal('{"b": null}')
    })

    it('keeps values that JSON has no type for', async () => {
      const id = randomUUID()
      const value = { bytes: Buffer.from([0, 255]), big: 2n ** 70n, set: new Set([1]) }
      await open().store(meta(id, 'SUCCESS', value))
      expect((await open().fetch(id)).result).to.deep.equal(value)
    })

    it('tells when a task was done in UTC', async () => {
      const id = randomUUID()
      const dateDone = '2026-11-22T09:56:50+02:00'
      await open().store(meta(id, 'SUCCESS', 1, { dateDone }))
      expect((await open().fetch(id)).dateDone).to.equal('2026-11-22T07:56:50+00:00')
    })

    it('stores many results in few statements, the states of a task in their order', async () => {
      const backend = open()
      const ids = Array.from({ length: 500 }, () => randomUUID())
      await Promise.all(
        ids.flatMap((id, index) => [
          backend.store(meta(id, 'STARTED')),
          backend.store(meta(id, 'SUCCESS', index)),
        ]),
      )
      const metas = await backend.fetchMany(ids)
      expect(metas.map(({ result }) => result)).to.deep.equal(ids.map((_, index) => index))
    })

    it('keeps one row of a task that two workers store at once', async () => {
      const workers = [open(), open()]
      const ids = Array.from({ length: 50 }, () => randomUUID())
      await Promise.all(
        workers.flatMap((worker) => ids.map((id) => worker.store(meta(id, 'SUCCESS', id)))),
      )
      const metas = await open().fetchMany(ids)
      expect(metas.map(({ result }) => result)).to.deep.equal(ids)
    })

    it('fails for the result that the table has no room for, and for no other', async function () {
      // SQLite minds no length
      if (name === 'SQLite') return
      const backend = open()
      const id = randomUUID()
      const [refused] = await Promise.all([
        backend.store(meta('x'.repeat(200), 'SUCCESS', 1)).catch((error: unknown) => error),
        backend.store(meta(id, 'SUCCESS', 1)),
      ])
      expect(refused).to.be.instanceOf(BackendError).and.include({ retryable: false })
      expect(await backend.fetch(id)).to.include({ status: 'SUCCESS' })
    })

    it('ends the wait for a row that cannot be read, and only that', async () => {
      const [id, other] = [randomUUID(), randomUUID()]
      const backend = open()
      await backend.store(meta(id, 'SUCCESS', 1))
      const result = Buffer.from('cos\nsystem\n(S"ls"\ntR.')
      await database.retry('spoil', (db) =>
        db.updateTable('celery_taskmeta').set({ result }).where('task_id', '=', id).execute(),
      )
      const spoilt = new AsyncResult(id, { backend }).get().catch((error: Error) => error.message)
      const good = new AsyncResult(other, { backend }).get()
      expect(await within(10, spoilt)).to.include('os.system')
      await backend.store(meta(other, 'SUCCESS', 2))
      expect(await within(10, good)).to.equal(2)
    })

    it('deletes what has expired', async () => {
      const [old, young] = [randomUUID(), randomUUID()]
      const backend = open({ resultExpires: 3600 })
      const hours = (n: number): string => new Date(Date.now() - n * 3_600_000).toISOString()
      await backend.store(meta(old, 'SUCCESS', 1, { dateDone: hours(2) }))
      await backend.store(meta(young, 'FAILURE', exception('E', []), { dateDone: hours(0.5) }))
      await backend.groups.save([[old, null], []])
      await open({ resultExpires: null }).cleanup()
      expect(await backend.fetch(old)).to.include({ status: 'SUCCESS' })
      await backend.cleanup()
      expect(await backend.fetch(old)).to.include({ status: 'PENDING' })
      expect(await backend.fetch(young)).to.include({ status: 'FAILURE' })
      expect(await backend.groups.restore(old)).to.deep.equal([[old, null], []])
    })

    it('keeps a group that is saved twice as it was last', async () => {
      const id = randomUUID()
      const group = (member: string): ResultTuple => [[id, null], [[[member, null], null]]]
      const { groups } = open()
      await groups.save(group('a'))
      await groups.save(group('b'))
      expect(await groups.restore(id)).to.deep.equal(group('b'))
    })
  })
}

describe('results of SQLAlchemy', () => {
  it('refuses names of tables that are none', () => {
    for (const task of ['a"b', 'a.b', '', 5]) {
      const database = { ...backendDeps().database, tableNames: { task } }
      expect(
        () => new SqlAlchemyBackend('db+sqlite:////tmp/x.db', backendDeps({ database })),
      ).to.throw(ImproperlyConfigured, 'database_table_names')
    }
  })
})
