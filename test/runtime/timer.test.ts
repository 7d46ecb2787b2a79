/** Many deadlines on one clock: in order, never early. */

import { expect } from 'chai'
import fc from 'fast-check'
import { Timer, type TimerEntry } from '../../src/runtime/timer.ts'
import { FakeClock } from '../support/fake-clock.ts'

const DAY = 24 * 3600 * 1000

describe('runtime/timer', () => {
  let clock: FakeClock
  let timer: Timer
  let start: number

  beforeEach(() => {
    clock = new FakeClock()
    timer = new Timer(clock)
    start = clock.now()
  })

  it('is never early, and calls once', () => {
    const calls: number[] = []
    timer.callAt(start + 1500, () => calls.push(clock.now() - start))
    clock.advance(1499)
    expect(calls).to.deep.equal([])
    clock.advance(1)
    clock.advance(5000)
    expect(calls).to.deep.equal([1500])
  })

  it('looks at the clock again when the alarm rings before its time', () => {
    const early = new (class extends FakeClock {
      override after(delayMs: number, ring: () => void): () => void {
        return super.after(Math.max(1, delayMs - 1), ring)
      }
    })()
    const calls: number[] = []
    const at = early.now() + 10
    new Timer(early).callAt(at, () => calls.push(early.now()))
    early.advance(50)
    expect(calls).to.have.length(1)
    expect(calls[0]).to.be.at.least(at)
  })

  it('calls soon what is in the past', () => {
    const calls: string[] = []
    timer.callAt(start - 5000, () => calls.push('past'))
    expect(calls).to.deep.equal([])
    clock.advance(0)
    expect(calls).to.deep.equal(['past'])
  })

  it('waits for months, beyond what setTimeout can count', () => {
    const calls: string[] = []
    timer.callAt(start + 60 * DAY, () => calls.push('later'))
    clock.jump(60 * DAY - 1)
    clock.advance(0)
    expect(calls).to.deep.equal([])
    clock.advance(1000)
    expect(calls).to.deep.equal(['later'])
  })

  it('notices within a second that the clock was set forward', () => {
    const calls: string[] = []
    timer.callAt(start + DAY, () => calls.push('due'))
    clock.jump(DAY)
    clock.advance(1000)
    expect(calls).to.deep.equal(['due'])
  })

  it('waits on when the clock was set back', () => {
    const calls: string[] = []
    timer.callAt(start + 1000, () => calls.push('due'))
    clock.jump(-5000)
    clock.advance(1000)
    expect(calls).to.deep.equal([])
    clock.advance(5000)
    expect(calls).to.deep.equal(['due'])
  })

  it('keeps no alarm when nothing is to come', () => {
    const entry = timer.callAt(start + 100, () => {})
    timer.callAt(start + 200, () => {})
    expect(clock.alarms).to.equal(1)
    timer.cancel(entry)
    timer.cancel(entry)
    expect(timer.size).to.equal(1)
    timer.clear()
    expect(clock.alarms).to.equal(0)
    expect(timer.size).to.equal(0)
  })

  it('goes on after a callback that throws', () => {
    const calls: string[] = []
    timer.callAt(start + 10, () => {
      throw new Error('broken')
    })
    timer.callAt(start + 20, () => calls.push('next'))
    expect(() => clock.advance(10)).to.throw('broken')
    clock.advance(10)
    expect(calls).to.deep.equal(['next'])
  })

  it('takes and drops deadlines while it calls', () => {
    const calls: string[] = []
    const dropped = timer.callAt(start + 10, () => calls.push('dropped'))
    timer.callAt(start + 5, () => {
      timer.cancel(dropped)
      timer.callAt(start + 5, () => calls.push('at once'))
    })
    clock.advance(20)
    expect(calls).to.deep.equal(['at once'])
  })

  it('calls in the order of the deadlines, and what was cancelled not at all', () => {
    const step = fc.record({ at: fc.integer({ min: 0, max: 50 }), cancel: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const time = new FakeClock(0)
        const schedule = new Timer(time)
        const calls: number[] = []
        const entries = steps.map(({ at }, i): TimerEntry =>
          schedule.callAt(at, () => calls.push(i)),
        )
        steps.forEach(({ cancel }, i) => cancel && schedule.cancel(entries[i] as TimerEntry))
        time.advance(50)
        const expected = steps.map((s, i) => ({ ...s, i })).filter(({ cancel }) => !cancel)
        expect(calls).to.deep.equal(expected.toSorted((a, b) => a.at - b.at).map(({ i }) => i))
        expect(schedule.size).to.equal(0)
      }),
    )
  })
})
