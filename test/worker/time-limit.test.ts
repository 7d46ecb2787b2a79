/** Soft and hard time limits of a run. */

import { expect } from 'chai'
import { SoftTimeLimitExceeded, TimeLimitExceeded } from '../../src/errors.ts'
import { TimeLimits } from '../../src/worker/time-limit.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { recorder } from './harness.ts'

describe('worker/time-limit', () => {
  const setUp = () => {
    const logged: string[] = []
    const clock = new FakeClock()
    const reasons: Error[] = []
    const run = {
      label: 'x[id]',
      abort: (reason: Error) => void reasons.push(reason),
      kill: (reason: Error) => {
        reasons.push(reason)
        logged.push('killed')
      },
    }
    return { logged, clock, reasons, run, limits: new TimeLimits(recorder(logged), clock) }
  }

  it('tells a run to end, then ends it', () => {
    const { logged, clock, reasons, run, limits } = setUp()
    limits.start(run, { soft: 1, hard: 3 })
    clock.advance(999)
    expect(reasons).to.deep.equal([])
    clock.advance(1)
    expect(reasons[0]).to.be.instanceOf(SoftTimeLimitExceeded)
    clock.advance(2000)
    expect(reasons[1]).to.be.instanceOf(TimeLimitExceeded)
    expect(logged).to.deep.equal([
      'warning Soft time limit (1s) exceeded for x[id]',
      'killed',
      'error Hard time limit (3s) exceeded for x[id]',
    ])
  })

  it('forgets a run that has ended', () => {
    const { clock, reasons, run, limits } = setUp()
    const release = limits.start(run, { soft: 1, hard: 3 })
    release()
    release()
    clock.advance(5000)
    expect(reasons).to.deep.equal([])
    expect(clock.alarms).to.equal(0)
  })
})
