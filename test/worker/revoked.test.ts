/** Which ids a worker remembers as revoked, and for how long. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { Revoked, revokedBounds } from '../../src/worker/revoked.ts'
import { FakeClock } from '../support/fake-clock.ts'

describe('worker/revoked', () => {
  it('remembers ids, the newest of them when there are too many', () => {
    const revoked = new Revoked({ maxLength: 2 })
    for (const id of ['a', 'b', 'a', 'c']) revoked.add(id)
    expect(['a', 'b', 'c'].filter((id) => revoked.has(id))).to.deep.equal(['a', 'c'])
    expect(revoked.size).to.equal(2)
  })

  it('keeps the newest, whichever come again, and also after there was none', () => {
    const clock = new FakeClock()
    const revoked = new Revoked({ maxLength: 3, expires: 10, clock })
    for (const id of ['a', 'b', 'c', 'a', 'd', 'b', 'b', 'e']) revoked.add(id)
    expect(revoked.entries().map(([id]) => id)).to.deep.equal(['d', 'b', 'e'])
    clock.advance(10_001)
    expect(revoked.entries()).to.deep.equal([])
    for (const id of ['f', 'f', 'g', 'h', 'i', 'g']) revoked.add(id)
    expect(revoked.entries().map(([id]) => id)).to.deep.equal(['h', 'i', 'g'])
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

  it('gives out what is in force, and takes it over, the later time of each', () => {
    const clock = new FakeClock()
    const one = new Revoked({ expires: 10, clock })
    const other = new Revoked({ expires: 10, clock })
    for (const id of ['old', 'both', 'mine']) {
      one.add(id)
      clock.advance(4000)
    }
    other.add('both')
    expect(one.entries().map(([id]) => id)).to.deep.equal(['both', 'mine'])
    one.merge(other.entries())
    expect(one.entries()).to.deep.equal([
      ['mine', clock.now() - 4000],
      ['both', clock.now()],
    ])
    clock.advance(8000)
    expect([one.has('mine'), one.has('both')]).to.deep.equal([false, true])
  })

  it('takes over no more than it may hold, nothing that is over, and no time that is to come', () => {
    const clock = new FakeClock()
    const revoked = new Revoked({ maxLength: 3, expires: 10, clock })
    const now = clock.now()
    revoked.merge([
      ['to come', now + 1e12],
      ['a', now - 3],
      ['b', now - 2],
      ['c', now - 1],
      ['over', now - 10_001],
    ])
    expect(revoked.entries().map(([id]) => id)).to.deep.equal(['b', 'c', 'to come'])
    clock.advance(10_001)
    expect(revoked.has('to come')).to.equal(false)
  })

  it('tells of each id that is added, not of those that are taken over', () => {
    let told = 0
    const revoked = new Revoked({ onAdded: () => (told += 1) })
    revoked.add('a')
    revoked.merge([['b', 0]])
    expect(told).to.equal(1)
  })

  it('reads its bounds from the environment', () => {
    expect(revokedBounds({})).to.deep.equal({})
    const env = { CELERY_WORKER_REVOKES_MAX: '10', CELERY_WORKER_REVOKE_EXPIRES: '0.5' }
    expect(revokedBounds(env)).to.deep.equal({ maxLength: 10, expires: 0.5 })
    for (const text of ['', 'many', '-1', 'Infinity']) {
      expect(() => revokedBounds({ CELERY_WORKER_REVOKES_MAX: text })).to.throw(
        ImproperlyConfigured,
        'CELERY_WORKER_REVOKES_MAX',
      )
    }
  })
})
