/** Chains: what goes from one task to the next, over groups and chords. */

import { expect } from 'chai'
import { chain, chord, group, type AsyncResult } from '../../../src/index.ts'
import { fails, gives, onEveryCanvasStage, TIMEOUT, type Workflow } from './stage.ts'

const VALUES: readonly Workflow[] = [
  {
    title: 'a chain hands each result on (test_simple_chain)',
    run: gives(({ add }) => add.s(4, 4).pipe(add.s(8)).pipe(add.s(16)), 32),
  },
  {
    title: 'a chain of one gives what its task gives (test_single_chain)',
    run: gives(({ add }) => chain(add.s(3, 4)), 7),
  },
  {
    title: 'a chain within a chain goes on into a group (test_complex_chain)',
    run: gives(
      ({ add, add_replaced }) => {
        const inner = add.s(4).pipe(add_replaced.s(8)).pipe(add.s(16)).pipe(add.s(32))
        return add
          .s(2, 2)
          .pipe(inner)
          .pipe(group([add.s(0), add.s(1), add.s(2), add.s(3)]))
      },
      [64, 65, 66, 67],
    ),
  },
  {
    title:
      'a chain that ends in a group, alone in a group, gives that list (test_group_results_in_chain)',
    run: gives(({ add }) => group([add.s(1, 2).pipe(group([add.s(1), add.s(2)]))]), [4, 5]),
  },
  {
    title:
      'a group at the end gives each chain in it the result before (test_chain_inside_group_receives_arguments)',
    run: gives(({ add }) => add.s(5, 6).pipe(group([add.s(1).pipe(add.s(2)), add.s(3)])), [14, 14]),
  },
  {
    title:
      'a group holds the results of a chain that ends in a group as a list (test_group_result_not_has_cache)',
    run: gives(
      ({ identity }) => {
        const pair = group([identity.si(3), identity.si(4)])
        return group([identity.si(1), identity.si(2), chain(identity.si(5), pair)])
      },
      [1, 2, [3, 4]],
    ),
  },
  {
    title: 'a group alone in a chain gives its results (test_nested_chain_group_lone)',
    run: gives(({ identity }) => chain(group([identity.s(42), identity.s(42)])), [42, 42]),
  },
  {
    title: 'a group within a chain hands its results on (test_nested_chain_group_mid)',
    run: gives(
      ({ identity }) => chain(identity.s(42), group([identity.s(), identity.s()]), identity.s()),
      [42, 42],
    ),
  },
  {
    title: 'a group ends a chain (test_nested_chain_group_last)',
    run: gives(
      ({ identity }) => chain(identity.s(42), group([identity.s(), identity.s()])),
      [42, 42],
    ),
  },
  {
    title:
      'a group after a group takes all that the first gives (test_chain_of_task_a_group_and_a_chord)',
    run: gives(
      ({ add, tsum }) =>
        add
          .si(1, 0)
          .pipe(group([add.s(1), add.s(1)]))
          .pipe(group([tsum.s(), tsum.s()]))
          .pipe(tsum.s()),
      8,
    ),
  },
  {
    title:
      'two groups with their sums follow each other (test_chain_of_chords_as_groups_chained_to_a_task_with_two_tasks)',
    run: gives(
      ({ add, tsum }) =>
        add
          .si(1, 0)
          .pipe(group([add.s(1), add.s(1)]))
          .pipe(tsum.s())
          .pipe(add.s(1))
          .pipe(group([add.s(1), add.s(1)]))
          .pipe(tsum.s()),
      12,
    ),
  },
  {
    title: 'a chord follows a chord and a task (test_chain_of_chords_with_two_tasks)',
    run: gives(
      ({ add, tsum }) =>
        add
          .si(1, 0)
          .pipe(group([add.s(1), add.s(1)]))
          .pipe(tsum.s())
          .pipe(add.s(1))
          .pipe(chord(group([add.s(1), add.s(1)]), tsum.s())),
      12,
    ),
  },
  {
    title:
      'a group follows a task, a group and its sum (test_chain_of_a_chord_and_a_group_with_two_tasks)',
    run: gives(
      ({ add, tsum }) =>
        add
          .si(1, 0)
          .pipe(group([add.s(1), add.s(1)]))
          .pipe(tsum.s())
          .pipe(add.s(1))
          .pipe(group([add.s(1), add.s(1)])),
      [6, 6],
    ),
  },
  ...[
    ['test_chain_of_a_chord_and_a_task_and_a_group', 1],
    ['test_chain_of_a_chord_and_two_tasks_and_a_group', 2],
    ['test_chain_of_a_chord_and_three_tasks_and_a_group', 3],
  ].map(([name, between]) => ({
    title: `a group follows a group, its sum and ${between} more (${name})`,
    run: gives(
      ({ add, tsum }) => {
        const more = Array.from({ length: Number(between) }, () => add.s(1))
        const header = group([add.s(1, 1), add.s(1, 1)])
        return chain([header, tsum.s(), ...more, group([add.s(1), add.s(1)])])
      },
      [5 + Number(between), 5 + Number(between)],
    ),
  })),
  {
    title: 'chords in chains in chords give one number (test_group_in_center_of_chain)',
    run: gives(({ add, tsum }) => {
      const inner = chain(tsum.s(), group([add.s(8), add.s(16)]), chain(tsum.s(), add.s(32)))
      return chord([add.s(0, 1)], chord([tsum.s(), tsum.s()], inner))
    }, 60),
  },
]

const COURSE: readonly Workflow[] = [
  {
    title:
      'a chain in a chain in a list can be sent to a queue that nobody reads (test_chain_of_chain_with_a_single_task)',
    run: async ({ app }) => {
      const task = app.signature('any_taskname', [], { queue: 'any_q' })
      const result = await chain([chain(task)]).applyAsync()
      expect(result.id).to.be.a('string')
    },
  },
  {
    title: 'the error of a task is that of all that follow (test_chain_on_error)',
    run: async ({ tasks: { add, fail } }) => {
      const result = await chain(add.s(1, 2), fail.s(), add.s(3, 4)).applyAsync()
      await fails(result, 'ExpectedException')
      await fails(result.parent as AsyncResult, 'ExpectedException')
    },
  },
  {
    title: 'a group, a task and a group run one after another (test_group_chord_group_chain)',
    run: async ({ tasks: { redis_echo }, newKey, redis }) => {
      const key = newKey()
      const before = group([0, 1, 2].map((i) => redis_echo.si(`before ${i}`, key)))
      const after = group([0, 1].map((i) => redis_echo.si(`after ${i}`, key)))
      const result = await before.pipe(redis_echo.si('connect', key)).pipe(after).delay()
      await result.get({ timeout: TIMEOUT })
      const said = await redis.lrange(key, 0, -1)
      expect(said.slice(0, 3).toSorted()).to.deep.equal(['before 0', 'before 1', 'before 2'])
      expect(said[3]).to.equal('connect')
      expect(said.slice(4).toSorted()).to.deep.equal(['after 0', 'after 1'])
    },
  },
  {
    title: 'each task knows the first task and the one before (test_chain: test_parent_ids)',
    run: async ({ tasks: { ids } }) => {
      const last = await chain(Array.from({ length: 10 }, (_, i) => ids.si(i))).applyAsync()
      const results: AsyncResult[] = []
      for (let result: AsyncResult | undefined = last; result !== undefined;) {
        results.unshift(result)
        result = result.parent as AsyncResult | undefined
      }
      const values = await Promise.all(results.map((result) => result.get({ timeout: TIMEOUT })))
      const [root] = results
      expect(values).to.deep.equal(results.map((_, i) => [root?.id, results[i - 1]?.id ?? null, i]))
    },
  },
  {
    title:
      'a chord waits for a task that a soft time limit cut short (test_chord_soft_timeout_recuperation)',
    run: gives(({ add, delayed_sum, delayed_sum_with_soft_guard }) => {
      const slow = delayed_sum_with_soft_guard.s([100], TIMEOUT).set({ softTimeLimit: 1 })
      return chord([add.s(1, 2), slow], delayed_sum.s(0))
    }, 3),
  },
  {
    title: 'a chain with an errback starts at its eta (test_chain_error_handler_with_eta)',
    run: async ({ tasks: { add, tsum, print_unicode } }) => {
      const eta = new Date(Date.now() + 1000)
      const sums = chain(group([add.s(1, 2), add.s(3, 4)]), tsum.s()).onError(print_unicode.s())
      const result = await sums.applyAsync([], { eta })
      expect(await result.get({ timeout: TIMEOUT })).to.equal(10)
      expect(await result.dateDone()).to.be.above(eta)
    },
  },
  {
    title: 'a result tree that a task gives is plain data (test_groupresult_serialization)',
    run: async ({ tasks: { build_chain_inside_task } }) => {
      const result = await build_chain_inside_task.delay()
      const tuple = (await result.get({ timeout: TIMEOUT })) as readonly [
        readonly unknown[],
        unknown,
      ]
      expect(tuple).to.have.length(2)
      expect(tuple[0][1]).to.be.an('array')
    },
  },
]

onEveryCanvasStage('a chain', [...VALUES, ...COURSE])
