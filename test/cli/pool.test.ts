/** The command `worker` with pools of children, whose app is TypeScript, as processes of its own. */

import { expect } from 'chai'
import { Celery } from '../../src/app/celery.ts'
import type { Process } from '../support/process.ts'
import { redisUrl } from '../support/services.ts'
import { until, within } from '../support/until.ts'
import { runHere, startWorker, type Env } from './command.ts'

/** Whether there is such a process. */
function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('cli: celeriac worker with children', function () {
  this.timeout(120_000)
  let env: Env
  let client: Celery
  let worker: Process | undefined
  beforeEach(async () => {
    env = { CELERY_BROKER_URL: await redisUrl(), CELERY_RESULT_BACKEND: await redisUrl() }
    client = new Celery('client', {}, { env })
  })
  afterEach(async () => {
    await worker?.kill()
    await client.close()
  })

  const pidOfTask = async (): Promise<number> => {
    const result = await client.sendTask<number>('cli.pid')
    return await result.get({ timeout: 60 })
  }

  it('runs tasks in processes; what computes ends with its time limit, or with the worker', async () => {
    worker = await startWorker(['-P', 'prefork', '-c', '1'], env)
    expect(worker.output).to.include('.> concurrency: 1 (prefork)')
    const pid = await pidOfTask()
    expect(pid).to.not.equal(worker.pid)
    await worker.says('said by a task')
    const limited = await client.sendTask('cli.block', [600], { timeLimit: 0.5 })
    const error = await limited.get({ timeout: 60 }).catch((reason: unknown) => reason)
    expect(error).to.have.property('name', 'TimeLimitExceeded')
    const other = await pidOfTask()
    expect([lives(pid), other === pid]).to.deep.equal([false, false])
    const orphan = await client.sendTask('cli.block', [600])
    await worker.says(`[${orphan.id}] received`)
    worker.signal('SIGKILL')
    await within(10, worker.exited)
    await until(() => !lives(other))
  })

  it('runs tasks in threads, and stops them when it stops', async () => {
    worker = await startWorker(['-P', 'threads', '-c', '1', '--max-tasks-per-child', '5'], env)
    expect(await pidOfTask()).to.equal(worker.pid)
    worker.signal('SIGTERM')
    expect(await within(30, worker.exited)).to.equal(0)
  })

  it('says how to name the app that children load', async () => {
    const { code, stderr } = await runHere(['worker', '-P', 'prefork', '-l', 'critical'])
    expect(stderr).to.include(
      "the pool 'prefork' runs tasks in children that load the app themselves",
    )
    expect(code).to.equal(1)
  })
})
