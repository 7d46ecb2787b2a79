/** The queue of the memory transport: order, and that giving back stays cheap. */

import { expect } from 'chai'
import { Fifo } from '../../../src/transports/memory/fifo.ts'

const MANY = 300_000

describe('a fifo', () => {
  it('keeps its order over any mixture of taking and giving back', () => {
    const fifo = new Fifo<number>()
    const model: number[] = []
    for (let n = 0, seed = 7; n < 50_000; n += 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      const what = (seed >> 16) % 5
      if (what < 2) {
        fifo.push(n)
        model.push(n)
      } else if (what < 3) {
        fifo.unshift(n)
        model.unshift(n)
      } else {
        expect(fifo.shift()).to.equal(model.shift())
      }
      expect(fifo.size).to.equal(model.length)
    }
  })

  it('takes back as many as it gave without moving all for each', () => {
    const fifo = new Fifo<number>()
    for (let n = 0; n < MANY; n += 1) fifo.push(n)
    const taken = Array.from({ length: MANY }, () => fifo.shift() as number)
    const start = process.cpuUsage()
    for (const item of taken.toReversed()) fifo.unshift(item)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1e6, 'seconds').to.be.lessThan(2)
    for (let n = 0; n < MANY; n += 1) if (fifo.shift() !== n) expect.fail(`wrong at ${n}`)
  })
})
