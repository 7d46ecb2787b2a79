/** What operators do to workers from either language: limits, the pool, stamps, shutdown, kept revokes. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { TaskRevokedError, type AsyncResult, type Celery } from '../../src/index.ts'
import { until } from '../../test/support/until.ts'
import { startNodeWorker, startPythonWorker, type PythonClient } from '../harness.ts'
import { celeries, COUNTING } from '../matrix.ts'
import { closeStages, onEveryStage } from '../stage.ts'

after(closeStages)

type Replies = readonly Readonly<Record<string, unknown>>[]

/** What each node replied, by the name before the `@`. */
function byNode(replies: unknown): Record<string, unknown> {
  const each = (replies as Replies).flatMap(Object.entries)
  return Object.fromEntries(each.map(([node, reply]) => [node.split('@')[0], reply]))
}

/** As a worker is called that was started as `name@%h`. */
function nodeName(name: string): string {
  return `${name}@${hostname()}`
}

const PY = nodeName('py')
const TS = nodeName('ts')

async function errorOf(result: AsyncResult): Promise<unknown> {
  return await result.get({ timeout: 20 }).catch((reason: unknown) => reason)
}

async function newFile(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'celeriac-interop-')), 'lines')
}

async function written(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}

async function hasStamps(python: PythonClient): Promise<boolean> {
  const { value } = await python.eval('hasattr(app.signature("x"), "stamp")')
  return value === true
}

const TASK = 'celery.backend_cleanup'

/** By a name of its own: what Python evaluates, with the same arguments. */
const ASKED: readonly (readonly [
  python: string,
  typescript: (control: Celery['control'], options: object) => Promise<unknown>,
])[] = [
  [`rate_limit("${TASK}", "10/m"`, (control, o) => control.rateLimit(TASK, '10/m', o)],
  [`rate_limit("${TASK}", 2.5`, (control, o) => control.rateLimit(TASK, 2.5, o)],
  [`rate_limit("${TASK}", None`, (control, o) => control.rateLimit(TASK, null, o)],
  ['rate_limit("no.such", "1/h"', (control, o) => control.rateLimit('no.such', '1/h', o)],
  [
    `time_limit("${TASK}", soft=300, hard=400`,
    (control, o) => control.timeLimit(TASK, { soft: 300, hard: 400, ...o }),
  ],
  [`time_limit("${TASK}"`, (control, o) => control.timeLimit(TASK, o)],
  ['time_limit("no.such", hard=1', (control, o) => control.timeLimit('no.such', { hard: 1, ...o })],
  ['pool_grow(1', (control, o) => control.poolGrow(1, o)],
  ['pool_shrink(1', (control, o) => control.poolShrink(1, o)],
  ['autoscale(4, 1', (control, o) => control.autoscale(4, 1, o)],
  ['pool_restart(', (control, o) => control.poolRestart(o)],
  ['terminate("nobody"', (control, o) => control.terminate('nobody', o)],
]

onEveryStage(
  'operations',
  (stage) => {
    it('is replied to with the same words by workers of either kind, to clients of either', async () => {
      const { app, python } = stage()
      const destination = [PY, TS]
      const options = { destination, reply: true, timeout: 10 }
      for (const [call, typescript] of ASKED) {
        const more = `destination=${JSON.stringify(destination)}, reply=True, timeout=10)`
        const separator = call.endsWith('(') ? '' : ', '
        const { value } = await python.eval(`app.control.${call}${separator}${more}`)
        const { py, ts } = byNode(value)
        expect(ts, call).to.deep.equal(py)
        expect(byNode(await typescript(app.control, options)), call).to.deep.equal({ py, ts })
      }
    })

    it('limits how often tasks run, whoever says so', async () => {
      const { app, python } = stage()
      const options = { destination: [PY], reply: true, timeout: 10 }
      const from = `destination=["${TS}"], reply=True, timeout=10)`
      await app.control.rateLimit('py.add', '5/s', options)
      await python.eval(`app.control.rate_limit("ts.add", "5/s", ${from}`)
      /** Seconds until four of them are done. */
      const run = async (name: string): Promise<number> => {
        const since = performance.now()
        const calls = [1, 2, 3, 4].map((n) => app.sendTask(name, [n, n]))
        for (const result of await Promise.all(calls)) await result.get({ timeout: 30 })
        return (performance.now() - since) / 1000
      }
      const [atPython, atOurs] = await Promise.all([run('py.add'), run('ts.add')])
      // Python's bucket lets two go at once after a rest.
      expect(atPython).to.be.greaterThan(0.38)
      expect(atOurs).to.be.greaterThan(0.58)
      await app.control.rateLimit('py.add', null, options)
      await python.eval(`app.control.rate_limit("ts.add", None, ${from}`)
    })

    it('limits how long tasks run at our worker, whoever says so', async () => {
      const { app, python } = stage()
      const options = { destination: [TS], reply: true, timeout: 10 }
      const from = `destination=["${TS}"], reply=True, timeout=10)`
      await python.eval(`app.control.time_limit("ts.slow", hard=0.5, ${from}`)
      const result = await app.sendTask('ts.slow', [await newFile(), 60])
      expect(await errorOf(result)).to.have.property('name', 'TimeLimitExceeded')
      const seen = python.eval(`app.AsyncResult("${result.id}").get(timeout=20)`)
      expect(await seen.catch((reason: unknown) => reason)).to.have.property(
        'raised',
        'TimeLimitExceeded',
      )
      // A Python worker replies, and heeds the new limits only when it has connected again.
      await app.control.timeLimit('ts.slow', options)
    })

    it('lets Python end what it stamped, at workers of either kind', async () => {
      const { app, python, celery } = stage()
      if (celery.version.startsWith('5.2')) {
        expect(await hasStamps(python)).to.equal(false)
        return
      }
      const from = `terminate=True, destination=${JSON.stringify([PY, TS])}, reply=True, timeout=10)`
      const path = await newFile()
      const ids = ['py.slow', 'ts.slow'].map((name) => `${name}-${randomUUID()}`)
      for (const id of ids) {
        const name = id.slice(0, 'py.slow'.length)
        const signed = `app.signature("${name}", args=("${path}", 60), task_id="${id}")`
        await python.eval(`globals().update(s=${signed})`)
        await python.eval('s.stamp(tenant="acme") and None')
        await python.eval('s.apply_async() and None')
      }
      await until(async () => (await written(path)) === 'start\nstart\n', { seconds: 20 })
      // Python's worker hears from its child a little after the task has begun.
      const active = `app.control.inspect([${JSON.stringify(PY)}], timeout=5).active()`
      const begun = async (): Promise<boolean> => {
        const { repr } = await python.eval(active)
        return repr.includes(ids[0] ?? '')
      }
      await until(begun, { seconds: 20 })
      const { value } = await python.eval(
        `app.control.revoke_by_stamped_headers({"tenant": ["acme", "x"]}, ${from}`,
      )
      const { py, ts } = byNode(value)
      expect(ts).to.deep.equal({
        ok: "headers defaultdict(<class 'set'>, {'tenant': {'acme'}}) revoked",
      })
      expect(ts).to.deep.equal(py)
      for (const id of ids) {
        expect(await errorOf(app.asyncResult(id))).to.be.instanceOf(TaskRevokedError)
      }
    })
  },
  COUNTING,
)

onEveryStage(
  'operations on a worker of its own',
  (stage) => {
    it('keeps revokes over a kill, and ends by a word of Python', async () => {
      const { app, python, surroundings } = stage()
      const folder = await mkdtemp(join(tmpdir(), 'celeriac-statedb-'))
      const path = join(folder, '%n.state')
      const flags = ['-n', 'kept@%h', '-Q', 'kept', '-S', path]
      const id = randomUUID()
      const first = await startNodeWorker(surroundings, flags)
      await python.eval(`app.control.revoke("${id}")`)
      const saved = join(folder, 'kept.state')
      await until(async () => (await written(saved)).includes(id), { seconds: 20 })
      first.signal('SIGKILL')
      await first.exited

      const second = await startNodeWorker(surroundings, flags)
      const result = await app.sendTask('ts.add', [1, 1], { taskId: id, queue: 'kept' })
      await second.says(`Discarding revoked task: ts.add[${id}]`, 20)
      expect(await errorOf(result)).to.be.instanceOf(TaskRevokedError)
      const name = nodeName('kept')
      const shutdown = `app.control.shutdown(destination=["${name}"], reply=True, timeout=0.5)`
      expect(byNode((await python.eval(shutdown)).value)).to.deep.equal({})
      expect(await second.exited).to.equal(0)
      expect(second.output).to.include('Got shutdown from remote')
    })

    it('lets TypeScript end a Python worker', async () => {
      const { app, celery, surroundings } = stage()
      const worker = await startPythonWorker(celery, surroundings, ['-n', 'bye@%h', '-P', 'solo'])
      const name = nodeName('bye')
      const options = { destination: [name], reply: true, timeout: 0.5 }
      expect(await app.control.shutdown(options)).to.deep.equal([])
      expect(await worker.exited).to.equal(0)
      expect(worker.output).to.include('Got shutdown from remote')
    })
  },
  COUNTING,
  celeries().slice(-1),
)
