/** Results in files and in Memcached, which tell nobody: stored in one language and read in the other, chords too. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { chord, type TaskError } from '../../src/index.ts'
import { memcachedUrl, redisUrl, startMemcached } from '../../test/support/services.ts'
import type { Pairing } from '../matrix.ts'
import { createApp } from '../node/tasks.ts'
import { closeStages, onEveryStage } from '../stage.ts'

let directory: string | undefined

after(async () => {
  await closeStages()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

const STORES: readonly Pairing[] = [
  {
    name: 'Redis, results in files',
    open: async () => {
      directory ??= await mkdtemp(join(tmpdir(), 'celeriac-stores-'))
      return { broker: await redisUrl(), backend: `file://${directory}` }
    },
  },
  {
    name: 'Redis, results in Memcached',
    open: async () => ({ broker: await redisUrl(), backend: await memcachedUrl() }),
  },
]

onEveryStage(
  'a result that nobody is told of',
  (stage) => {
    it('comes from Python to TypeScript, and from TypeScript to Python', async () => {
      const { app, python } = stage()
      const sent = await app.sendTask('py.echo', ['ü', { deep: [1, null] }])
      expect(await sent.get({ timeout: 20 })).to.deep.equal({
        args: ['ü', { deep: [1, null] }],
        kwargs: {},
      })
      const { value } = await python.eval("send('ts.echo', 'ü', {'deep': [1, None]})")
      expect(value).to.deep.equal(['ü', { deep: [1, null] }])
    })

    it('is a failure in either language, with its arguments', async () => {
      const { app, python } = stage()
      const sent = await app.sendTask('py.fail', ['boom', 42])
      const error = (await sent.get({ timeout: 20 }).catch((e: unknown) => e)) as TaskError
      expect(error).to.include({ excType: 'ValueError' })
      expect(error.args).to.deep.equal(['boom', 42])
      const raised = await python.eval("send('ts.fail', 'boom')").catch((e: unknown) => e)
      expect(raised).to.include({ raised: 'TypeError' })
    })

    it('is forgotten by either', async () => {
      const { app, python } = stage()
      const sent = await app.sendTask('py.add', [1, 1])
      await sent.get({ timeout: 20 })
      await python.eval(`app.AsyncResult('${sent.id}').forget()`)
      expect(await app.asyncResult(sent.id).state()).to.equal('PENDING')
      const { value } = await python.eval(
        "(lambda r: r.get(timeout=20) and r.id)(app.send_task('ts.add', [1, 1]))",
      )
      await app.asyncResult(String(value)).forget()
      expect((await python.eval(`app.AsyncResult('${String(value)}').state`)).value).to.equal(
        'PENDING',
      )
    })

    it('is a part of a chord, whoever sent it and whoever runs its body', async () => {
      const { app, python } = stage()
      const chords = ['py.describe', 'ts.echo'].map(async (body) => {
        const header = ['ts.add', 'py.add', 'ts.add'].map((name, index) =>
          app.signature(name, [index, 1]),
        )
        return await (await chord(header)(app.signature(body))).get({ timeout: 30 })
      })
      const s = (name: string, ...args: number[]): string =>
        `signature('${name}', args=${JSON.stringify(args)}, app=app)`
      const header = [s('py.add', 0, 1), s('ts.add', 1, 1), s('py.add', 2, 1)].join(', ')
      const fromPython = python.eval(
        `[r.get(timeout=30) for r in [chord([${header}])(b) for b in [${s('py.describe')}, ${s('ts.echo')}]]]`,
        60,
      )
      expect(await Promise.all(chords)).to.deep.equal(['list [1, 2, 3]', [[1, 2, 3]]])
      expect((await fromPython).value).to.deep.equal(['list [1, 2, 3]', [[1, 2, 3]]])
    })

    it('fails the body of its chord in either language', async () => {
      const { app, python } = stage()
      const failing = (part: string, body: string): string =>
        `chord([signature('py.add', args=(1, 1), app=app), signature('${part}', app=app)])(signature('${body}', app=app))`
      const { value } = await python.eval(
        `[[type(r.get(timeout=30, propagate=False)).__name__, str(r.result), r.parent[1].id] for r in [${failing('ts.fail', 'py.describe')}, ${failing('py.fail', 'ts.echo')}]]`,
        60,
      )
      for (const [type, text, id] of value as readonly (readonly string[])[]) {
        expect(type).to.equal('ChordError')
        expect(text).to.match(/(TypeError|ValueError)\('boom'/)
        if (text?.startsWith('Dependency')) expect(text).to.include(id)
      }
      const header = [app.signature('ts.add', [1, 1]), app.signature('py.fail')]
      const sent = await chord(header)(app.signature('ts.echo'))
      const body = app.asyncResult(sent.id)
      const error = await body.get({ timeout: 30 }).catch((e: unknown) => e)
      expect(error).to.have.property('name', 'ChordError')
      expect(String(error)).to.include("ValueError('boom', 42)")
    })
  },
  STORES,
)

onEveryStage(
  'a key in Memcached',
  (stage) => {
    it('is read by both of Python’s clients', async () => {
      const { app, python, surroundings } = stage()
      const sent = await app.sendTask('ts.add', [20, 22])
      await sent.get({ timeout: 20 })
      const place = surroundings.backend.replace(/^.*:\/\/|\/$/g, '')
      for (const client of ['pylibmc', 'memcache']) {
        const { value } = await python.eval(
          `__import__('json').loads(__import__('${client}').Client(['${place}']).get('celery-task-meta-${sent.id}'))['result']`,
        )
        expect(value, client).to.equal(42)
      }
    })

    it('lies on the one of several servers where Python looks', async () => {
      const servers = await Promise.all([startMemcached(), startMemcached(), startMemcached()])
      const places = servers.map(({ port }) => `127.0.0.1:${port}`)
      const ids = Array.from({ length: 30 }, () => randomUUID())
      const backend = `cache+memcached://${places.join(';')}/`
      const app = createApp(stage().surroundings.broker, backend)
      const { python } = stage()
      await python.eval(
        `__import__('pylibmc').Client(${JSON.stringify(places)}).set_multi({'celery-task-meta-' + i: '{"status": "SUCCESS", "result": "' + i + '", "task_id": "' + i + '", "traceback": null, "children": []}' for i in ${JSON.stringify(ids)}})`,
      )
      const metas = await app.backend.fetchMany(ids)
      expect(metas.map(({ result }) => result)).to.deep.equal(ids)
      await Promise.all(ids.map((id) => app.backend.forget(id)))
      const { value } = await python.eval(
        `__import__('pylibmc').Client(${JSON.stringify(places)}).get_multi(['celery-task-meta-' + i for i in ${JSON.stringify(ids)}])`,
      )
      expect(value).to.deep.equal({})
      await app.close()
      await Promise.all(servers.map((server) => server.stop()))
    })
  },
  STORES.filter(({ name }) => name.endsWith('Memcached')),
)
