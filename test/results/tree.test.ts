/** Whether result tuples are read and written as Celery's. */

import { expect } from 'chai'
import { resultFromTuple } from '../../src/results/async-result.ts'
import { ancestorsOf, type ResultNode } from '../../src/results/tree.ts'
import { DisabledBackend } from '../../src/backends/disabled.ts'

describe('a result tuple', () => {
  const read = (tuple: unknown): ResultNode =>
    resultFromTuple(tuple, { backend: new DisabledBackend() })

  for (const tuple of [
    [['a', null], null],
    [['b', [['a', null], null]], null],
    [
      ['g', null],
      [
        [['a', null], null],
        [['b', null], null],
      ],
    ],
    [['c', [['g', null], [[['a', null], null]]]], null],
    [['g', null], []],
  ]) {
    it(`survives both ways: ${JSON.stringify(tuple)}`, () => {
      expect(read(tuple).asTuple()).to.deep.equal(tuple)
    })
  }

  it('may have a bare id, as older releases wrote it', () => {
    expect(read(['a', null]).asTuple()).to.deep.equal([['a', null], null])
  })

  it('tells what ran before, the first one first, and all members of a group', () => {
    const group = [
      ['g', [['root', null], null]],
      [
        [['a', null], null],
        [['b', null], null],
      ],
    ]
    expect(ancestorsOf([read([['last', group], null])]).map(({ taskId }) => taskId)).to.deep.equal([
      'root',
      'a',
      'b',
    ])
  })

  for (const wrong of [
    null,
    'a',
    {},
    [],
    [[1, null], null],
    [['a', null], 'x'],
    [['a', 7], null],
  ]) {
    it(`is refused when it is none: ${JSON.stringify(wrong)}`, () => {
      expect(() => read(wrong))
        .to.throw()
        .with.property('code', 'ERR_DECODE')
    })
  }

  it('is refused when it is nested without end', () => {
    let tuple: unknown = null
    for (let depth = 0; depth < 5000; depth += 1) tuple = [['a', tuple], null]
    expect(() => read(tuple))
      .to.throw()
      .with.property('code', 'ERR_DECODE')
  })
})
