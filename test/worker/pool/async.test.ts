/** The pool that runs so many at a time in this process. */

import { expect } from 'chai'
import { AsyncPool } from '../../../src/worker/pool/async.ts'
import { poolContract } from '../../contracts/pool.ts'

poolContract({ name: 'async', size: 3, open: (runner) => new AsyncPool(runner, 3) })
poolContract({ name: 'solo', size: 1, open: (runner) => new AsyncPool(runner, 1, 'solo') })

describe('worker/pool/async', () => {
  it('takes a runner that throws as one that rejects', async () => {
    const pool = new AsyncPool<string>(() => {
      throw new Error('at once')
    }, 1)
    const error = await new Promise((resolve) => {
      pool.submit(
        { id: '1', task: 't', payload: null, wire: () => null },
        { onAccepted: () => true, onOutcome: () => {}, onError: resolve, onDropped: () => {} },
      )
    })
    expect(error).to.have.property('message', 'at once')
    await pool.stop()
  })
})
