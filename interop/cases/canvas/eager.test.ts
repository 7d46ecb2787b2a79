/** Canvas here and now, without a worker. */

import { expect } from 'chai'
import { chain, chord } from '../../../src/index.ts'
import { app, identity } from '../../node/canvas-tasks.ts'

describe('a canvas that runs here and now', () => {
  let before: boolean

  beforeEach(() => {
    before = app.conf.taskAlwaysEager
    app.conf.taskAlwaysEager = true
  })

  afterEach(() => {
    app.conf.taskAlwaysEager = before
  })

  it('is a chain that a task sends (test_eager_chain_inside_task)', async () => {
    const result = await app
      .signature('t.integration.tasks.chain_add', [4, 8])
      .apply([], { throw: true })
    expect(await result.get()).to.equal(undefined)
  })

  it('is a chord that a task sends (test_eager_chord_inside_task)', async () => {
    const result = await app
      .signature('t.integration.tasks.chord_add', [4, 8])
      .apply([], { throw: true })
    expect(await result.get()).to.equal(undefined)
  })

  it('is a chain that is given arguments, which begins with a chord (test_chord_in_chain_with_args)', async () => {
    const both = chord([identity.s(), identity.s()], identity.s())
    const result = await chain([both, identity.s()]).apply([1])
    expect(await (result as { get(): Promise<unknown> }).get()).to.deep.equal([1, 1])
  })

  it('is a chain in a chain that is given arguments (test_chain_in_chain_with_args)', async () => {
    const result = await chain([chain([identity.s(), identity.s()])]).apply([1])
    expect(await (result as { get(): Promise<unknown> }).get()).to.equal(1)
  })
})
