/** A Django project with workers in Python and in TypeScript: each reads in Django's tables what the other wrote. */

import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { chord, GroupResult, type Celery, type TaskError } from '../../src/index.ts'
import { DATABASES, DJANGO_DIR, migrated } from '../../test/support/django.ts'
import { Process } from '../../test/support/process.ts'
import { redisUrl } from '../../test/support/services.ts'
import { until } from '../../test/support/until.ts'
import { createShop } from '../django/tasks.ts'
import { PythonClient } from '../harness.ts'
import { celeries } from '../matrix.ts'

type Row = Readonly<Record<string, unknown>>

/** The columns that tell one task from another, and when it ran. */
const OWN = ['id', 'task_id', 'date_created', 'date_done', 'date_started', 'traceback', 'worker']

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

for (const [name, create] of Object.entries(DATABASES)) {
  describe(`a Django project on ${name}`, function () {
    this.timeout(120_000)
    let url: string
    let broker: string
    let shop: Celery
    /** Without `result_extended`. */
    let plain: Celery
    let django: PythonClient
    let stop: (() => Promise<unknown>)[] = []

    before(async () => {
      ;[url, broker] = await Promise.all([migrated(create), redisUrl()])
      const [celery] = celeries()
      if (celery === undefined) throw new Error('there is no Celery')
      const env = { ...celery.env, DATABASE_URL: url, CELERY_BROKER_URL: broker }
      const args = [
        '-m',
        'celery',
        '-A',
        'shop',
        'worker',
        '-l',
        'info',
        '-n',
        'py@h',
        '-P',
        'solo',
      ]
      const quiet = ['--without-mingle', '--without-gossip', '--without-heartbeat', '-Q', 'python']
      const options = { cwd: DJANGO_DIR, env: { ...env, C_FORCE_ROOT: '1' } }
      const python = new Process(celery.python, [...args, ...quiet], options)
      django = new PythonClient(celery, { broker, backend: 'django-db', env }, DJANGO_DIR)
      const backend = `django-db+${url}`
      shop = createShop({ broker, backend })
      plain = createShop({ broker, backend, resultExtended: false, queue: 'plain' })
      const workers = [shop, plain].map((app) => app.worker({ hostname: 'ts@h', concurrency: 4 }))
      stop = [django, ...workers].map((each) => () => each.stop())
      stop.push(...[shop, plain].map((app) => () => app.close()), () => python.kill())
      await Promise.all([python.says(/ ready\./, 30), ...workers.map((each) => each.start())])
    })
    after(async () => {
      for (const end of stop) await end()
    })

    const value = async <T>(expression: string): Promise<T> =>
      (await django.eval(expression)).value as T

    /** The row when the task has come to a state. */
    const rowIn = (state: string, taskId: string): Promise<Row> =>
      until(
        async () => {
          const [row] = await value<Row[]>(`rows(${JSON.stringify(taskId)})`)
          return row?.['status'] === state ? row : undefined
        },
        { seconds: 50, what: `${taskId} to become ${state}` },
      )

    const rowOf = async (state: string, task: string, args: readonly unknown[]): Promise<Row> =>
      rowIn(state, (await shop.sendTask(task, args)).id)

    /** What must be the same, whoever ran the task. */
    const common = (row: Row): Row => {
      const own = Object.entries(row).filter(([column]) => !OWN.includes(column))
      const text = JSON.stringify(Object.fromEntries(own))
      return JSON.parse(text.replaceAll('ts.', 'py.').replaceAll(UUID, '(a task)')) as Row
    }

    it('has a view leave work to TypeScript, and sees the result in its own table', async () => {
      const sent = "site.post('/order/', {'x': '2', 'y': '3'}).json()['task_id']"
      const taskId = await value<string>(sent)
      const row = await rowIn('SUCCESS', taskId)
      expect(row).to.include({
        task_name: 'ts.add',
        task_args: '"(2, 3)"',
        task_kwargs: '"{}"',
        worker: 'ts@h',
        content_type: 'application/json',
        content_encoding: 'utf-8',
        result: '5',
        meta: '{"children": []}',
        traceback: null,
      })
      const told = await value(`site.get('/status/${taskId}/').json()`)
      expect(told).to.deep.equal({ status: 'SUCCESS', result: 5 })
    })

    for (const [state, task, ...args] of [
      ['SUCCESS', 'add', 2, 3],
      ['SUCCESS', 'total', [1.5, 2]],
      ['FAILURE', 'fail', 'bäm'],
      ['RETRY', 'give_up'],
      ['SUCCESS', 'retrying', 1],
    ] as const) {
      it(`has the same row of ${task} that comes to ${state}, whoever ran it`, async () => {
        const [ours, theirs] = await Promise.all([
          rowOf(state, `ts.${task}`, args),
          rowOf(state, `py.${task}`, args),
        ])
        expect(common(ours)).to.deep.equal(common(theirs))
        expect(Object.keys(ours)).to.deep.equal(Object.keys(theirs))
        expect(typeof ours['traceback']).to.equal(typeof theirs['traceback'])
        expect([ours['worker'], theirs['worker']]).to.deep.equal(['ts@h', 'py@h'])
        const times = [ours, theirs].map((row) => Date.parse(String(row['date_done'])))
        expect(Math.abs((times[0] ?? NaN) - (times[1] ?? NaN))).to.be.lessThan(60_000)
      })
    }

    it('has the same row of a task that came too late', async () => {
      const options = { expires: new Date(Date.now() - 60_000) }
      const [ours, theirs] = await Promise.all(
        ['ts.add', 'py.add'].map(async (task) =>
          rowIn('REVOKED', (await shop.sendTask(task, [2, 3], options)).id),
        ),
      )
      expect(common(ours ?? {})).to.deep.equal(common(theirs ?? {}))
    })

    it('has the same rows without result_extended, but for the traceback, which ours keeps', async () => {
      const [done, failed] = ['done', 'failed'].map((word) => `${word}-${randomUUID()}`)
      await django.eval(`store_plain('${done}', 5, 'SUCCESS')`)
      await django.eval(`store_plain('${failed}', ValueError('bäm', 42), 'FAILURE')`)
      const cases = [
        ['SUCCESS', 'ts.add', [2, 3], done],
        ['FAILURE', 'ts.fail', ['bäm'], failed],
      ] as const
      for (const [state, task, args, theirs = ''] of cases) {
        const ours = await rowIn(state, (await plain.sendTask(task, args)).id)
        expect(common(ours)).to.deep.equal(common(await rowIn(state, theirs)))
        expect(ours['worker']).to.equal(null)
        if (state === 'FAILURE') expect(ours['traceback']).to.include('ValueError: bäm')
      }
    })

    it('knows which entry of its schedule sent a task', async () => {
      const headers = { periodic_task_name: 'nightly' }
      const { id } = await shop.sendTask('ts.add', [1, 1], { headers })
      expect(await rowIn('SUCCESS', id)).to.include({ periodic_task_name: 'nightly' })
    })

    it('sees what a task of TypeScript has sent as its children', async () => {
      const { id } = await shop.sendTask('ts.spread', ['py.add'])
      await rowIn('SUCCESS', id)
      const child = `AsyncResult('${id}').children[0]`
      expect(await value(`${child}.get(timeout=25)`)).to.equal(3)
      expect(await value(`${child}.id == AsyncResult('${id}').result`)).to.equal(true)
    })

    it('gives TypeScript what Python returned or raised, and Python what TypeScript did', async () => {
      const sum = await shop.sendTask('py.add', [2, 3])
      expect(await sum.get({ timeout: 50 })).to.equal(5)
      const failure = await shop.sendTask('py.fail', ['bäm'])
      const error = await failure.get({ timeout: 50 }).catch((reason: unknown) => reason)
      expect(error).to.include({ name: 'TaskError', excType: 'ValueError', taskId: failure.id })
      expect((error as TaskError).args).to.deep.equal(['bäm', 42])
      expect((error as TaskError).traceback).to.include('raise ValueError(message, 42)')
      const { id } = await shop.sendTask('ts.fail', ['bäm'])
      const raised = await value(`repr(AsyncResult('${id}').get(timeout=25, propagate=False))`)
      expect(raised).to.equal("ValueError('bäm', 42)")
      expect(await value(`AsyncResult('${id}').traceback`)).to.include('ValueError: bäm')
    })

    it('saves groups that TypeScript restores, and restores those of TypeScript', async () => {
      const [sum, other] = await Promise.all([
        shop.sendTask('ts.add', [1, 2]),
        shop.sendTask('py.add', [3, 4]),
      ])
      const members = `[AsyncResult('${sum.id}'), AsyncResult('${other.id}')]`
      const theirs = `theirs-${sum.id}`
      await django.eval(`GroupResult('${theirs}', ${members}).save()`)
      const restored = await shop.groupResult(theirs)
      expect(await restored?.join({ timeout: 50 })).to.deep.equal([3, 7])
      const ours = `ours-${sum.id}`
      await new GroupResult(ours, [sum, other]).save()
      expect(await value(`GroupResult.restore('${ours}').join(timeout=25)`)).to.deep.equal([3, 7])
      await restored?.delete()
      expect(await value(`GroupResult.restore('${theirs}')`)).to.equal(null)
    })

    // where a transaction of Python reads before it writes, SQLite refuses it when another has written
    if (name !== 'SQLite') chords()
    else it('counts the parts of chords in TypeScript', () => expectTotal('ts', 'ts'))

    async function expectTotal(one: string, other: string, body: string = one): Promise<void> {
      const header = Array.from({ length: 10 }, (_, index) =>
        shop.signature(`${index % 2 === 0 ? one : other}.add`, [index, 1]),
      )
      const result = await chord(header, shop.signature(`${body}.total`)).applyAsync()
      expect(await result.get({ timeout: 50 })).to.equal(55)
      const left = await until(async () => (await value('ChordCounter.objects.count()')) === 0)
      expect(left).to.equal(true)
    }

    function chords(): void {
      it('joins chords of TypeScript whose parts run in both languages', async () => {
        await expectTotal('ts', 'py')
        await expectTotal('py', 'ts')
      })

      it('has its chords joined, wherever their last part runs', async () => {
        const header = '[signature(("ts.add", "py.add")[i % 2], args=(i, 1)) for i in range(10)]'
        for (const body of ['ts', 'py']) {
          const sent = `chord(${header}, app=app)(signature('${body}.total')).get(timeout=25)`
          expect(await value(sent)).to.equal(55)
        }
      })

      it('joins a header with a chain that ends in a group, which Python does not', async () => {
        const inner =
          "chain(signature('ts.add', args=(1, 1)), group(signature('ts.add', args=(1,)), signature('ts.add', args=(2,))))"
        const header = `[signature('ts.add', args=(1, 2)), ${inner}]`
        const sent = `chord(${header}, app=app)(signature('ts.echo')).id`
        const id = await value<string>(sent)
        expect(await shop.asyncResult(id).get({ timeout: 50 })).to.deep.equal([3, [3, 4]])
      })

      it('fails the body of a chord when a part has failed, in either language', async () => {
        for (const [failing, other] of [
          ['ts', 'py'],
          ['py', 'ts'],
        ] as const) {
          const header = [shop.signature(`${failing}.fail`), shop.signature(`${other}.add`, [1, 2])]
          const result = await chord(header, shop.signature('ts.total')).applyAsync()
          // a handle that knows its parents rejects with what they raised
          const body = shop.asyncResult(result.id)
          const error = await body.get({ timeout: 50 }).catch((reason: unknown) => reason)
          expect(error).to.include({ name: 'ChordError' })
          expect(String(error)).to.include("ValueError('boom', 42)")
          expect(await value(`AsyncResult('${result.id}').status`)).to.equal('FAILURE')
        }
      })

      it('gives a body what a part returned that keeps no result', async () => {
        const header = [shop.signature('ts.silent', [4]), shop.signature('ts.silent', [5])]
        const result = await chord(header, shop.signature('ts.total')).applyAsync()
        expect(await result.get({ timeout: 50 })).to.equal(9)
      })
    }
  })
}
