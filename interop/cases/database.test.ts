/** Results in a database: what either language keeps in SQLAlchemy's tables, the other reads. */

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { PythonClient, startNodeWorker, type Surroundings } from '../harness.ts'
import { celeries, type Pairing } from '../matrix.ts'
import { createApp } from '../node/tasks.ts'
import { closeStages, onEveryStage, type Stage } from '../stage.ts'
import { chord, group, type Celery, type TaskError } from '../../src/index.ts'
import { mysqlUrl, postgresUrl, redisUrl } from '../../test/support/services.ts'

after(closeStages)

const inPostgres = async (): Promise<string> => `db+${await postgresUrl()}`

const IN_POSTGRES: Pairing = {
  name: 'Redis, results in PostgreSQL',
  open: async () => ({ broker: await redisUrl(), backend: await inPostgres() }),
}

/** SQLAlchemy names the driver in the URL. */
const OTHERS: readonly (readonly [name: string, backend: () => Promise<string>])[] = [
  ['MariaDB', async () => (await mysqlUrl()).replace(/^mysql/, 'db+mysql+pymysql')],
  [
    'SQLite',
    async () => `db+sqlite:///${await mkdtemp(join(tmpdir(), 'celeriac-interop-'))}/results.db`,
  ],
]

type Clients = Pick<Stage, 'app' | 'python'>

/** Has Celery make its tables; the sessions of another database would say that they are made already. */
const CREATE = `(lambda d: bool(
  d.DatabaseBackend(app=app, url='URL').ResultSession(d.SessionManager())
))(__import__('celery.backends.database', fromlist=['x']))`.replaceAll('\n', ' ')

/** What SQLAlchemy finds of the two tables: columns, keys and sequences. */
const TABLES = `(lambda sa: (lambda e: (lambda i: [
  [[c['name'], str(c['type']), c['nullable'], str(c['default']), bool(c.get('autoincrement'))]
   for t in ('celery_taskmeta', 'celery_tasksetmeta') for c in i.get_columns(t)],
  [[u['column_names'] for u in i.get_unique_constraints(t)] + [i.get_pk_constraint(t)['constrained_columns']]
   for t in ('celery_taskmeta', 'celery_tasksetmeta')],
  sorted(e.dialect.get_sequence_names(e.connect())) if e.dialect.supports_sequences else [],
])(sa.inspect(e)))(sa.create_engine('URL')))(__import__('sqlalchemy'))`.replaceAll('\n', ' ')

/** What is the same in every database; only Python tells what it has read. */
function readEachOther(clients: () => Clients): void {
  it('lets Python read what our task returned', async () => {
    const { python } = clients()
    const value = "{'a': [1, 2.5, None, True, 'ü'], 'b': {}}"
    const { repr } = await python.eval(`send('ts.echo', ${value}, 7)`)
    expect(repr).to.equal(`[${value}, 7]`)
  })

  it('lets Python raise what our task threw', async () => {
    const { python } = clients()
    const failure = python.eval("send('ts.fail', 'boom')")
    const error = await failure.catch((reason: unknown) => reason)
    expect(error)
      .to.include({ raised: 'TypeError' })
      .and.have.property('args')
      .that.eqls(["'boom'"])
  })

  it('lets us read what Python has stored, also what JSON has no type for', async () => {
    const { app, python } = clients()
    await python.eval(
      "app.backend.store_result('from-python', {'d': decimal.Decimal('1.50'), 't': (1, b'x'), 'n': 2**70}, 'SUCCESS')",
    )
    const value = await app.asyncResult<Record<string, unknown>>('from-python').get({ timeout: 20 })
    expect(value).to.include({ n: 2n ** 70n })
    expect(value['t']).to.deep.equal([1, Buffer.from('x')])
    expect(String(value['d'])).to.equal('1.50')
  })

  it('lets us read why a task of Python failed, and when', async () => {
    const { app, python } = clients()
    await python.eval(
      "app.backend.mark_as_failure('failed-in-python', ValueError('boom', 42), traceback='Traceback…')",
    )
    const result = app.asyncResult('failed-in-python')
    const error = await result.get({ timeout: 20 }).catch((reason: unknown) => reason as TaskError)
    expect(error).to.include({ excType: 'ValueError', traceback: 'Traceback…' })
    expect((error as TaskError).args).to.deep.equal(['boom', 42])
    const dateDone = await result.dateDone()
    expect(Math.abs(Date.now() - Number(dateDone))).to.be.lessThan(600_000)
  })

  it('lets Python see when our task was done', async () => {
    const { python } = clients()
    const { value } = await python.eval(
      "(lambda r: [r.get(timeout=20), abs((datetime.datetime.utcnow() - r.date_done).total_seconds())])(app.send_task('ts.add', args=[1, 2]))",
    )
    const [sum, seconds] = value as [number, number]
    expect(sum).to.equal(3)
    expect(seconds).to.be.lessThan(600)
  })

  it('gives a group that Python has saved, and Python one that we have', async () => {
    const { app, python } = clients()
    await python.eval(
      "app.GroupResult('python-group', [app.AsyncResult('a'), app.GroupResult('inner', [app.AsyncResult('b')])]).save()",
    )
    const restored = await app.groupResult('python-group')
    expect(restored?.asTuple()).to.deep.equal([
      ['python-group', null],
      [
        [['a', null], null],
        [['inner', null], [[['b', null], null]]],
      ],
    ])
    const sent = await group([
      app.signature('ts.add', [1, 1]),
      app.signature('ts.add', [2, 2]),
    ]).applyAsync()
    await sent.save()
    const { value } = await python.eval(
      `(lambda g: [g.as_tuple(), g.get(timeout=20)])(app.GroupResult.restore('${sent.id}'))`,
    )
    expect(value).to.deep.equal([JSON.parse(JSON.stringify(sent.asTuple())), [2, 4]])
    await sent.delete()
    const { repr } = await python.eval(`app.GroupResult.restore('${sent.id}')`)
    expect(repr).to.equal('None')
  })
}

onEveryStage(
  'results in a database',
  (stage) => {
    readEachOther(stage)

    it('lets us wait for a task of Python', async () => {
      const { app } = stage()
      const sum = await app.sendTask<number>('py.add', [1, 2])
      expect(await sum.get({ timeout: 20 })).to.equal(3)
      const failed = await app.sendTask('py.fail', ['boom', 42])
      const error = await failed.get({ timeout: 20 }).catch((reason: unknown) => reason)
      expect(error).to.include({ excType: 'ValueError', excModule: 'builtins' })
      expect((error as TaskError).traceback).to.include('raise ValueError')
    })

    for (const body of ['py.describe', 'ts.echo']) {
      it(`joins a chord of both languages for ${body}, which Python sent`, async () => {
        const s = (name: string, args: string): string =>
          `signature('${name}', args=${args}, app=app)`
        const header = `[${s('py.add', '(1, 2)')}, ${s('ts.add', '(3, 4)')}]`
        const { value } = await stage().python.eval(
          `chord(${header})(${s(body, '()')}).get(timeout=25)`,
        )
        expect(value).to.deep.equal(body === 'ts.echo' ? [[3, 7]] : 'list [3, 7]')
      })

      it(`joins a chord of both languages for ${body}, which we sent`, async () => {
        const { app } = stage()
        const header = [app.signature('py.add', [1, 2]), app.signature('ts.add', [3, 4])]
        const sent = await chord(header, app.signature(body)).applyAsync()
        const value = await sent.get({ timeout: 25 })
        expect(value).to.deep.equal(body === 'ts.echo' ? [[3, 7]] : 'list [3, 7]')
      })
    }
  },
  [IN_POSTGRES],
)

for (const celery of celeries()) {
  describe(`the tables of results, with Celery ${celery.version}`, () => {
    let broker: string
    let python: PythonClient
    before(async () => {
      broker = await redisUrl()
      python = new PythonClient(celery, { broker, backend: 'cache+memory://' })
    })
    after(() => python.stop())

    for (const [name, backend] of [['PostgreSQL', inPostgres] as const, ...OTHERS]) {
      it(`are made in ${name} as Python makes them`, async function () {
        this.timeout(120_000)
        const [theirs, ours] = [await backend(), await backend()]
        await python.eval(CREATE.replace('URL', theirs.slice(3)))
        const app = createApp(broker, ours)
        await app.asyncResult('nothing').state()
        await app.close()
        const tables = async (url: string): Promise<unknown> =>
          (await python.eval(TABLES.replace('URL', url.slice(3)))).value
        expect(await tables(ours)).to.deep.equal(await tables(theirs))
      })
    }
  })

  for (const [name, backend] of OTHERS) {
    describe(`results in ${name}, with Celery ${celery.version}`, () => {
      let app: Celery
      let python: PythonClient
      before(async function () {
        this.timeout(120_000)
        const surroundings: Surroundings = { broker: await redisUrl(), backend: await backend() }
        app = createApp(surroundings.broker, surroundings.backend)
        python = new PythonClient(celery, surroundings)
        await startNodeWorker(surroundings)
      })
      after(() => Promise.all([app.close(), python.stop()]))

      readEachOther(() => ({ app, python }))
    })
  }
}
