/** Whether those who wait are told what they are to know, once. */

import { expect } from 'chai'
import { CeleryError } from '../../src/errors.ts'
import { Waiters } from '../../src/results/waiters.ts'
import { meta } from '../support/backend.ts'

describe('those who wait', () => {
  it('may come and go while they are told', () => {
    const waiters = new Waiters()
    const seen: string[] = []
    const leave = waiters.add('a', {
      onMeta: () => {
        seen.push('first')
        leave()
        waiters.add('a', { onMeta: () => seen.push('late') })
      },
    })
    waiters.tell(meta('a', 'STARTED'))
    waiters.tell(meta('a', 'SUCCESS'))
    expect(seen).to.deep.equal(['first', 'late'])
  })

  it('leave nothing behind, and are missed when the last is gone', () => {
    const idle: string[] = []
    const waiters = new Waiters((taskId) => idle.push(taskId))
    const leaves = [1, 2].map(() => waiters.add('a', { onMeta: () => {} }))
    leaves[0]?.()
    leaves[0]?.()
    expect([idle, waiters.size]).to.deep.equal([[], 1])
    leaves[1]?.()
    expect([idle, waiters.size]).to.deep.equal([['a'], 0])
  })

  it('are not told by a read what was pushed since it began, nor the same bytes twice', () => {
    const waiters = new Waiters()
    waiters.add('a', { onMeta: () => {} })
    const before = waiters.version('a')
    waiters.tell(meta('a', 'STARTED'), Buffer.from('started'))
    const after = waiters.version('a')
    expect(waiters.isNews('a', Buffer.from('older'), before)).to.equal(false)
    expect(waiters.isNews('a', Buffer.from('started'), after)).to.equal(false)
    expect(waiters.isNews('a', Buffer.from('newer'), after)).to.equal(true)
    expect(waiters.isNews('b', Buffer.from('any'), 0)).to.equal(false)
  })

  it('hear the end once, also when they wait again at once', () => {
    const waiters = new Waiters()
    let ends = 0
    const wait = (): void =>
      void waiters.add('a', { onMeta: () => {}, onEnd: () => (ends += 1) < 3 && wait() })
    wait()
    waiters.endAll(new CeleryError('ERR_ABORTED', 'over'))
    expect([ends, waiters.size]).to.deep.equal([1, 1])
  })
})
