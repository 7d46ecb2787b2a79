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

  it('hands out those in front of one kind, and keeps the others', () => {
    const queue = new JobQueue<number>()
    for (const n of [1, 3, 4, 5]) queue.push(n)
    const isOdd = (n: number): boolean => n % 2 === 1
    expect([queue.takeWhile(isOdd), queue.size]).to.deep.equal([[1, 3], 2])
    expect([queue.takeWhile(isOdd), queue.size, queue.shift()]).to.deep.equal([[], 2, 4])
    expect([queue.takeWhile(isOdd), queue.size, queue.shift()]).to.deep.equal([[5], 0, undefined])
  })
})
