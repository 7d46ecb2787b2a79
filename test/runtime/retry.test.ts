/** Waits and deadlines: how long, and how they end early. */

import { expect } from 'chai'
import { deadline, delay } from '../../src/runtime/retry.ts'

describe('a deadline', () => {
  it('that is further off than a timer of Node reaches does not pass at once', async () => {
    const work = new Promise((resolve) => setTimeout(() => resolve('done'), 20))
    const late = (): Error => new Error('too late')
    const long = deadline(work, 1e8, late)
    expect(await Promise.all([long, deadline(work, Infinity, late)])).to.deep.equal([
      'done',
      'done',
    ])
  })
})

describe('a delay', () => {
  it('that is longer than a timer of Node takes does not end at once', async () => {
    const controller = new AbortController()
    const ended = delay(1e8, controller.signal).then(
      () => 'ended',
      () => 'aborted',
    )
    setTimeout(() => controller.abort(), 20)
    expect(await ended).to.equal('aborted')
  })
})
