/** Signatures as plain data: what is read, and what is refused. */

import { expect } from 'chai'
import { InvalidTaskError } from '../../protocol/errors.ts'
import { MAX_SIGNATURE_DEPTH, readSignature, signature } from '../../protocol/signature.ts'

const add = signature('wire.add', [1, 2])

describe('a signature', () => {
  it('has its members in the order of the wire, empty where nothing is given', () => {
    expect(JSON.stringify(signature('wire.add'))).to.equal(
      '{"task":"wire.add","args":[],"kwargs":{},"options":{},"subtask_type":null,"immutable":false}',
    )
    expect(signature('t', [1], { k: 2 }, { options: { queue: 'q' }, immutable: true })).to.include({
      immutable: true,
      subtask_type: null,
    })
  })

  it('may come without subtask_type and immutable, and with members that nobody knows', () => {
    const sent = { task: 't', args: [], kwargs: {}, options: {}, chord_size: 3 }
    expect(readSignature(sent)).to.deep.equal(signature('t'))
  })

  const BROKEN: readonly [why: string, value: unknown, message: string][] = [
    ['is a text', 'wire.add', 'callbacks is not a signature'],
    ['is a list', [add], 'callbacks is not a signature'],
    ['is null', null, 'callbacks is not a signature'],
    ['names no task', { args: [], kwargs: {}, options: {} }, 'callbacks has no task name'],
    [
      'has no args',
      { task: 't', kwargs: {}, options: {} },
      'callbacks has args that are not a list',
    ],
    ['has no kwargs', { task: 't', args: [] }, 'callbacks has kwargs that are not an object'],
    [
      'has no options',
      { task: 't', args: [], kwargs: {} },
      'callbacks has options that are not an object',
    ],
    [
      'has a number as subtask_type',
      { ...add, subtask_type: 1 },
      'callbacks has no text as subtask_type',
    ],
    ['holds a broken link', { ...add, options: { link: ['x'] } }, 'callbacks is not a signature'],
    [
      'holds a broken body',
      { ...add, subtask_type: 'chord', kwargs: { body: 1 } },
      'callbacks is not a signature',
    ],
  ]
  for (const [why, value, message] of BROKEN) {
    it(`is refused when it ${why}`, () => {
      expect(() => readSignature(value, 'callbacks')).to.throw(InvalidTaskError, message)
    })
  }

  it('may hold a bare signature as a link, as set(link=…) leaves it', () => {
    expect(readSignature({ ...add, options: { link: add } }).options).to.deep.equal({ link: add })
  })

  it('leaves the arguments of a plain task alone, whatever their names', () => {
    const kwargs = { tasks: 'mine', body: 5, header: null, task: [] }
    expect(readSignature(signature('mine', [], kwargs)).kwargs).to.equal(kwargs)
  })

  it('is refused when signatures stand too deep in one another', () => {
    let deep = add
    for (let i = 1; i < MAX_SIGNATURE_DEPTH; i++) deep = { ...add, options: { link: [deep] } }
    expect(readSignature(deep)).to.deep.equal(deep)
    const deeper = { ...add, options: { link_error: deep } }
    expect(() => readSignature(deeper)).to.throw(InvalidTaskError, 'more than 32 deep')
  })

  it('reads nothing from a prototype', () => {
    const inherited = Object.create(add) as object
    expect(() => readSignature(inherited)).to.throw(InvalidTaskError)
    expect(() => readSignature({ ...add, subtask_type: 'constructor' })).to.not.throw()
  })
})
