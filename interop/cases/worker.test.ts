/** What a Python client sees of tasks that did not end by themselves: the same from either kind of worker. */

import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { PythonClient, startNodeWorker, startPythonWorker, type Surroundings } from '../harness.ts'
import { celeries, PAIRINGS } from '../matrix.ts'
import type { Process } from '../../test/support/process.ts'
import { until, within } from '../../test/support/until.ts'

/** A worker by the tasks and the queue that it has. */
interface Side {
  readonly name: string
  readonly prefix: 'py' | 'ts'
  readonly queue: string
  /** Whether tasks have processes of their own. */
  readonly kills: boolean
  readonly start: () => Promise<Process>
}

/** The state, the exception with its arguments, and whether there is a traceback. */
type Seen = readonly [status: string, result: string, traceback: boolean]

const LOST = "WorkerLostError('Worker exited prematurely: signal 9 (SIGKILL) Job: N.')"
const ENDINGS: Readonly<Record<string, Seen>> = {
  soft: ['FAILURE', 'SoftTimeLimitExceeded()', true],
  hard: ['FAILURE', 'TimeLimitExceeded(1)', false],
  // Each worker that hears of it writes that it was revoked; the last one is heard.
  terminated: ['REVOKED', 'TaskRevokedError', false],
  lost: ['FAILURE', LOST, false],
}

/** Without what differs from run to run. */
function plain([status, result, traceback]: Seen): Seen {
  const text = result.replace(/Job: \d+/, 'Job: N').replace(/\('(revoked|terminated)'\)/, '')
  return [status, text, traceback]
}

/** The newest Celery that is there. */
const celery = celeries().at(-1)
/** Since Celery 5.5 a cold shutdown marks what it ends. */
const marksAtShutdown = Number.parseFloat(celery?.version ?? '') >= 5.5

for (const pairing of PAIRINGS.slice(0, 2)) {
  describe(`tasks that are ended, on ${pairing.name}`, function () {
    this.timeout(120_000)
    let surroundings: Surroundings
    let python: PythonClient
    let sides: readonly Side[]
    let folder: string
    const workers = new Map<Side, Process>()

    before(async () => {
      if (celery === undefined) throw new Error('no Celery')
      surroundings = await pairing.open()
      folder = await mkdtemp(join(tmpdir(), 'celeriac-ended-'))
      python = new PythonClient(celery, surroundings)
      const py = (): Promise<Process> =>
        startPythonWorker(celery, surroundings, ['-P', 'prefork', '-c', '3'])
      const ts = (pool: string) => (): Promise<Process> =>
        startNodeWorker(surroundings, ['-P', pool, '-c', '3', '-Q', pool, '-n', `${pool}@%h`])
      sides = [
        { name: 'Python', prefix: 'py', queue: 'python', kills: true, start: py },
        { name: 'prefork', prefix: 'ts', queue: 'prefork', kills: true, start: ts('prefork') },
        { name: 'async', prefix: 'ts', queue: 'async', kills: false, start: ts('async') },
      ]
      for (const side of sides) workers.set(side, await side.start())
    })
    after(async () => {
      await python.stop()
      for (const worker of workers.values()) await worker.kill()
    })

    const workerOf = (side: Side): Process => {
      const worker = workers.get(side)
      if (worker === undefined) throw new Error(`no worker '${side.name}'`)
      return worker
    }

    const send = async (side: Side, task: string, args: string, more = ''): Promise<string> => {
      const call = `'${side.prefix}.${task}', args=${args}, queue='${side.queue}'${more}`
      return String((await python.eval(`app.send_task(${call}).id`)).value)
    }

    /** As the Python client has it, once it is not running any more. */
    const seen = async (id: string): Promise<Seen> => {
      const meta = `app.backend.get_task_meta('${id}', cache=False)`
      const facts = "lambda m: [m['status'], repr(m['result']), m.get('traceback') is not None]"
      const isOver = async (): Promise<Seen | undefined> => {
        const value = (await python.eval(`(${facts})(${meta})`)).value as Seen
        return ['PENDING', 'STARTED'].includes(value[0]) ? undefined : value
      }
      return plain(await until(isOver, { seconds: 30, what: `the end of ${id}` }))
    }

    it('end the same at either kind of worker', async () => {
      const sent: (readonly [string, string, string])[] = []
      for (const side of sides) {
        const terminated = await send(side, 'sleep', '[60]')
        sent.push([side.name, 'soft', await send(side, 'sleep', '[60]', ', soft_time_limit=1')])
        sent.push([side.name, 'hard', await send(side, 'sleep', '[60]', ', time_limit=1')])
        if (side.kills) sent.push([side.name, 'lost', await send(side, 'die', '[]')])
        await workerOf(side).says(`[${terminated}] received`)
        await python.eval(`app.control.revoke('${terminated}', terminate=True)`)
        sent.push([side.name, 'terminated', terminated])
      }
      for (const [name, how, id] of sent) {
        expect(await seen(id), `${how} at ${name}`).to.deep.equal(ENDINGS[how])
      }
    })

    it('are marked, or given back, at a cold shutdown of either kind of worker', async () => {
      for (const side of sides.filter(({ prefix }) => prefix === 'ts' || marksAtShutdown)) {
        const file = join(folder, side.name)
        const early = await send(side, 'sleep', '[60]')
        const late = await send(side, 'slow', `['${file}', 60]`)
        await until(() => existsSync(file), { seconds: 20, what: `the late task at ${side.name}` })
        workerOf(side).signal('SIGQUIT')
        const retry = ['RETRY', 'Retry(Retry(...), None, None)', false]
        expect(await seen(early), side.name).to.deep.equal(retry)
        const state = await python.eval(`app.AsyncResult('${late}').state`)
        expect(state.value, side.name).to.equal('PENDING')
        // Celery's worker may hang on its way out.
        if (side.prefix === 'py') continue
        expect(await within(20, workerOf(side).exited)).to.equal(1)
        const declare = `queue_declare('${side.queue}', passive=True).message_count`
        const waiting = await python.eval(`app.connection().default_channel.${declare}`)
        expect(waiting.value, `what waits for another ${side.name}`).to.equal(1)
      }
    })
  })
}
