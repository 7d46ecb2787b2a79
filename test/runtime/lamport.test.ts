/** The logical clock of the cluster. */

import { expect } from 'chai'
import { LamportClock } from '../../src/runtime/lamport.ts'

describe('a Lamport clock', () => {
  it('counts what happens here', () => {
    const clock = new LamportClock()
    expect([clock.forward(), clock.forward(), clock.value]).to.deep.equal([1, 2, 2])
  })

  it('is later than all that it has heard of', () => {
    const clock = new LamportClock()
    expect([clock.adjust(10), clock.adjust(3), clock.forward()]).to.deep.equal([11, 12, 13])
  })
})
