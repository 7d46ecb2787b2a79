/** Signatures as Python's `repr()` shows them: each text is what Celery 5.6 prints. */

import { expect } from 'chai'
import { inspect } from 'node:util'
import { chain, chord, group } from '../../src/task/compose.ts'
import { fixture } from './fakes.ts'

describe('the repr of a signature', () => {
  const { task, host } = fixture()
  const add = task('tasks.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
  const mul = task('other.mul', (x: number, y: number) => x * y)
  const total = task('tasks.total', (numbers: readonly number[]) => numbers.length)
  const scaled = task(
    'tasks.scaled',
    (numbers: readonly number[], by: number) => numbers.length * by,
  )
  const plain = task('plain', (x: number) => x)

  const CASES: readonly (readonly [{ repr(): string }, string])[] = [
    [add.s(2, 2), 'tasks.add(2, 2)'],
    [add.signature([2], { kwargs: { y: 3 } }), 'tasks.add(2, y=3)'],
    [add.s(), 'tasks.add()'],
    [add.s(2, 2).pipe(add.s(4)), 'tasks.add(2, 2) | add(4)'],
    [chain(add.s(2, 2), mul.s(4), add.s(1)), 'tasks.add(2, 2) | other.mul(4) | add(1)'],
    [group([add.s(1, 1), add.s(2, 2)]), 'group([tasks.add(1, 1), add(2, 2)])'],
    [group([]), 'group(<empty>)'],
    [chord([add.s(1, 1), add.s(2, 2)], total.s()), '%tasks.total([add(1, 1), add(2, 2)])'],
    [chord([add.s(1, 1)], scaled.s(9)), '%tasks.scaled([add(1, 1)], 9)'],
    [
      chord([add.s(1, 1), add.s(1, 2)], total.s().pipe(add.s(5))),
      '%(tasks.total([add(1, 1), add(1, 2)]) | add(5))',
    ],
    [
      chord([add.s(1, 1)], chain(total.s(), mul.s(1), add.s(2))),
      '%(tasks.total([add(1, 1)]) | other.mul(1) | add(2))',
    ],
    [chord([], total.s()), '%tasks.total([])'],
    [
      add.s(1, 1).pipe(group([add.s(2), mul.s(3)])),
      'tasks.add(1, 1) | group([add(2), other.mul(3)])',
    ],
    [add.map([1, 2]), '[tasks.add(x) for x in [1, 2]]'],
    [
      plain.map(Array.from({ length: 60 }, (_, i) => i)),
      '[plain(x) for x in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,...]',
    ],
    [add.chunks([[1, 2]], 10), 'celery.chunks(task=tasks.add(), it=[[1, 2]], n=10)'],
    [plain.s(1.5).pipe(plain.s()), 'plain(1.5) | plain()'],
  ]

  for (const [signature, text] of CASES) {
    it(`is ${text.slice(0, 70)}`, () => {
      expect(signature.repr()).to.equal(text)
      expect(inspect(signature)).to.equal(text)
    })
  }

  it('shows a dict of Celery as what it is', () => {
    expect(host.tasks.has('tasks.add')).to.equal(true)
    expect(chord([add.s(1, 1)], total.s()).body?.repr()).to.equal('tasks.total()')
  })
})
