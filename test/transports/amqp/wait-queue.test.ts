/** The queues in which messages wait on RabbitMQ: never too long, and never deleted with a message in them. */

import { expect } from 'chai'
import { DECLARED_FOR, waitQueue } from '../../../src/transports/amqp/wait-queue.ts'

function ttl(waitMs: number, quorum = false): number {
  return Number(waitQueue('q', waitMs, quorum).arguments?.['x-message-ttl'])
}

describe('a wait queue', () => {
  it('keeps a message no longer than it has to wait, or a second', () => {
    expect([-1, 0, 1, 999, 1000, 3999].map((wait) => ttl(wait))).to.deep.equal(
      Array.from({ length: 6 }, () => 1000),
    )
    for (let wait = 1000; wait < 1e9; wait *= 1.7) {
      expect(ttl(wait)).to.be.at.most(wait)
      if (wait < 16_384_000) expect(ttl(wait)).to.be.greaterThan(wait / 4.1)
    }
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
