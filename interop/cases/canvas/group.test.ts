/** Groups: what they give, in every nesting. */

import { expect } from 'chai'
import { setTimeout as sleep } from 'node:timers/promises'
import { chain, chord, group } from '../../../src/index.ts'
import { gives, onEveryCanvasStage, TIMEOUT, type Workflow } from './stage.ts'

const MANY = 42

function times<T>(count: number, item: T): readonly T[] {
  return Array.from({ length: count }, () => item)
}

const VALUES: readonly Workflow[] = [
  {
    title: 'gives the results of its tasks (test_group_lone)',
    run: gives(({ identity }) => group([identity.s(42), identity.s(42)]), [42, 42]),
  },
  {
    title: 'takes groups in it for its own tasks (test_nested_group)',
    run: gives(
      ({ add }) => {
        const innermost = group([add.si(1, 1000), add.si(1, 2000)])
        return group([add.si(1, 10), group([add.si(1, 100), innermost])])
      },
      [11, 101, 1001, 2001],
    ),
  },
  {
    title: 'takes a group that is all there is in it for itself (test_nested_group_group)',
    run: gives(({ identity }) => group([group([identity.s(42), identity.s(42)])]), [42, 42]),
  },
  {
    title: 'runs a thousand tasks (test_large_group)',
    run: gives(
      ({ identity }) => group(Array.from({ length: 1000 }, (_, i) => identity.s(i))),
      Array.from({ length: 1000 }, (_, i) => i),
    ),
  },
  {
    title: 'holds a chord of a task (test_nested_group_chord_counting_simple)',
    run: gives(({ identity }) => group([chord([identity.si(42)], identity.s())]), [[42]]),
  },
  {
    title: 'holds a chord of a long chain (test_nested_group_chord_counting_chain)',
    run: gives(
      ({ identity }) => group([chord([chain(times(MANY, identity.si(1337)))], identity.s())]),
      [[1337]],
    ),
  },
  {
    title: 'holds a chord of a group (test_nested_group_chord_counting_group)',
    run: gives(
      ({ identity }) => group([chord([group(times(MANY, identity.si(1337)))], identity.s())]),
      [times(MANY, 1337)],
    ),
  },
  {
    title: 'holds a chord of a chord (test_nested_group_chord_counting_chord)',
    run: gives(
      ({ identity }) => {
        const inner = chord(times(MANY, identity.si(1337)), identity.si(31337))
        return group([chord([inner], identity.s())])
      },
      [[31337]],
    ),
  },
  {
    title: 'holds a chord of all of these (test_nested_group_chord_counting_mixed)',
    run: gives(
      ({ identity }) => {
        const many = times(MANY, identity.si(42))
        const header = [identity.si(42), chain(many), group(many), chord(many, identity.si(1337))]
        return group([chord(header, identity.s())])
      },
      [[42, 42, ...times(MANY, 42), 1337]],
    ),
  },
  {
    title: 'holds a chord whose body is a chain of one (test_nested_group_chord_body_chain)',
    run: gives(({ identity }) => group([chord([identity.si(42)], chain([identity.s()]))]), [[42]]),
  },
  {
    title: 'has a task replaced by a chain, its first (test_group_child_replaced_with_chain_first)',
    run: gives(
      ({ identity, replace_with_chain }) => group([replace_with_chain.si(42), identity.s(1337)]),
      [42, 1337],
    ),
  },
  {
    title:
      'has a task replaced by a chain, in its middle (test_group_child_replaced_with_chain_middle)',
    run: gives(
      ({ identity, replace_with_chain }) =>
        group([identity.s(42), replace_with_chain.s(1337), identity.s(31337)]),
      [42, 1337, 31337],
    ),
  },
  {
    title: 'has a task replaced by a chain, its last (test_group_child_replaced_with_chain_last)',
    run: gives(
      ({ identity, replace_with_chain }) => group([identity.s(42), replace_with_chain.s(1337)]),
      [42, 1337],
    ),
  },
  {
    title:
      'keeps its order when groups replace its tasks (test_task_replace_with_group_preserves_group_order)',
    since: ['5.3', 'the tasks of a replacement all have the index of the task that they replace'],
    run: gives(
      ({ add_to_all }) =>
        group(times(10, [add_to_all.s([2, 1], 1), add_to_all.s([4, 3], 1)]).flat()),
      times(10, [
        [3, 2],
        [5, 4],
      ]).flat(),
    ),
  },
]

const RESULTS: readonly Workflow[] = [
  {
    title: 'is ready although one of its tasks fails (test_ready_with_exception)',
    run: async ({ tasks: { add, raise_error } }) => {
      const result = await group([add.s(1, 2), raise_error.s()]).applyAsync()
      const end = Date.now() + TIMEOUT * 1000
      while (!(await result.ready())) {
        expect(Date.now()).to.be.below(end)
        await sleep(20)
      }
    },
  },
  {
    title: 'without tasks can be saved and found again (test_empty_group_result)',
    run: async ({ app }) => {
      const result = await group([]).applyAsync()
      await result.save(app.backend)
      const restored = await app.groupResult(result.id)
      expect(restored?.results).to.deep.equal([])
    },
  },
  {
    title:
      'tells its tasks the first of its chain, and the one before it (test_group: test_parent_ids)',
    run: async ({ tasks: { ids } }) => {
      const members = Array.from({ length: 48 }, (_, i) => ids.si(i + 2))
      const result = await chain(ids.si(1), ids.si(2), group(members)).applyAsync()
      const [parent, root] = [result.parent, result.parent?.parent]
      expect(await result.get({ timeout: TIMEOUT })).to.deep.equal(
        members.map((_, i) => [root?.id, parent?.id, i + 2]),
      )
    },
  },
]

onEveryCanvasStage('a group', [...VALUES, ...RESULTS])
