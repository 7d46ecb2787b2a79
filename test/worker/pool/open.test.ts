/** Which pool a name and a concurrency come to. */

import { expect } from 'chai'
import { availableParallelism } from 'node:os'
import { openPool, planPool } from '../../../src/worker/pool/open.ts'

describe('worker/pool/open', () => {
  it('runs as many tasks at a time as there are CPUs when nobody says', () => {
    expect(planPool('async')).to.deep.equal({ name: 'async', concurrency: availableParallelism() })
  })

  it('takes eventlet and gevent for async, and solo for one at a time', () => {
    expect(planPool('gevent', 100)).to.deep.equal({ name: 'async', concurrency: 100 })
    expect(planPool('solo', 8)).to.deep.equal({ name: 'solo', concurrency: 1 })
  })

  it('refuses what it does not know, and says what it knows', () => {
    expect(() => planPool('nosuch')).to.throw("no pool 'nosuch': take one of async")
    expect(() => planPool('prefork')).to.throw("take 'async' or 'solo'")
    expect(() => planPool('async', 0)).to.throw('concurrency must be a whole number from 1, not 0')
    expect(() => planPool('async', 1.5)).to.throw('not 1.5')
  })

  it('opens a pool under its name', () => {
    const pool = openPool<null>(planPool('solo'), async () => null)
    expect(pool.info()).to.include({ implementation: 'solo', maxConcurrency: 1 })
  })
})
