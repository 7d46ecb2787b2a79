/** Who is told to leave the result of the one before. */

import { expect } from 'chai'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { withImmutable } from '../../src/canvas/immutable.ts'
import { plan } from '../../src/canvas/planner.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { numbers } from './recorded.ts'

const A = signature('a', [1])
const B = signature('b')

function argsOf(of: SignatureDict): readonly unknown[] {
  const { calls } = plan(of, numbers(), { args: ['given'], kwargs: {}, options: {} })
  return calls.map(({ args }) => args)
}

describe('an immutable signature', () => {
  it('is a group when all of its tasks are', () => {
    expect(argsOf(withImmutable(groupOf([A, groupOf([B])]), true))).to.deep.equal([[1], []])
  })

  it('is a chord when its header is: the body takes the results', () => {
    const chord = withImmutable(chordOf([A], B), true)
    expect(argsOf(chord)).to.deep.equal([[1]])
    expect((chord.kwargs['body'] as SignatureDict).immutable).to.equal(false)
  })

  it('is a chain by itself, and says so by its first task to workers that forget it', () => {
    const chord = chordOf([A], withImmutable(chainOf([A, B]), true))
    const [{ options } = A] = plan(chord, numbers()).calls
    const { kwargs } = options['chord'] as SignatureDict
    const [first, second] = kwargs['tasks'] as SignatureDict[]
    expect([first?.immutable, second?.immutable]).to.deep.equal([true, false])
  })

  it('may become mutable again', () => {
    const group = withImmutable(groupOf([A]), true)
    expect(argsOf(withImmutable(group, false))).to.deep.equal([['given', 1]])
  })
})
