/** A binary heap: first what comes first, and without what was taken out. */

import { expect } from 'chai'
import fc from 'fast-check'
import { Heap } from '../../src/runtime/heap.ts'

interface Entry {
  readonly value: number
  index: number
}

const entry = (value: number): Entry => ({ value, index: -1 })
const ascending = (): Heap<Entry> => new Heap((a, b) => a.value < b.value)

function drained(heap: Heap<Entry>): number[] {
  const values: number[] = []
  for (let first = heap.first; first !== undefined; first = heap.first) {
    expect(heap.delete(first)).to.equal(true)
    values.push(first.value)
  }
  return values
}

describe('runtime/heap', () => {
  it('gives back in order what is left of what was added', () => {
    const step = fc.record({ value: fc.integer({ min: 0, max: 20 }), out: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const heap = ascending()
        const entries = steps.map(({ value }) => entry(value))
        for (const each of entries) heap.add(each)
        entries.forEach((each, i) => steps[i]?.out && heap.delete(each))
        const left = steps.filter(({ out }) => !out).map(({ value }) => value)
        expect(heap.size).to.equal(left.length)
        expect(drained(heap)).to.deep.equal(left.toSorted((a, b) => a - b))
      }),
    )
  })

  it('does not take out what is not in it', () => {
    const [heap, other] = [ascending(), ascending()]
    const [mine, theirs] = [entry(1), entry(2)]
    heap.add(mine)
    other.add(theirs)
    expect(heap.delete(theirs)).to.equal(false)
    expect(heap.delete(mine)).to.equal(true)
    expect(heap.delete(mine)).to.equal(false)
    expect(other.first).to.equal(theirs)
  })

  it('is empty when it was cleared, and takes the same entries again', () => {
    const heap = ascending()
    const entries = [3, 1, 2].map(entry)
    for (const each of entries) heap.add(each)
    heap.clear()
    expect(heap.first).to.equal(undefined)
    expect(entries.map(({ index }) => index)).to.deep.equal([-1, -1, -1])
    for (const each of entries) heap.add(each)
    expect(drained(heap)).to.deep.equal([1, 2, 3])
  })
})
