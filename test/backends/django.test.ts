/** Whether results in a Django database are what every backend must give, in tables that Django made. */

import { expect } from 'chai'
import { sql, type Selectable } from 'kysely'
import { randomUUID } from 'node:crypto'
import type { ResultMeta, ResultTuple } from '../../protocol/result.ts'
import { BackendError, DecodeError, type CeleryError } from '../../src/errors.ts'
import { DjangoBackend } from '../../src/backends/django/backend.ts'
import { DjangoDatabase } from '../../src/backends/django/database.ts'
import { CHORDS, GROUPS, TASKS, type TaskResultTable } from '../../src/backends/django/tables.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupContract, groupStoreContract } from '../contracts/groups.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { DATABASES, migrated } from '../support/django.ts'
import { until } from '../support/until.ts'

/** Tests share a process, where SQLite's locks are held longer than they may be waited for. */
const SOON = {
  retryPolicy: { maxRetries: 100, intervalStart: 0, intervalStep: 0.02, intervalMax: 0.1 },
}

for (const [name, create] of Object.entries(DATABASES)) {
  describe(`results of Django in ${name}`, () => {
    let url: string
    let database: DjangoDatabase

    before(async function () {
      this.timeout(60_000)
      url = await migrated(create)
      database = new DjangoDatabase({ url, log: SILENT, policy: SOON.retryPolicy })
    })
    after(() => database.close())
    // the contract calls its tasks by the same names again and again
    beforeEach(() => database.retry('cannot empty it', (db) => db.deleteFrom(TASKS).execute()))

    const open = (more: Partial<BackendDeps> = {}): DjangoBackend =>
      new DjangoBackend(url, backendDeps({ transportOptions: SOON, ...more }))

    backendContract(async () => ({
      client: open(),
      worker: open(),
      options: {},
      close: async () => {},
    }))
    groupStoreContract(async () => open())
    groupContract(async () => open(), { keeps: 'first' })

    describe('as Django keeps them', () => {
      let backend: DjangoBackend
      let id: string

      before(() => (backend = open()))
      after(() => backend.close())
      beforeEach(() => (id = randomUUID()))

      const rowOf = (taskId: string): Promise<TaskResultRow> =>
        database.retry('cannot read it', (db) =>
          db.selectFrom(TASKS).selectAll().where('task_id', '=', taskId).executeTakeFirstOrThrow(),
        )
      const store = (taskId: string, more: Partial<ResultMeta> = {}): Promise<void> =>
        backend.store(meta(taskId, 'SUCCESS', taskId, more))

      it('have a date of their end, and one of their making, which stays', async () => {
        await backend.store(meta(id, 'STARTED'))
        const started = await rowOf(id)
        await store(id, { dateDone: '2026-11-22T07:56:50.000226+00:00' })
        const done = await rowOf(id)
        expect(done.date_created).to.equal(started.date_created)
        const { dateDone } = await backend.fetch(id)
        expect(dateDone).to.equal('2026-11-22T07:56:50.000226+00:00')
        expect(done.date_done).to.match(/^2026-11-22 .*000226/)
      })

      it('are cut where a column ends, and lose a NUL that PostgreSQL cannot keep', async () => {
        const queue = { args: [], kwargs: {}, retries: 0, queue: null }
        const extended = { name: 'n'.repeat(300), worker: 'w'.repeat(300), ...queue }
        await store(id, { extended, traceback: 'a\0b' })
        const { task_name, worker, traceback } = await rowOf(id)
        expect([task_name?.length, worker?.length]).to.deep.equal([255, 100])
        expect(traceback).to.equal('a\u2400b')
      })

      it('are read beside one whose id has a NUL in it', async () => {
        const odd = `${id}\0`
        await Promise.all([store(id), store(odd)])
        const metas = await backend.fetchMany([odd, id, `other ${odd}`])
        expect(metas.map(({ taskId }) => taskId)).to.deep.equal([odd, id, `other ${odd}`])
        expect(metas.map(({ result }) => result)).to.deep.equal([odd, id, null])
        await backend.forget(odd)
        expect(await backend.fetch(odd)).to.include({ status: 'PENDING' })
      })

      it('stand as base64 where their serializer is binary', async () => {
        const packed = open({ resultSerializer: 'msgpack' })
        await packed.store(meta(id, 'SUCCESS', [1, 'ü']))
        const columns = { content_type: 'application/x-msgpack', content_encoding: 'binary' }
        expect(await rowOf(id)).to.include({ ...columns, result: 'kgGiw7w=' })
        expect((await backend.fetch(id)).result).to.deep.equal([1, 'ü'])
        await packed.close()
      })

      it('that cannot be read are an error to who asks for them, and to nobody else', async () => {
        const bad = `bad-${id}`
        await Promise.all([store(id), store(bad)])
        await database.retry('cannot spoil it', (db) =>
          db.updateTable(TASKS).set({ result: '{' }).where('task_id', '=', bad).execute(),
        )
        const refused = await backend.fetch(bad).catch((error: unknown) => error)
        expect(refused).to.be.instanceOf(DecodeError)
        const heard: string[] = []
        const done = new Promise<void>((resolve) => {
          backend.subscribe(
            bad,
            () => {},
            ({ code }) => heard.push(code),
          )
          backend.subscribe(id, () => resolve())
        })
        await done
        await until(() => heard.length === 1)
        expect(heard).to.deep.equal(['ERR_DECODE'])
      })

      it('are deleted when they have expired, with the groups', async () => {
        const group: ResultTuple = [[id, null], []]
        await Promise.all([store(id), store(`old-${id}`), backend.groups.save(group)])
        const long = '2020-01-01 00:00:00'
        await database.retry('cannot age it', async (db) => {
          await db
            .updateTable(TASKS)
            .set({ date_done: long })
            .where('task_id', '=', `old-${id}`)
            .execute()
          await db.updateTable(GROUPS).set({ date_done: long }).where('group_id', '=', id).execute()
        })
        await store(id)
        const forever = open({ resultExpires: null })
        await forever.cleanup()
        expect(await backend.groups.restore(id)).to.deep.equal(group)
        await forever.close()
        const recent = open({ resultExpires: 60 })
        await backend.store(meta(`new-${id}`, 'STARTED'))
        await recent.cleanup()
        await recent.close()
        expect((await backend.fetch(`old-${id}`)).status).to.equal('PENDING')
        expect((await backend.fetch(`new-${id}`)).status).to.equal('STARTED')
        expect(await backend.groups.restore(id)).to.equal(undefined)
      })

      const returned = (taskId: string, result: unknown = taskId, state = 'SUCCESS') =>
        backend.chords.onChordPartReturn({ groupId: id, groupIndex: 0, taskId, state, result })
      /** As a Python worker ends a part. */
      const returnedInPython = (): Promise<unknown> =>
        database.retry('cannot count it', (db) =>
          db
            .updateTable(CHORDS)
            .set((eb) => ({ count: eb('count', '-', 1) }))
            .where('group_id', '=', id)
            .execute(),
        )
      const openInPython = (count: number, subTasks: unknown): Promise<unknown> =>
        database.retry('cannot open it', (db) =>
          db
            .insertInto(CHORDS)
            .values({ group_id: id, count, sub_tasks: JSON.stringify(subTasks) })
            .execute(),
        )

      it('count the parts of a chord that Python has opened, and has ended in part', async () => {
        await openInPython(
          3,
          ['a', 'b', 'c'].map((part) => [[part, null], null]),
        )
        await store('b', { result: 'of Python' })
        await returnedInPython()
        await store('a')
        expect(await returned('a')).to.equal(undefined)
        await store('c')
        const parts = await returned('c')
        expect(parts?.map(({ result }) => result)).to.deep.equal(['a', 'of Python', 'c'])
      })

      it('are waited for when Python has counted one of them twice', async () => {
        await openInPython(
          3,
          ['a', 'b', 'c'].map((part) => [[part, null], null]),
        )
        await returnedInPython()
        await returnedInPython()
        await store('a')
        expect(await returned('b')).to.equal(undefined)
        expect(await returned('c')).to.have.length(3)
      })

      it('are all waited for in a header with groups, where Python counts each as one', async () => {
        const inner = [
          ['inner', null],
          [
            [['b', null], null],
            [['c', null], null],
          ],
        ]
        await openInPython(2, [[['a', null], null], inner])
        expect(await returned('a')).to.equal(undefined)
        expect(await returned('b')).to.equal(undefined)
        expect(await returned('c')).to.have.length(3)
        expect(await backend.groups.restore(id)).to.deep.equal([
          [id, null],
          [[['a', null], null], inner],
        ])
        await backend.chords.endChord(id)
        expect(await backend.groups.restore(id)).to.equal(undefined)
      })

      it('count once though they are stored again after they were counted', async () => {
        await openInPython(
          2,
          ['a', 'b'].map((part) => [[part, null], null]),
        )
        await backend.store(meta('a', 'FAILURE', exception('WorkerLostError', ['gone'])))
        expect(await returned('a', null, 'FAILURE')).to.equal(undefined)
        await store('a')
        expect(await returned('a')).to.equal(undefined)
        expect((await rowOf('a')).meta?.trimEnd()).to.equal('{"children": []}')
        const parts = await returned('b')
        expect(parts?.map(({ state }) => state)).to.deep.equal(['SUCCESS', 'SUCCESS'])
      })

      it('leave a chord as it was when its tasks are sent again', async () => {
        const members = ['a', 'b'].map((part): ResultTuple => [[part, null], null])
        const chord = { header: [[id, null], members] as const, size: 2 }
        await backend.chords.open(chord)
        await returned('a')
        await backend.chords.open(chord)
        expect(await returned('b')).to.have.length(2)
      })

      it('have the date of their start where Django has a column for it', async () => {
        await database.retry('cannot add it', (db) =>
          db.schema
            .alterTable(TASKS)
            .addColumn('date_started', sql.raw(DATE_TYPES[database.dialect]))
            .execute(),
        )
        const newer = open()
        await newer.store(meta(id, 'STARTED'))
        const started = (await rowOf(id)).date_started
        expect(started).to.match(/^20\d\d-\d\d-\d\d /)
        await newer.store(meta(id, 'SUCCESS', 1))
        expect((await rowOf(id)).date_started).to.equal(started)
        await newer.close()
      })

      it('are refused with what to do where Django has no tables', async () => {
        const empty = new DjangoBackend(await create(), backendDeps())
        const refused = await empty.store(meta(id, 'SUCCESS')).catch((error: unknown) => error)
        expect(refused).to.be.instanceOf(BackendError).and.include({ retryable: false })
        expect(String(refused)).to.include('manage.py migrate django_celery_results')
        const ended = new Promise<CeleryError>((resolve) => empty.subscribe(id, () => {}, resolve))
        expect(String(await ended)).to.include('manage.py migrate django_celery_results')
        await empty.close()
      })
    })
  })
}

/** What Django makes of a DateTimeField. */
const DATE_TYPES = { postgresql: 'timestamptz', mysql: 'datetime(6)', sqlite: 'datetime' }

type TaskResultRow = Selectable<TaskResultTable>
