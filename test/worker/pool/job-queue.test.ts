/** The jobs that wait. */

import { expect } from 'chai'
import { JobQueue } from '../../../src/worker/pool/job-queue.ts'

describe('worker/pool/job-queue', () => {
  it('hands out in the order of coming, but for what was put back', () => {
    const queue = new JobQueue<string>()
    expect(queue.shift()).to.equal(undefined)
    queue.unshift('b')
    queue.push('c')
    queue.unshift('a')
    expect(queue.size).to.equal(3)
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()]).to.deep.equal([
      'a',
      'b',
      'c',
      undefined,
    ])
    queue.push('d')
    expect([queue.size, queue.shift(), queue.size]).to.deep.equal([1, 'd', 0])
  })
})
