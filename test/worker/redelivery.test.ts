/** What a process remembers of what it let go of. */

import { expect } from 'chai'
import { Survivors } from '../../src/worker/redelivery.ts'

describe('survivors', () => {
  it('are told once', () => {
    const survivors = new Survivors()
    survivors.add('a')
    expect(survivors.take('a')).to.equal(true)
    expect(survivors.take('a')).to.equal(false)
    expect(survivors.take('b')).to.equal(false)
  })

  it('are forgotten when there are many: the oldest first', () => {
    const survivors = new Survivors()
    for (let n = 0; n < 12_000; n += 1) survivors.add(String(n))
    expect(survivors.take('0')).to.equal(false)
    expect(survivors.take('11999')).to.equal(true)
    expect(survivors.take('7500')).to.equal(true)
  })
})
