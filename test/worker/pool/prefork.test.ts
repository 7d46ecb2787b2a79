/** The pool of child processes: what becomes of jobs and slots when real children come to harm. */

import { expect } from 'chai'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TimeLimitExceeded } from '../../../src/errors.ts'
import { createTestApp } from '../../../src/testing.ts'
import { markAsChild } from '../../../src/worker/pool/mark.ts'
import { openPool } from '../../../src/worker/pool/open.ts'
import { poolContract, STAGE_SIZE } from '../../contracts/pool.ts'
import { until } from '../../support/until.ts'
import { recorder } from '../harness.ts'
import { call, childStage, run, testPool, valueOf, type TestPool } from './stage.ts'
import type { TestPoolOptions } from './stage.ts'

poolContract({ name: 'prefork', size: STAGE_SIZE, kills: true, open: () => childStage('prefork') })

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Whether there is such a process. */
function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function startError({ pool }: TestPool): Promise<Error> {
  return await pool.start().then(
    () => new Error('it has started'),
    (reason: unknown) => reason as Error,
  )
}

describe('worker/pool/prefork', function () {
  // children that load the app, beside other tests
  this.timeout(120_000)
  let stop: () => Promise<void> = async () => {}
  afterEach(() => stop())

  const started = async (options: TestPoolOptions = {}): Promise<TestPool> => {
    const test = testPool('prefork', options)
    stop = () => test.pool.stop()
    await test.pool.start()
    return test
  }

  it('tells how a child died, and has another in its place; the other slots see nothing of it', async () => {
    const test = await started({ size: 2 })
    const { pool } = test
    const deaths = [
      ['pool.exit', [0], 'exitcode 0'],
      ['pool.signal', ['SIGKILL'], 'signal 9 (SIGKILL)'],
      ['pool.disconnect', [], 'exitcode 1'],
      ['pool.throw', [], 'exitcode 1', 'RangeError: out of a timer'],
      ['pool.reject', [], 'exitcode 1', 'RangeError: nobody awaits me'],
    ] as const
    const jobs = deaths.map(([task, args]) => call(task, ...args))
    const ends = await Promise.all(jobs.map((job) => run(pool, job)))
    for (const [i, [task, , status, cause]] of deaths.entries()) {
      const error = ends[i]?.error
      expect(error?.name, task).to.equal('WorkerLostError')
      expect(error?.message).to.equal(`Worker exited prematurely: ${status} Job: ${jobs[i]?.id}.`)
      if (cause !== undefined) expect(String(error?.cause)).to.equal(cause)
    }
    expect(new Set(ends.map(({ pid }) => pid)).size).to.equal(deaths.length)
    expect(test.logged).to.include(
      `error Child of pool prefork pid:${ends[1]?.pid} exited with signal 9 (SIGKILL)`,
    )
    expect(await valueOf(pool, call('pool.where'))).to.match(/^\{'pid': \d+, 'threadId': 0\}$/)
  })

  it('ends at once a child that computes; signals to the group of the worker it does not heed', async () => {
    const { pool } = await started()
    const job = call('pool.compute', ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'])
    const end = run(pool, job)
    const reason = new TimeLimitExceeded(1)
    await until(() => pool.running === 1, { seconds: 60 })
    expect(pool.kill(reason, job.id)).to.equal(true)
    const { pid, error } = await end
    expect(error).to.equal(reason)
    expect(lives(pid)).to.equal(false)
  })

  it('sets children up as the worker is, and lets them end in order after their share', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-pool-'))
    process.env['POOL_TEST_FOLDER'] = folder
    try {
      const settings = { taskDefaultQueue: 'other', include: [fileOf('included.ts')] }
      const { pool } = await started({ importModules: true, settings, maxTasksPerChild: 3 })
      expect(await valueOf(pool, call('pool.included'))).to.equal("'other'")
      expect(await valueOf(pool, call('pool.told'))).to.equal("['init w1@host true']")
      const { pid, outcome } = await run(pool, call('pool.name'))
      expect(outcome).to.have.property(
        'resultRepr',
        "['[celeriac: w1@host:ForkPoolWorker-1]', 'ForkPoolWorker-1']",
      )
      const next = await run(pool, call('pool.where'))
      expect(next.pid).to.not.equal(pid)
      await until(() => readdirSync(folder).includes(`${pid}-0`), { seconds: 60 })
      await pool.stop()
    } finally {
      delete process.env['POOL_TEST_FOLDER']
      rmSync(folder, { recursive: true })
    }
  })

  it('replaces a child that has taken too much memory, and survives one whose heap is full', async () => {
    process.execArgv.push('--max-old-space-size=64')
    try {
      const test = await started({ maxMemoryPerChild: 600_000 })
      const { pool } = test
      const small = await run(pool, call('pool.keep', 1))
      const big = await run(pool, call('pool.keep', 700))
      expect([small.outcome?.state, big.outcome?.state]).to.deep.equal(['SUCCESS', 'SUCCESS'])
      expect(small.pid).to.equal(big.pid)
      expect(test.logged.join('\n')).to.match(
        /^warning child process exiting after exceeding memory limit \(\d+KiB \/ 600000KiB\)$/,
      )
      const { pid, error } = await run(pool, call('pool.fill'))
      expect(pid).to.not.equal(big.pid)
      expect(error?.message).to.match(/^Worker exited prematurely: signal 6 \(SIGABRT\)/)
    } finally {
      process.execArgv.pop()
    }
  })

  it('logs why a child cannot load the app', async () => {
    const test = testPool('prefork', { app: fileOf('broken-app.ts') })
    stop = () => test.pool.stop()
    const error = startError(test)
    await until(() => test.logged.length > 0, { seconds: 60 })
    expect(test.logged[0]).to.match(
      /^error Child of pool prefork pid:\d+ exited with exitcode 1: Unable to load celery application\.\\u000aWhile .*broken-app.*no database/,
    )
    await test.pool.stop()
    expect(await error).to.have.property('code', 'ERR_OPERATIONAL')
  })

  it('leaves no child behind when it is stopped before it is ready', async () => {
    const test = testPool('prefork', { size: 2 })
    const error = startError(test)
    const { processes } = test.pool.info()
    expect(processes).to.have.length(2)
    await test.pool.stop()
    expect((await error).message).to.equal('the pool was stopped before its children were ready')
    expect(processes.some(lives)).to.equal(false)
  })

  it('warns of what is kept in the memory of one process', async () => {
    const logged: string[] = []
    const options = { host: createTestApp(), options: { app: './nosuch.ts' }, hostname: 'w1@host' }
    const log = recorder(logged)
    const plan = { name: 'prefork', concurrency: 1 } as const
    const pool = openPool(plan, async () => null, { ...options, log, onFailed: () => {} })
    await pool.start().catch(() => {})
    expect(logged).to.deep.equal([
      'warning resultBackend is memory://: what a child stores there, nobody else can read',
      'warning brokerUrl is memory://: what a task in a child sends, no worker receives',
    ])
  })

  it('refuses a module that is not there, and a worker inside of a child', async () => {
    const missing = await startError(testPool('prefork', { app: './nosuch.ts' }))
    expect(missing.message).to.include('The module ./nosuch.ts was not found.')
    const unmark = markAsChild()
    try {
      const nested = await startError(testPool('prefork'))
      expect(nested.message).to.include('starts a worker when it is loaded')
    } finally {
      unmark()
    }
  })
})
