/** What is gathered in one turn goes as one. */

import { expect } from 'chai'
import { Batch } from '../../../src/transports/redis/batch.ts'

describe('a batch', () => {
  it('flushes what was added in one turn together, in order', async () => {
    const flushed: number[][] = []
    const batch = new Batch<number, number>((items) => {
      flushed.push([...items])
      return Promise.resolve(items.length)
    })
    expect(await Promise.all([1, 2, 3].map((n) => batch.add(n)))).to.deep.equal([3, 3, 3])
    expect(await batch.add(4)).to.equal(1)
    expect(flushed).to.deep.equal([[1, 2, 3], [4]])
  })

  it('is never larger than its limit', async () => {
    const sizes: number[] = []
    const flush = (items: readonly number[]): Promise<void> => {
      sizes.push(items.length)
      return Promise.resolve()
    }
    const batch = new Batch(flush, 4)
    await Promise.all(Array.from({ length: 10 }, (_, n) => batch.add(n)))
    expect(sizes).to.deep.equal([4, 4, 2])
  })

  it('fails for those who were in it only, and is idle when all is settled', async () => {
    const flush = ([first]: readonly number[]): Promise<void> =>
      first === 1 ? Promise.reject(new Error('refused')) : Promise.resolve()
    const batch = new Batch(flush, 1)
    const outcomes = Promise.allSettled([batch.add(1), batch.add(2)])
    await batch.idle()
    expect((await outcomes).map(({ status }) => status)).to.deep.equal(['rejected', 'fulfilled'])
  })
})
