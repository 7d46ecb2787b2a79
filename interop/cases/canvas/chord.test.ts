/** Chords: what they give, in every nesting. */

import { expect } from 'chai'
import { setTimeout as sleep } from 'node:timers/promises'
import { chain, chord, group } from '../../../src/index.ts'
import { gives, onEveryCanvasStage, TIMEOUT, type Workflow } from './stage.ts'

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const THOUSAND = Array.from({ length: 1000 }, (_, i) => i)

const VALUES: readonly Workflow[] = [
  {
    title: 'gives its body the results in the order of its header (test_chord_order)',
    run: gives(
      ({ identity }) =>
        chord(
          DIGITS.map((i) => identity.si(i)),
          identity.s(),
        ),
      DIGITS,
    ),
  },
  {
    title: 'sums what chords in it give, whose tasks are replaced (test_replaced_nested_chord)',
    run: gives(
      ({ add, add_replaced, add_to_all, tsum }) => {
        const left = chord([add.s(1, 2), add_replaced.s(3, 4)], add_to_all.s(5)).pipe(tsum.s())
        const right = chord([add_replaced.s(6, 7), add.s(0, 0)], add_to_all.s(8)).pipe(tsum.s())
        return chord([left, right], add_to_all.s(9))
      },
      [29, 38],
    ),
  },
  {
    title: 'is replaced by a group after a chain (test_group_chain)',
    run: gives(
      ({ add, add_to_all }) =>
        add
          .s(2, 2)
          .pipe(group([0, 1, 2, 3].map((i) => add.s(i))))
          .pipe(add_to_all.s(8)),
      [12, 13, 14, 15],
    ),
  },
  {
    title: 'is part of a chain that a group within a group ends (test_nested_group_chain)',
    run: gives(({ add }) => {
      const inner = chain(add.si(1, 200), group([add.si(1, 1000), add.si(1, 2000)]))
      return chain(add.si(1, 0), group([add.si(1, 100), inner]), add.si(1, 10))
    }, 11),
  },
  {
    title: 'has a header of one task (test_single_task_header)',
    run: gives(({ add, add_to_all }) => chord([add.s(2, 5)], add_to_all.s(9)), [16]),
  },
  {
    title: 'is what a group of one and a task become (test_single_task_header)',
    run: gives(({ add, add_to_all }) => group([add.s(2, 5)]).pipe(add_to_all.s(9)), [16]),
  },
  {
    title: 'has an empty header (test_empty_header_chord)',
    run: gives(({ add_to_all }) => chord([], add_to_all.s(9)), []),
  },
  {
    title: 'is what an empty group and a task become (test_empty_header_chord)',
    run: gives(({ add_to_all }) => group([]).pipe(add_to_all.s(9)), []),
  },
  {
    title: 'holds chords (test_nested_chord)',
    run: gives(
      ({ add, add_to_all }) =>
        chord(
          [chord([add.s(1, 2), add.s(3, 4)], add.s([5])), chord([add.s(6, 7)], add.s([10]))],
          add_to_all.s(['A']),
        ),
      [
        [3, 7, 5, 'A'],
        [13, 10, 'A'],
      ],
    ),
  },
  {
    title: 'holds what groups with their sums become (test_nested_chord)',
    run: gives(
      ({ add, add_to_all }) =>
        group([
          group([add.s(1, 2), add.s(3, 4)]).pipe(add.s([5])),
          group([add.s(6, 7)]).pipe(add.s([10])),
        ]).pipe(add_to_all.s(['A'])),
      [
        [3, 7, 5, 'A'],
        [13, 10, 'A'],
      ],
    ),
  },
  {
    title: 'holds groups of one, four deep (test_nested_chord)',
    run: gives(
      ({ add }) => {
        const third = group([group([add.s(1, 2)]).pipe(add.s([3]))]).pipe(add.s([4]))
        return group([group([third]).pipe(add.s([5]))]).pipe(add.s([6]))
      },
      [[[[3, 3], 4], 5], 6],
    ),
  },
  {
    title: 'runs beside another in a group (test_parallel_chords)',
    run: gives(
      ({ add, tsum }) => {
        const one = chord(group([add.s(1, 2), add.s(3, 4)]), tsum.s())
        return group([one, one.clone()])
      },
      [10, 10],
    ),
  },
  {
    title: 'holds chains that end in chords (test_chord_in_chords_with_chains)',
    run: gives(({ add }) => {
      const inner = chord(group([add.si(1, 2), add.si(1, 2)]), add.si(1, 2))
      const course = chain(add.si(1, 2), inner)
      return chord(group([course, course.clone()]), add.si(2, 2))
    }, 4),
  },
  {
    title: 'ends a chain, and holds a chain that ends in a chord (test_chain_chord_chain_chord)',
    run: gives(({ identity }) => {
      const innermost = chord([identity.si(4), identity.si(5)], identity.si(6))
      const inner = chain(identity.si(3), innermost)
      return chain(identity.si(1), chord([identity.si(2), inner], identity.si(7)))
    }, 7),
  },
  {
    title: 'has a header of a thousand tasks (test_large_header)',
    run: gives(
      ({ identity, tsum }) => group(THOUSAND.map((i) => identity.si(i))).pipe(tsum.s()),
      499_500,
    ),
  },
  {
    title:
      'has a header of a thousand tasks after a task (test_chain_to_a_chord_with_large_header)',
    run: gives(
      ({ identity, tsum }) =>
        identity
          .si(1)
          .pipe(group(THOUSAND.map(() => identity.s())))
          .pipe(tsum.s()),
      1000,
    ),
  },
  {
    title: 'takes the tasks of a group in it for its own (test_nested_chord_group)',
    run: gives(
      ({ identity }) => chord([group([identity.s(42), identity.s(42)])], identity.s()),
      [42, 42],
    ),
  },
  {
    title:
      'keeps the form of a group at the end of a chain in it (test_nested_chord_group_chain_group_tail)',
    run: gives(
      ({ identity }) => {
        const course = chain(identity.s(42), group([identity.s(), identity.s()]))
        return chord(group([course]), identity.s())
      },
      [[42, 42]],
    ),
  },
  {
    title: 'sums lists and numbers (test_stamping_example_canvas)',
    run: gives(({ identity, mul, xsum }) => {
      const sum = group([1, 2, 3].map((i) => identity.s(i))).pipe(xsum.s())
      return chain(sum, chord(group([mul.s(10), mul.s(10), mul.s(10)]), xsum.s()))
    }, 180),
  },
]

const COURSE: readonly Workflow[] = [
  {
    title:
      'starts its body although it takes long to write it down (test_simple_chord_with_a_delay_in_group_save)',
    run: async ({ tasks: { add, tsum }, app }) => {
      const { chords } = app.backend
      const open = chords!.open.bind(chords)
      chords!.open = async (planned) => {
        if (planned.header[0][0] === header) await sleep(300)
        return await open(planned)
      }
      const sums = chord([add.si(1, 1), add.si(1, 1)], tsum.s())
      sums.freeze()
      const header = sums.id
      const result = await sums.applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal(4)
    },
  },
  {
    title: 'waits for tasks that are added to it (test_add_to_chord)',
    run: async ({ tasks: { add_to_all_to_chord, identity } }) => {
      const all = group([add_to_all_to_chord.s([1, 2, 3], 4)]).pipe(identity.s())
      const result = await all.applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.have.members([0, 5, 6, 7])
    },
  },
  {
    title: 'waits for a chord that is added to it (test_add_chord_to_chord)',
    run: async ({ tasks: { add_chord_to_chord, identity } }) => {
      const all = group([add_chord_to_chord.s([1, 2, 3], 4)]).pipe(identity.s())
      const result = await all.applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.have.members([0, 18])
    },
  },
  {
    title: 'in a chain leaves keywords to the first task (test_group_kwargs)',
    run: async ({ tasks: { add, add_to_all } }) => {
      const header = group([0, 1, 2, 3].map((i) => add.s(i)))
      const whole = add.s(2, 2).pipe(header).pipe(add_to_all.s(8))
      const result = await whole.applyAsync([], { kwargs: { z: 1 } })
      expect(await result.get({ timeout: TIMEOUT })).to.deep.equal([13, 14, 15, 16])
    },
  },
  {
    title: 'gives arguments and keywords to each of its header (test_group_args_and_kwargs)',
    run: async ({ tasks: { add, add_to_all } }) => {
      const whole = group([0, 1, 2, 3].map((i) => add.s(i))).pipe(add_to_all.s(8))
      const result = await whole.applyAsync([4], { kwargs: { z: 1 } })
      expect(await result.get({ timeout: TIMEOUT })).to.have.members([13, 14, 15, 16])
    },
  },
  {
    title: 'hands the arguments of a chain to its header (test_chord_in_chain_with_args)',
    run: async ({ tasks: { identity } }) => {
      const both = chord([identity.s(), identity.s()], identity.s())
      const result = await chain([both, identity.s()]).applyAsync([1])
      expect(await result.get({ timeout: TIMEOUT })).to.deep.equal([1, 1])
    },
  },
  {
    title: 'hands the arguments of a chain to a chain in it (test_chain_in_chain_with_args)',
    run: async ({ tasks: { identity } }) => {
      const inner = chain([identity.s(), identity.s()])
      const result = await chain([inner]).applyAsync([1])
      expect(await result.get({ timeout: TIMEOUT })).to.equal(1)
    },
  },
]

onEveryCanvasStage('a chord', [...VALUES, ...COURSE])
