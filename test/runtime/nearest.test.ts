/** The nearest known name to a wrong one. */

import { expect } from 'chai'
import { hint, nearest } from '../../src/runtime/nearest.ts'

describe('the nearest name', () => {
  it('is the one with the fewest letters to change', () => {
    expect(nearest('countdonw', ['countdown', 'compression'])).to.equal('countdown')
    expect(nearest('QUEUE', ['queue', 'queues'])).to.equal('queue')
  })

  it('is none when all are far away', () => {
    expect(nearest('zebra', ['queue', 'exchange'])).to.equal(undefined)
    expect(hint('zebra', ['queue'])).to.equal('')
    expect(hint('qeue', ['queue'])).to.equal("; did you mean 'queue'?")
  })

  it('takes no time over a huge name', () => {
    expect(nearest('x'.repeat(1_000_000), ['queue'])).to.equal(undefined)
  })
})
