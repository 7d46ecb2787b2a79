/** Which stamps of a message were revoked. */

import { expect } from 'chai'
import { RevokedStamps, stampsOf } from '../../src/worker/stamps.ts'

describe('worker/stamps', () => {
  const stamped = (stamps: Record<string, unknown>, stampedHeaders = Object.keys(stamps)) => ({
    stampedHeaders,
    stamps,
  })

  it('finds a stamp by its header and its value, alone or in a list', () => {
    const revoked = new RevokedStamps()
    revoked.add('tenant', 'acme')
    expect(revoked.matches(stamped({ tenant: 'acme' }))).to.deep.equal([['tenant', 'acme']])
    expect(revoked.matches(stamped({ tenant: ['initech', 'acme'] }))).to.have.length(1)
    expect(revoked.matches(stamped({ tenant: 'initech' }))).to.deep.equal([])
    expect(revoked.matches(stamped({ other: 'acme' }))).to.deep.equal([])
  })

  it('looks at each header, where Celery ends with the first that it knows', () => {
    const revoked = new RevokedStamps()
    revoked.add('a', 1)
    revoked.add('b', 2)
    expect(revoked.matches(stamped({ a: 0, b: 2 }))).to.deep.equal([['b', 2]])
  })

  it('looks only at what the message calls its stamps', () => {
    const revoked = new RevokedStamps()
    revoked.add('a', 1)
    expect(revoked.matches(stamped({ a: 1 }, []))).to.deep.equal([])
    expect(revoked.matches({ stampedHeaders: null, stamps: { a: 1 } })).to.deep.equal([])
    expect(revoked.matches(stamped({}, ['a', 'constructor', '__proto__']))).to.deep.equal([])
  })

  it('tells a number from its text, and compares values that are objects', () => {
    const revoked = new RevokedStamps()
    revoked.add('n', 1)
    revoked.add('o', { a: [1, 2] })
    expect(revoked.matches(stamped({ n: '1' }))).to.deep.equal([])
    expect(revoked.matches(stamped({ o: { a: [1, 2] } }))).to.have.length(1)
    expect(revoked.matches(stamped({ o: { a: [1, 3] } }))).to.have.length(0)
  })

  it('holds no more than ids are held', () => {
    const revoked = new RevokedStamps({ maxLength: 2 })
    for (const stamp of [1, 2, 3]) revoked.add('n', stamp)
    expect(revoked.size).to.equal(2)
    expect(revoked.matches(stamped({ n: [1, 2, 3] }))).to.have.length(2)
  })

  it('takes one value for a list of one', () => {
    expect([stampsOf(undefined), stampsOf('a'), stampsOf(['a', 'b'])]).to.deep.equal([
      [],
      ['a'],
      ['a', 'b'],
    ])
  })
})
