/** The queues in which messages wait on RabbitMQ: never too long, and never deleted with a message in them. */

import { expect } from 'chai'
import { DECLARED_FOR, waitQueue } from '../../../src/transports/amqp/wait-queue.ts'

function ttl(waitMs: number, quorum = false): number {
  return Number(waitQueue('q', waitMs, quorum).arguments?.['x-message-ttl'])
}

describe('a wait queue', () => {
  it('keeps a message no longer than it has to wait, or a second', () => {
    for (const quorum of [false, true]) {
      expect([-1, 0, 1, 999, 1000, 1999].map((wait) => ttl(wait, quorum))).to.deep.equal(
        Array.from({ length: 6 }, () => 1000),
      )
      for (let wait = 1000; wait < 1e9; wait *= 1.7) {
        expect(ttl(wait, quorum)).to.be.at.most(wait)
        if (wait < 16_384_000) expect(ttl(wait, quorum)).to.be.greaterThan(wait / 4.1)
      }
    }
  })

  it('is one of a few, and a message goes through few of them', () => {
    const steps = (seconds: number): number => {
      let taken = 0
      for (let left = seconds * 1000; left > 0; left -= ttl(left)) taken += 1
      return taken
    }
    expect([1, 15, 60, 255, 3600, 65_535].map(steps)).to.deep.equal([1, 1, 2, 2, 2, 4])
    expect(steps(30 * 86_400)).to.be.below(50)
    const waits = Array.from({ length: 70_000 }, (_, seconds) => ttl(seconds * 1000))
    expect(new Set(waits).size).to.equal(60)
  })

  it('outlives every message that is put into it while it counts as declared', () => {
    for (const wait of [1, 4000, 20_000, 70_000, 300_000, 2e6, 5e6, 1e9]) {
      const args = waitQueue('q', wait, false).arguments
      const lease = Number(args?.['x-expires']) - DECLARED_FOR * 1000
      expect(lease).to.be.at.least(ttl(wait) + 30_000)
    }
  })

  it('of a quorum queue is one, which does not expire', () => {
    const { name, arguments: args } = waitQueue('q', 5000, true)
    expect(args).to.deep.include({ 'x-queue-type': 'quorum', 'x-message-ttl': 4000 })
    expect(args).to.not.have.property('x-expires')
    expect(name).to.not.equal(waitQueue('q', 5000, false).name)
  })

  it('leads back to where its messages came from', () => {
    expect(waitQueue('q', 5000, false).arguments).to.deep.include({
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'q',
    })
  })
})
