/** What holds for every canvas: it ends, every task runs once, and every chord has as many parts as it waits for. */

import { expect } from 'chai'
import fc from 'fast-check'
import { CeleryError } from '../../protocol/errors.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import type { PlannedResult } from '../../src/canvas/plan.ts'
import { compose, pipe } from '../../src/canvas/pipe.ts'
import { freeze, plan } from '../../src/canvas/planner.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { numbers } from './recorded.ts'
import { runAll } from './workers.ts'

const task = fc
  .record({ name: fc.constantFrom('a', 'b', 'c', 'd'), immutable: fc.boolean(), linked: fc.nat(5) })
  .map(({ name, immutable, linked }) =>
    signature(name, [1], {}, { immutable, options: linked > 0 ? {} : { link: [signature('x')] } }),
  )

const { tree } = fc.letrec<{ tree: SignatureDict }>((tie) => {
  const several = (minLength: number): fc.Arbitrary<SignatureDict[]> =>
    fc.array(tie('tree'), { minLength, maxLength: 3 })
  return {
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      task,
      several(1).map(chainOf),
      several(1).map((tasks) => compose(tasks)),
      several(0).map(groupOf),
      fc.tuple(several(0), tie('tree')).map(([header, body]) => chordOf(header, body)),
      fc.tuple(tie('tree'), tie('tree')).map(([left, right]) => pipe(left, right)),
    ),
  }
})

/** Chains of nothing are refused: none of the others may be. */
function unlessRefused(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof CeleryError && error.code === 'ERR_INVALID_TASK')) throw error
  }
}

function tasksOf(result: PlannedResult): readonly string[] {
  const own = result.members === undefined ? [result.id] : result.members.flatMap(tasksOf)
  return result.parent === null ? own : [...own, ...tasksOf(result.parent)]
}

/** The same canvases each time: large ones, which come rarely, are slow. */
const RUNS = { numRuns: 1_000, seed: 562 }

describe('any canvas', () => {
  it('is run to its end, each task of its result once, and each chord when all of its parts have ended', () => {
    fc.assert(
      fc.property(tree, (made) => {
        unlessRefused(() => {
          const { ran, chords, results } = runAll(made, numbers())
          const ids = new Set(ran.map(({ options }) => options['task_id']))
          expect(ids.size).to.equal(ran.length)
          for (const id of results.flatMap(tasksOf)) expect(ids.has(id), id).to.equal(true)
          for (const [id, { size, values, times }] of chords) {
            expect([values.length, times], `chord ${id}`).to.deep.equal([size, 1])
          }
        })
      }),
      RUNS,
    )
  })

  it('has the same ids and calls when it is frozen first', () => {
    fc.assert(
      fc.property(tree, (made) => {
        unlessRefused(() => {
          const frozen = freeze(made, numbers())
          const once = plan(frozen.signature, numbers({}, 1_000))
          expect(tasksOf(once.result).toSorted()).to.deep.equal(tasksOf(frozen.result).toSorted())
        })
      }),
      RUNS,
    )
  })

  it('is not changed by what is done with it', () => {
    fc.assert(
      fc.property(tree, (made) => {
        const before = JSON.stringify(made)
        unlessRefused(() => {
          freeze(made, numbers())
          plan(pipe(made, made), numbers())
        })
        expect(JSON.stringify(made)).to.equal(before)
      }),
      { ...RUNS, numRuns: 200 },
    )
  })
})
