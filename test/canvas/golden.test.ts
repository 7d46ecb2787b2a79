/** What we plan for several hundred canvases, compared with what Celery 5.6.2 and 5.2.6 did, step by step. */

import { expect } from 'chai'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { Plan, PlanEnvironment } from '../../src/canvas/plan.ts'
import { freeze, plan } from '../../src/canvas/planner.ts'
import { chunksOf } from '../../src/canvas/chunks.ts'
import { pipe } from '../../src/canvas/pipe.ts'
import { tasksOf } from '../../src/canvas/primitives.ts'
import { stamp, type StampingVisitor } from '../../src/canvas/stamp.ts'
import { EXCUSES, excusedAt, type Excused, type Kind } from './excuses.ts'
import {
  callOf,
  fresh,
  isLineWithin,
  normal,
  numbers,
  recorded,
  tupleOf,
  type Case,
  type Step,
} from './recorded.ts'

/** The visitor of record_canvas.py. */
const VISITOR: StampingVisitor = {
  onSignature: ({ task }) => ({ on: task }),
  onGroupStart: (group) => ({ g: tasksOf(group).length }),
  onChainStart: () => ({ c: 1 }),
  onChordBody: () => ({ b: 'body' }),
  onCallback: ({ task }) => ({ cb: task }),
  onErrback: ({ task }) => ({ eb: [task] }),
}

/** The excuses without which a comparison would have failed. */
const needed = new Set<string>()
let compared = 0
let total = 0

/** What is excused is compared without what the excuse is for. */
function same(excuse: Excused | undefined, ours: unknown, theirs: unknown): void {
  check(excuse, () => expect(normal(ours)).to.deep.equal(normal(theirs)))
  if (excuse === undefined) return
  expect(normal(excuse.see(ours))).to.deep.equal(normal(excuse.see(theirs)))
}

function check(excuse: Excused | undefined, body: () => void): void {
  try {
    body()
  } catch (error) {
    if (excuse === undefined) throw error
    for (const why of excuse.why) needed.add(why)
  }
}

function environmentOf(one: Case, ...used: unknown[]): PlanEnvironment {
  return numbers({ errbacksOnHeader: one.errbacksOnHeader === true }, fresh(used))
}

/** The sizes of chords, each as it was told last; a group that is part of a chord leaves that chord's alone. */
function sizesOf(
  sizes: readonly (readonly [string, number])[],
  { options, subtask_type: type }: SignatureDict,
): ReadonlyMap<string, number> {
  const isPart = type === 'group' && Boolean(options['chord'])
  const own = new Set(isPart ? [options['task_id'], options['group_id']] : [])
  return new Map(sizes.filter(([id]) => !own.has(id)))
}

/** Sizes by the names that the ids have in the calls, in an order of their own. */
function bySize(calls: unknown, sizes: ReadonlyMap<string, number>): readonly unknown[] {
  const [, named] = normal([calls, [...sizes]]) as [unknown, [string, number][]]
  return named.toSorted(([one], [other]) => one.localeCompare(other))
}

function compareSteps(one: Case, step: Step, excuses: Excuses): void {
  const made = plan(
    sentFor(step.signature),
    environmentOf(one, step.signature, step.given),
    step.given,
  )
  const ours = made.calls.map(callOf)
  const theirs = step.sent.map(callOf)
  same(excuses('calls'), ours, theirs)
  check(excuses('sizes'), () => compareSizes(made, ours, step))
  check(excuses('result'), () => compareResults(made, ours, step))
}

/** Chunks that are applied are the group that they are. */
function sentFor(signature: SignatureDict): SignatureDict {
  if (signature.task !== 'celery.chunks') return signature
  const { task, it, n } = signature.kwargs as { task: SignatureDict; it: unknown[]; n: number }
  return chunksOf(task, it, n)
}

function compareSizes(made: Plan, ours: unknown, step: Step): void {
  const opened = (made.chords ?? []).map(({ header, size }) => [header.id, size] as const)
  const told = sizesOf(step.sizes, step.signature)
  expect(bySize(ours, sizesOf(opened, step.signature))).to.deep.equal(
    bySize(step.sent.map(callOf), told),
  )
}

/** The line of our results holds theirs: the body of a chord that is a chain has its whole line with us. */
function compareResults(made: Plan, ours: unknown, step: Step): void {
  const [, result] = normal([ours, tupleOf(made.result)]) as [unknown, Step['result']]
  const [, line] = normal([step.sent.map(callOf), step.result]) as [unknown, Step['result']]
  expect(isLineWithin(line, result), JSON.stringify({ line, result })).to.equal(true)
}

type Excuses = (kind: Kind) => Excused | undefined

for (const [release, kinds] of [
  ['562', ['named', 'random']],
  ['526', ['named']],
] as const) {
  for (const kind of kinds) {
    describe(`canvases that Celery ${release} sent (${kind})`, () => {
      for (const one of recorded(`${release}.canvas.${kind}`)) {
        if (one.error !== undefined) continue
        total += 1
        it(`${one.name}: ${one.how}`, () => compare(release, one))
      }
    })
  }
}

function compare(release: string, one: Case): void {
  compared += 1
  const excuses = (signature: SignatureDict): Excuses => {
    return (kind) => excusedAt(kind, { release, name: one.name, signature })
  }
  for (const [left, right, made] of one.pipes) {
    same(excuses(made)('pipe'), pipe(left, right), made)
  }
  for (const [before, { stamps, append }, after] of one.stamped) {
    same(excuses(after)('stamps'), stamp(before, stamps ?? VISITOR, { append }), after)
  }
  const [first] = one.steps
  if (one.frozen?.signature !== undefined && first !== undefined) {
    const frozen = freeze(first.signature, environmentOf(one, first.signature))
    const { signature, result } = one.frozen
    const ours = [frozen.signature, tupleOf(frozen.result)]
    same(excuses(first.signature)('frozen'), ours, [signature, result])
  }
  for (const step of one.steps.filter(({ error }) => error === undefined)) {
    check(excuses(step.signature)('all'), () => compareSteps(one, step, excuses(step.signature)))
  }
}

describe('the excuses', () => {
  it('are all needed', function () {
    if (compared < total) this.skip()
    const idle = EXCUSES.filter(({ why }) => !needed.has(why)).map(({ why }) => why)
    expect(idle).to.deep.equal([])
  })
})
