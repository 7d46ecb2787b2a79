/** The heartbeat of a RabbitMQ connection: notices a dead one in time, and kills no living one. */

import { expect } from 'chai'
import { Heartbeat } from '../../../src/transports/amqp/heartbeat.ts'
import type { Link } from '../../../src/transports/amqp/link.ts'

/** A connection that answers, or does not. */
class FakeLink {
  readonly address = 'amqp://fake'
  blocked = false
  asked = 0
  dead: Error | undefined
  answers = true
  traffic = { received: 100, unsent: 0 }
  readonly frames: Pick<Link['frames'], 'destroy' | 'traffic'>

  constructor() {
    const traffic = (): FakeLink['traffic'] => this.traffic
    this.frames = {
      get traffic() {
        return traffic()
      },
      destroy: (error) => (this.dead = error),
    }
  }

  ask(): void {
    this.asked += 1
    if (this.answers) this.traffic = { ...this.traffic, received: this.traffic.received + 20 }
  }
}

describe('the heartbeat of a RabbitMQ connection', () => {
  let link: FakeLink
  let tick: (() => void) | undefined
  let everyMs = 0

  beforeEach(() => {
    link = new FakeLink()
    tick = undefined
  })

  /** Its timer rings when the test says so. */
  function beat(interval: number): void {
    const { setInterval } = globalThis
    const hold = (fn: () => void, ms: number): unknown => {
      tick = fn
      everyMs = ms
      return { unref: () => {} }
    }
    globalThis.setInterval = hold as typeof setInterval
    try {
      expect(new Heartbeat(link as unknown as Link, interval)).to.have.property('stop')
    } finally {
      globalThis.setInterval = setInterval
    }
  }

  function seconds(count: number): void {
    for (let ms = everyMs; ms <= count * 1000; ms += everyMs) tick?.()
  }

  it('notices within 20 seconds that nothing answers, though AMQP’s own beat every minute', () => {
    beat(60)
    seconds(60)
    expect(link.dead).to.equal(undefined)
    link.answers = false
    seconds(20)
    expect(link.dead).to.be.instanceOf(Error)
  })

  it('notices it within two intervals when those are short', () => {
    beat(2)
    seconds(10)
    link.answers = false
    seconds(4)
    expect(link.dead).to.be.instanceOf(Error)
  })

  it('asks only when nothing is heard', () => {
    beat(60)
    for (let n = 0; n < 20; n += 1) {
      link.traffic = { received: link.traffic.received + 8, unsent: 0 }
      seconds(5)
    }
    expect(link.asked).to.equal(0)
  })

  it('waits as long as the broker takes no messages', () => {
    beat(60)
    link.answers = false
    link.blocked = true
    seconds(600)
    expect(link.dead).to.equal(undefined)
    link.blocked = false
    seconds(20)
    expect(link.dead).to.be.instanceOf(Error)
  })

  it('waits while a large body is on its way, but not for one that has got stuck', () => {
    beat(60)
    link.answers = false
    for (let unsent = 100; unsent > 0; unsent -= 1) {
      link.traffic = { ...link.traffic, unsent }
      seconds(5)
    }
    expect(link.dead).to.equal(undefined)
    seconds(25)
    expect(link.dead).to.be.instanceOf(Error)
  })

  it('is off when heartbeats are', () => {
    beat(0)
    expect(tick).to.equal(undefined)
  })
})
