/** A token bucket on a clock that stands still until it is moved. */

import { expect } from 'chai'
import { TokenBucket } from '../../src/runtime/token-bucket.ts'
import { FakeClock } from '../support/fake-clock.ts'

describe('runtime/token-bucket', () => {
  it('gives one token at first, and the next ones at its rate', () => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(2, clock)
    expect(bucket.consume()).to.equal(true)
    expect(bucket.consume()).to.equal(false)
    expect(bucket.expectedTimeMs()).to.equal(500)
    clock.advance(200)
    expect(bucket.expectedTimeMs()).to.be.closeTo(300, 1e-6)
    clock.advance(299)
    expect(bucket.consume()).to.equal(false)
    clock.advance(1)
    expect(bucket.consume()).to.equal(true)
    expect(bucket.consume()).to.equal(false)
  })

  it('never saves up more than it holds, however long nobody comes', () => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(10, clock)
    clock.advance(60_000)
    expect(bucket.expectedTimeMs()).to.equal(0)
    expect(bucket.consume()).to.equal(true)
    expect(bucket.consume()).to.equal(false)
    const three = new TokenBucket(10, clock, 3)
    clock.advance(60_000)
    expect([1, 2, 3, 4].map(() => three.consume())).to.deep.equal([true, true, true, false])
  })

  it('loses nothing of a token between two looks', () => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(1 / 60, clock)
    bucket.consume()
    for (let second = 0; second < 59; second += 1) {
      clock.advance(1000)
      expect(bucket.consume()).to.equal(false)
    }
    clock.advance(1001)
    expect(bucket.consume()).to.equal(true)
  })
})
