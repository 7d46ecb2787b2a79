/** Groups that have callbacks and errbacks, or whose tasks have. */

import { expect } from 'chai'
import { group, type Signature } from '../../../src/index.ts'
import { fails, onEveryCanvasStage, TIMEOUT, type Workflow } from './stage.ts'
import type { CanvasTasks } from './tasks.ts'

const MANY = 42

function times<T>(count: number, item: T): readonly T[] {
  return Array.from({ length: count }, () => item)
}

/** The group gives a value, and its callback is called once. */
function callsOnce(
  make: (tasks: CanvasTasks) => readonly Signature<unknown[]>[],
  value: unknown,
): Workflow['run'] {
  return async ({ tasks, newKey, counted }) => {
    const key = newKey()
    const whole = group(make(tasks))
    whole.link(tasks.redis_count.si(key))
    const result = await whole.delay()
    expect(await result.get({ timeout: TIMEOUT })).to.deep.equal(value)
    await counted(key, 1)
  }
}

/** The group fails, and its errback is called for each task that fails. */
function failsAndCalls(
  make: (tasks: CanvasTasks) => readonly Signature<unknown[]>[],
  count = 1,
): Workflow['run'] {
  return async ({ tasks, newKey, counted }) => {
    const key = newKey()
    const whole = group(make(tasks))
    whole.linkError(tasks.redis_count.si(key))
    await fails(await whole.delay(), 'ExpectedException')
    await counted(key, count)
  }
}

onEveryCanvasStage('a group with links', [
  {
    title: 'calls its callback (test_callback_called_by_group)',
    run: callsOnce(({ identity }) => [identity.si(42), identity.si(1337)], [42, 1337]),
  },
  {
    title: 'calls its errback when its first task fails (test_errback_called_by_group_fail_first)',
    run: failsAndCalls(({ fail, identity }) => [fail.s(), identity.si(42)]),
  },
  {
    title: 'calls its errback when its last task fails (test_errback_called_by_group_fail_last)',
    run: failsAndCalls(({ fail, identity }) => [identity.si(42), fail.s()]),
  },
  {
    title:
      'calls its errback for each task that fails (test_errback_called_by_group_fail_multiple)',
    run: failsAndCalls(
      ({ fail, identity }) => [...times(24, identity.si(42)), ...times(MANY, fail.s())],
      MANY,
    ),
  },
  {
    title: 'calls the callback of each of its tasks (test_group_children_with_callbacks)',
    run: async ({ tasks: { identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = identity.si(1337)
      child.link(redis_count.si(key))
      const result = await group(times(MANY, child)).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.deep.equal(times(MANY, 1337))
      await counted(key, MANY)
    },
  },
  {
    title: 'calls the errback of each of its tasks (test_group_children_with_errbacks)',
    run: async ({ tasks: { fail, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = fail.si()
      child.linkError(redis_count.si(key))
      await fails(await group(times(MANY, child)).applyAsync(), 'ExpectedException')
      await counted(key, MANY)
    },
  },
  {
    title:
      'calls its callback once although a task is replaced (test_group_with_callback_child_replaced)',
    run: callsOnce(
      ({ add_replaced, identity }) => [add_replaced.si(42, 1337), identity.si(31337)],
      [1379, 31337],
    ),
  },
  {
    title:
      'calls its errback once although a task is replaced (test_group_with_errback_child_replaced)',
    run: failsAndCalls(({ add_replaced, fail }) => [add_replaced.si(42, 1337), fail.s()]),
  },
  {
    title:
      'calls the callback of a task that is replaced once (test_group_child_with_callback_replaced)',
    run: async ({ tasks: { add_replaced, identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = add_replaced.si(42, 1337)
      child.link(redis_count.si(key))
      const result = await group([child, identity.si(31337)]).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.deep.equal([1379, 31337])
      await counted(key, 1)
    },
  },
  {
    title:
      'calls the errback of a task that is replaced once (test_group_child_with_errback_replaced)',
    run: async ({ tasks: { fail_replaced, identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = fail_replaced.si()
      child.linkError(redis_count.si(key))
      await fails(await group([child, identity.si(42)]).applyAsync(), 'ExpectedException')
      await counted(key, 1)
    },
  },
])
