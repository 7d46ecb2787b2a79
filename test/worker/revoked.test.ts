/** Ids that must not run: kept in bounds. */

import { expect } from 'chai'
import { Revoked } from '../../src/worker/revoked.ts'
import { FakeClock } from '../support/fake-clock.ts'

describe('worker/revoked', () => {
  it('remembers ids, the newest of them when there are too many', () => {
    const revoked = new Revoked({ maxLength: 2 })
    for (const id of ['a', 'b', 'a', 'c']) revoked.add(id)
    expect(['a', 'b', 'c'].map((id) => revoked.has(id))).to.deep.equal([true, false, true])
    expect(revoked.size).to.equal(2)
  })

  it('forgets an id after its time', () => {
    const clock = new FakeClock()
    const revoked = new Revoked({ expires: 10, clock })
    revoked.add('a')
    clock.advance(10_000)
    expect(revoked.has('a')).to.equal(true)
    clock.advance(1)
    expect(revoked.has('a')).to.equal(false)
    revoked.add('b')
    expect(revoked.size).to.equal(1)
  })
})
