/** What two signatures become when one follows the other; the shapes are those of Celery 5.6.2's `|`. */

import { strict as assert } from 'node:assert'
import { compose, pipe } from '../../src/canvas/pipe.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => signature(name)) as [
  SignatureDict,
  SignatureDict,
  SignatureDict,
  SignatureDict,
  SignatureDict,
]

/** `[a b]` is a chain, `(a b)` a group, `(a b)>c` a chord. */
function shape(of: SignatureDict): string {
  const { tasks, header, body } = of.kwargs as Record<string, SignatureDict[] & SignatureDict>
  if (of.subtask_type === 'chain') return `[${tasks?.map(shape).join(' ')}]`
  if (of.subtask_type === 'group') return `(${tasks?.map(shape).join(' ')})`
  if (of.subtask_type === 'chord') return `(${header?.map(shape).join(' ')})>${shape(body!)}`
  return of.task
}

const RULES: readonly (readonly [SignatureDict, SignatureDict, string])[] = [
  [a, b, '[a b]'],
  [a, chainOf([b, c]), '[a b c]'],
  [a, groupOf([b]), '[a b]'],
  [a, groupOf([b, c]), '[a (b c)]'],
  [a, groupOf([]), '[a ()]'],
  [a, groupOf([chainOf([b, c])]), '[a [b c]]'],
  [a, chordOf([b, c], d), '[a (b c)>d]'],
  [chainOf([]), a, '[a]'],
  [chainOf([]), groupOf([a, b]), '(a b)'],
  [chainOf([a]), chainOf([]), '[a]'],
  [chainOf([a]), groupOf([b]), '[a b]'],
  [chainOf([a]), groupOf([chainOf([b, c])]), '[a b c]'],
  [chainOf([a]), groupOf([b, c]), '[a (b c)]'],
  [chainOf([a]), chainOf([b, c]), '[a b c]'],
  [chainOf([a, groupOf([b, c])]), d, '[a (b c)>d]'],
  [chainOf([a, groupOf([b, c])]), chordOf([d], e), '[a (b c)>(d)>e]'],
  [chainOf([a, groupOf([b, c])]), groupOf([d, e]), '[a (b c) (d e)]'],
  [chainOf([a, groupOf([b, c])]), chainOf([d, e]), '[a (b c)>[d e]]'],
  [chainOf([chordOf([a], b), groupOf([c, d])]), e, '[(a)>[b (c d)>e]]'],
  [chainOf([a, chordOf([b], c)]), d, '[a (b)>[c d]]'],
  [chainOf([a, chordOf([b], c)]), groupOf([d, e]), '[a (b)>[c (d e)]]'],
  [chainOf([chordOf([a], b)]), chordOf([c], d), '[(a)>[b (c)>d]]'],
  [groupOf([a, b]), c, '(a b)>c'],
  [groupOf([a]), b, '(a)>b'],
  [groupOf([]), b, '()>b'],
  [groupOf([a, b]), groupOf([c, d]), '(a b)>(c d)'],
  [groupOf([a, b]), groupOf([c]), '(a b)>(c)'],
  [groupOf([a, b]), chainOf([c, d]), '(a b)>[c d]'],
  [groupOf([a, b]), chordOf([c], d), '(a b)>(c)>d'],
  [chordOf([a], b), c, '(a)>[b c]'],
  [chordOf([a], b), groupOf([c]), '(a)>[b c]'],
  [chordOf([a], b), chordOf([c], d), '(a)>[b (c)>d]'],
  [chordOf([a], b), chainOf([c, d]), '[(a)>b c d]'],
  [chordOf([a], b), groupOf([c, d]), '[(a)>b (c d)]'],
  [chordOf([a], groupOf([b, c])), d, '(a)>(b c)>d'],
]

describe('pipe', () => {
  for (const [left, right, expected] of RULES) {
    it(`makes ${expected} of ${shape(left)} | ${shape(right)}`, () => {
      assert.equal(shape(pipe(left, right)), expected)
    })
  }

  it('hands the links of a chain that it splices to the tasks', () => {
    const chain = { ...chainOf([a, b]), options: { link: c, link_error: [d], queue: 'lost' } }
    const { kwargs, options } = pipe(chain, e)
    const [first, second, third] = kwargs['tasks'] as SignatureDict[]
    assert.deepEqual(first?.options, { link_error: [d] })
    assert.deepEqual(second?.options, { link: [c], link_error: [d] })
    assert.deepEqual([third?.options, options], [{}, {}])
  })

  it('keeps the options of a chain whose last task it upgrades', () => {
    const chain = { ...chainOf([a, groupOf([b, c])]), options: { queue: 'kept' } }
    assert.deepEqual(pipe(chain, d).options, { queue: 'kept' })
  })

  it('changes neither side', () => {
    const left = chainOf([chordOf([a], b), groupOf([c, d])])
    const before = structuredClone(left)
    pipe(left, e)
    assert.deepEqual(left, before)
  })
})

describe('compose', () => {
  it('is an empty chain of nothing, and a chain of one of one', () => {
    assert.equal(shape(compose([])), '[]')
    assert.equal(shape(compose([a])), '[a]')
  })

  it('takes a group of one for its task, and leaves a group alone as it is', () => {
    assert.equal(shape(compose([groupOf([a]), b])), '[a b]')
    assert.equal(shape(compose([groupOf([a, b])])), '(a b)')
  })

  it('makes chords of groups that something follows', () => {
    assert.equal(shape(compose([groupOf([a, b]), c, d])), '(a b)>[c d]')
    assert.equal(
      shape(compose([a, groupOf([b, c]), d, groupOf([e, e]), a])),
      '[a (b c)>[d (e e)>a]]',
    )
  })

  it('splices chains', () => {
    assert.equal(shape(compose([chainOf([a, b]), chainOf([c]), d])), '[a b c d]')
  })
})
