/** The clocks: of the wall, and the one that never goes back. */

import { expect } from 'chai'
import { SYSTEM_CLOCK } from '../../src/runtime/clock.ts'

describe('runtime/clock', () => {
  it('tells the time of day', () => {
    expect(SYSTEM_CLOCK.now()).to.be.closeTo(Date.now(), 1000)
  })

  it('rings an alarm once', async () => {
    await new Promise<void>((resolve) => SYSTEM_CLOCK.after(1, resolve))
  })

  it('does not ring an alarm that was cancelled', async () => {
    const rung: string[] = []
    const cancel = SYSTEM_CLOCK.after(0, () => rung.push('cancelled'))
    cancel()
    cancel()
    await new Promise<void>((resolve) => SYSTEM_CLOCK.after(5, resolve))
    expect(rung).to.deep.equal([])
  })
})
