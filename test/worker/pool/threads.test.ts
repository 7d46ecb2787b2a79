/** The pool of worker threads: what becomes of jobs and slots when threads come to harm. */

import { expect } from 'chai'
import { TimeLimitExceeded } from '../../../src/errors.ts'
import { poolContract, STAGE_SIZE } from '../../contracts/pool.ts'
import { until } from '../../support/until.ts'
import { call, childStage, run, testPool, valueOf } from './stage.ts'

poolContract({ name: 'threads', size: STAGE_SIZE, kills: true, open: () => childStage('threads') })

describe('worker/pool/threads', function () {
  // children that load the app, beside other tests
  this.timeout(120_000)

  it('tells how a thread died, and has another in its place; the process goes on', async () => {
    const { pool } = testPool('threads', { size: 2 })
    await pool.start()
    const jobs = [call('pool.exit', 3), call('pool.throw')]
    const ends = await Promise.all(jobs.map((job) => run(pool, job)))
    expect(ends.map(({ error }) => error?.message)).to.deep.equal([
      `Worker exited prematurely: exitcode 3 Job: ${jobs[0]?.id}.`,
      `Worker exited prematurely: exitcode 1 Job: ${jobs[1]?.id}.`,
    ])
    expect(String(ends[1]?.error?.cause)).to.equal('RangeError: out of a timer')
    expect(await valueOf(pool, call('pool.where'))).to.match(
      new RegExp(`^\\{'pid': ${process.pid}, 'threadId': [1-9]\\d*\\}$`),
    )
    await pool.stop()
  })

  it('ends a thread that computes; one with too big a heap it replaces', async () => {
    const test = testPool('threads', { maxMemoryPerChild: 300_000 })
    const { pool } = test
    await pool.start()
    const first = await valueOf(pool, call('pool.where'))
    const big = await run(pool, call('pool.keep', 300))
    expect(big.outcome?.state).to.equal('SUCCESS')
    expect(test.logged[0]).to.match(/exceeding memory limit \(\d+KiB \/ 300000KiB\)$/)
    expect(await valueOf(pool, call('pool.where'))).to.not.equal(first)
    const job = call('pool.compute', [])
    const end = run(pool, job)
    await until(() => pool.running === 1)
    const reason = new TimeLimitExceeded(1)
    pool.kill(reason, job.id)
    expect((await end).error).to.equal(reason)
    await pool.stop()
    expect(pool.info().processes).to.deep.equal([])
  })
})
