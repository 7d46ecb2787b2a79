/** What every backend that counts must do with groups, and with the parts of chords. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { ChordPart, ResultTuple } from '../../protocol/result.ts'
import type { GroupStore, ResultBackend } from '../../src/results/backend.ts'
import { exception } from '../support/backend.ts'

/** `open` gives another backend on the same store each time. */
export function groupContract(open: () => Promise<ResultBackend>): void {
  describe('as every backend that counts', () => {
    let backends: readonly ResultBackend[]
    let one: GroupStore
    let other: GroupStore
    let id: string

    before(async () => {
      backends = await Promise.all([open(), open()])
      ;[one, other] = backends.map(groupsOf) as [GroupStore, GroupStore]
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

    it('keeps a group, and forgets it', async () => {
      const group: ResultTuple = [[id, [['before', null], null]], [[['a', null], null]]]
      expect(await other.restore(id)).to.equal(undefined)
      await one.save(group)
      expect(await other.restore(id)).to.deep.equal(group)
      await other.forget(id)
      expect(await one.restore(id)).to.equal(undefined)
    })

    it('gives all parts, in the order of the header, to who returns the last one', async () => {
      await one.setChordSize(id, 3)
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
      await one.setChordSize(id, 2)
      expect(await one.onChordPartReturn(part('b', 1))).to.equal(undefined)
      expect(idsOf(await one.onChordPartReturn(part('added', 1)))).to.have.members([
        'a',
        'b',
        'added',
      ])
    })

    it('counts a task once that ends twice, the last time', async () => {
      await one.setChordSize(id, 2)
      await one.onChordPartReturn(part('a', 0, 'first'))
      expect(await other.onChordPartReturn(part('a', 0, 'second'))).to.equal(undefined)
      const all = await one.onChordPartReturn(part('b', 1))
      expect(all?.map(({ result }) => result)).to.deep.equal(['second', 'b'])
    })

    it('tells tasks apart that have the same place, or none', async () => {
      await one.setChordSize(id, 4)
      await one.onChordPartReturn(part('last', null))
      await one.onChordPartReturn(part('later', null))
      await one.onChordPartReturn(part('a', 0))
      const all = idsOf(await one.onChordPartReturn(part('b', 0)))
      expect(all.slice(0, 2)).to.have.members(['a', 'b'])
      expect(all.slice(2)).to.have.members(['last', 'later'])
    })

    it('is given to one at a time, and again to the task that had it, should it come again', async () => {
      await one.setChordSize(id, 2)
      await one.onChordPartReturn(part('a', 0))
      expect(await one.onChordPartReturn(part('b', 1))).to.have.length(2)
      expect(await other.onChordPartReturn(part('a', 0))).to.equal(undefined)
      expect(await other.onChordPartReturn(part('b', 1))).to.have.length(2)
      await one.endChord(id)
      expect(await other.onChordPartReturn(part('b', 1))).to.equal(undefined)
    })

    it('is complete once when all parts come at the same time', async () => {
      await one.setChordSize(id, 20)
      const parts = Array.from({ length: 20 }, (_, index) => part(`t${index}`, index))
      const answers = await Promise.all(
        parts.map((each, index) => (index % 2 === 0 ? one : other).onChordPartReturn(each)),
      )
      const complete = answers.filter((answer) => answer !== undefined)
      expect(complete).to.have.length(1)
      expect(idsOf(complete[0])).to.deep.equal(parts.map(({ taskId }) => taskId))
    })
  })
}

function groupsOf({ groups }: ResultBackend): GroupStore {
  if (groups === undefined) throw new Error('this backend does not count')
  return groups
}

function idsOf(parts: readonly ChordPart[] | undefined): readonly string[] {
  return (parts ?? []).map(({ taskId }) => taskId)
}
