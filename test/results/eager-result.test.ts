/** Whether a result of here and now has the face of one that was awaited. */

import { inspect } from 'node:util'
import { expect } from 'chai'
import { AsyncResult } from '../../src/results/async-result.ts'
import { EagerResult } from '../../src/results/eager-result.ts'

describe('an EagerResult', () => {
  const done = new EagerResult<number>('id', { state: 'SUCCESS', result: 5 })
  const error = new RangeError('mine')
  const failed = new EagerResult('id', { state: 'FAILURE', result: error, traceback: 'tb' })

  it('is an AsyncResult that is ready from the start', async () => {
    expect(done).to.be.instanceOf(AsyncResult)
    expect([await done.get(), await done.result(), await done.state()]).to.deep.equal([
      5,
      5,
      'SUCCESS',
    ])
    expect([await done.ready(), await done.successful(), await done.failed()]).to.deep.equal([
      true,
      true,
      false,
    ])
    expect(await done.children()).to.deep.equal([])
    expect(inspect(done)).to.equal('<EagerResult: id SUCCESS>')
    await done.forget()
  })

  it('rejects with the very error that was raised, or resolves with it', async () => {
    expect(await failed.get().catch((reason: unknown) => reason)).to.equal(error)
    expect(await failed.get({ propagate: false })).to.equal(error)
    expect([await failed.traceback(), await failed.failed()]).to.deep.equal(['tb', true])
  })

  it('has one update, and ends, also in a state that is not the last', async () => {
    for (const state of ['SUCCESS', 'RETRY']) {
      const seen: string[] = []
      for await (const { status } of new EagerResult('id', { state, result: null }).updates())
        seen.push(status)
      expect(seen).to.deep.equal([state])
    }
  })

  it('takes a revoke for itself only', async () => {
    const result = new EagerResult('id', { state: 'SUCCESS', result: 5 })
    await result.revoke()
    expect(await result.state()).to.equal('REVOKED')
  })
})
