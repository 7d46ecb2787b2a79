/** What every backend that counts must do with groups, and with the parts of chords. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { ChordPart, ResultTuple } from '../../protocol/result.ts'
import type { ChordStore, GroupStore, ResultBackend } from '../../src/results/backend.ts'
import { exception } from '../support/backend.ts'

/** What every backend must do with groups. `open` gives another backend on the same store each time. */
export function groupStoreContract(open: () => Promise<ResultBackend>): void {
  it('keeps a group, with its parents and the groups in it, and forgets it', async () => {
    const [one, other] = await Promise.all([open(), open()])
    const id = randomUUID()
    const inner: ResultTuple = [['inner', null], [[['b', null], null]]]
    const group: ResultTuple = [
      [id, [['before', null], null]],
      [[['a', null], null], inner],
    ]
    expect(await other.groups.restore(id)).to.equal(undefined)
    await one.groups.save(group)
    expect(await other.groups.restore(id)).to.deep.equal(group)
    await other.groups.forget(id)
    await other.groups.forget(id)
    expect(await one.groups.restore(id)).to.equal(undefined)
    await Promise.all([one.close(), other.close()])
  })
}

/**
 * `open` gives another backend on the same store each time. `keeps` says which result of a part counts that
 * ends twice with success: the first, where the parts are read from the results, which keep a SUCCESS.
 */
export function groupContract(
  open: () => Promise<ResultBackend>,
  { keeps = 'last' }: { readonly keeps?: 'first' | 'last' } = {},
): void {
  describe('as every backend that counts', () => {
    let backends: readonly ResultBackend[]
    let groups: readonly [GroupStore, GroupStore]
    let one: ChordStore
    let other: ChordStore
    let id: string

    before(async () => {
      const [first, second] = await Promise.all([open(), open()])
      backends = [first, second]
      groups = [first.groups, second.groups]
      one = chordsOf(first)
      other = chordsOf(second)
    })
    after(async () => {
      await Promise.all(backends.map((backend) => backend.close()))
    })
    beforeEach(() => (id = randomUUID()))

    const part = (
      taskId: string,
      index: number | null,
      result: unknown = taskId,
      state = 'SUCCESS',
    ) => ({
      groupId: id,
      groupIndex: index,
      taskId,
      state,
      result,
    })

    const openChord = (...taskIds: readonly string[]): Promise<void> => {
      const members = taskIds.map((taskId): ResultTuple => [[taskId, null], null])
      return one.open({ header: [[id, null], members], size: taskIds.length })
    }

    it('keeps a group, and forgets it', async () => {
      const group: ResultTuple = [[id, [['before', null], null]], [[['a', null], null]]]
      expect(await groups[1].restore(id)).to.equal(undefined)
      await groups[0].save(group)
      expect(await groups[1].restore(id)).to.deep.equal(group)
      await groups[1].forget(id)
      expect(await groups[0].restore(id)).to.equal(undefined)
    })

    it('gives all parts, in the order of the header, to who returns the last one', async () => {
      await openChord('a', 'b', 'c')
      expect(await one.onChordPartReturn(part('c', 2))).to.equal(undefined)
      expect(await other.onChordPartReturn(part('a', 0, { deep: [1, null] }))).to.equal(undefined)
      const failed = exception('ValueError', ['boom', 42])
      expect(await one.onChordPartReturn(part('b', 1, failed, 'FAILURE'))).to.deep.equal([
        { taskId: 'a', state: 'SUCCESS', result: { deep: [1, null] } },
        { taskId: 'b', state: 'FAILURE', result: failed },
        { taskId: 'c', state: 'SUCCESS', result: 'c' },
      ])
    })

    it('waits for its size, and for what was added', async () => {
      await one.onChordPartReturn(part('a', 0))
      await one.addToChord(id, 2)
      await one.addToChord(id, -1)
      await openChord('a', 'b')
      expect(await one.onChordPartReturn(part('b', 1))).to.equal(undefined)
      expect(idsOf(await one.onChordPartReturn(part('added', 1)))).to.have.members([
        'a',
        'b',
        'added',
      ])
    })

    it(`counts a task once that ends twice, the ${keeps} time`, async () => {
      await openChord('a', 'b')
      await one.onChordPartReturn(part('a', 0, 'first'))
      expect(await other.onChordPartReturn(part('a', 0, 'second'))).to.equal(undefined)
      const all = await one.onChordPartReturn(part('b', 1))
      expect(all?.map(({ result }) => result)).to.deep.equal([
        keeps === 'first' ? 'first' : 'second',
        'b',
      ])
    })

    it('tells tasks apart that have the same place, or none', async () => {
      await openChord('a', 'b', 'last', 'later')
      await one.onChordPartReturn(part('last', null))
      await one.onChordPartReturn(part('later', null))
      await one.onChordPartReturn(part('a', 0))
      const all = idsOf(await one.onChordPartReturn(part('b', 0)))
      expect(all.slice(0, 2)).to.have.members(['a', 'b'])
      expect(all.slice(2)).to.have.members(['last', 'later'])
    })

    it('is given to one at a time, and again to the task that had it, should it come again', async () => {
      await openChord('a', 'b')
      await one.onChordPartReturn(part('a', 0))
      expect(await one.onChordPartReturn(part('b', 1))).to.have.length(2)
      expect(await other.onChordPartReturn(part('a', 0))).to.equal(undefined)
      expect(await other.onChordPartReturn(part('b', 1))).to.have.length(2)
      await one.endChord(id)
      expect(await other.onChordPartReturn(part('b', 1))).to.equal(undefined)
    })

    it('is given to one of the runs of a message that came twice, and taken over by one that comes again', async () => {
      await openChord('a')
      const ran = { ...part('a', 0), run: 'one' }
      expect(await one.onChordPartReturn(ran)).to.have.length(1)
      expect(await other.onChordPartReturn({ ...ran, run: 'other' })).to.equal(undefined)
      expect(await one.onChordPartReturn(ran)).to.have.length(1)
      expect(await other.onChordPartReturn(part('a', 0))).to.have.length(1)
      expect(await one.onChordPartReturn(ran)).to.equal(undefined)
    })

    it('is complete once when all parts come at the same time', async () => {
      const parts = Array.from({ length: 20 }, (_, index) => part(`t${index}`, index))
      await openChord(...parts.map(({ taskId }) => taskId))
      const answers = await Promise.all(
        parts.map((each, index) => (index % 2 === 0 ? one : other).onChordPartReturn(each)),
      )
      const complete = answers.filter((answer) => answer !== undefined)
      expect(complete).to.have.length(1)
      expect(idsOf(complete[0])).to.deep.equal(parts.map(({ taskId }) => taskId))
    })
  })
}

function chordsOf({ chords }: ResultBackend): ChordStore {
  if (chords === undefined) throw new Error('this backend does not count')
  return chords
}

function idsOf(parts: readonly ChordPart[] | undefined): readonly string[] {
  return (parts ?? []).map(({ taskId }) => taskId)
}
