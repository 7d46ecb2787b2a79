/** Chains whose tasks have callbacks and errbacks, or give their place to other chains. */

import { expect } from 'chai'
import { chain } from '../../../src/index.ts'
import { fails, gives, onEveryCanvasStage, TIMEOUT, type Workflow } from './stage.ts'

const REPLACED: readonly Workflow[] = [
  {
    title:
      'a task that a chain replaces gives what the chain gives (test_task_replaced_with_chain)',
    run: gives(({ replace_with_chain }) => replace_with_chain.si(42), 42),
  },
  {
    title:
      'the first of a chain is replaced by a chain (test_chain_child_replaced_with_chain_first)',
    run: gives(
      ({ replace_with_chain, identity }) => chain(replace_with_chain.si(42), identity.s()),
      42,
    ),
  },
  {
    title:
      'the middle of a chain is replaced by a chain (test_chain_child_replaced_with_chain_middle)',
    run: gives(
      ({ replace_with_chain, identity }) =>
        chain(identity.s(42), replace_with_chain.s(), identity.s()),
      42,
    ),
  },
  {
    title: 'the last of a chain is replaced by a chain (test_chain_child_replaced_with_chain_last)',
    run: gives(
      ({ replace_with_chain, identity }) => chain(identity.s(42), replace_with_chain.s()),
      42,
    ),
  },
  {
    title: 'no task can be replaced by an empty chain (test_replace_chain_with_empty_chain)',
    run: async (scene) => {
      const { identity, replace_with_empty_chain } = scene.tasks
      const result = await chain(identity.s(1), replace_with_empty_chain.s()).delay()
      await fails(result, 'ImproperlyConfigured', /Cannot replace with an empty chain/)
    },
  },
  {
    title:
      'a replacement that is replaced again comes to its end inside out (test_second_order_replace)',
    run: async ({ tasks: { second_order_replace1 }, newKey, redis }) => {
      const key = newKey()
      const result = await second_order_replace1.delay(false, key)
      await result.get({ timeout: TIMEOUT })
      const said = ['In A', 'In B', 'In/Out C', 'Out B', 'Out A']
      expect(await redis.lrange(key, 0, -1)).to.deep.equal(said)
    },
  },
  {
    title:
      'the callback of a replacement is called, and the chain goes on (test_chain_replaced_with_a_chain_and_a_callback)',
    run: async ({ tasks: { identity, replace_with_chain, add }, newKey, echoed }) => {
      const key = newKey()
      const replaced = replace_with_chain.signature([], {
        kwargs: { link_msg: 'inner', redis_key: key },
      })
      const result = await chain(identity.s('Hello '), replaced, add.s('world')).delay()
      expect(await result.get({ timeout: TIMEOUT })).to.equal('Hello world')
      await echoed(key, ['inner'])
    },
  },
  {
    title:
      'the errback of a replacement is called, and the chain fails (test_chain_replaced_with_a_chain_and_an_error_callback)',
    run: async ({ tasks, newKey, echoed }) => {
      const key = newKey()
      const replaced = tasks.replace_with_chain_which_raises.signature([], {
        kwargs: { link_msg: 'inner', redis_key: key },
      })
      const never = tasks.add.s(' will never be seen')
      await fails(await chain(tasks.identity.s('Hello '), replaced, never).delay(), 'ValueError')
      await echoed(key, ['inner'])
    },
  },
  {
    title:
      'the callbacks of a replacement and of its chain are called (test_chain_with_cb_replaced_with_chain_with_cb)',
    run: async ({ tasks: { identity, replace_with_chain, add, redis_echo }, newKey, echoed }) => {
      const kwargs = { redis_key: newKey() }
      const replaced = replace_with_chain.signature([], {
        kwargs: { link_msg: 'inner', ...kwargs },
      })
      const whole = chain(identity.s('Hello '), replaced, add.s('world'))
      whole.link(redis_echo.signature([], { kwargs }))
      const result = await whole.delay()
      expect(await result.get({ timeout: TIMEOUT })).to.equal('Hello world')
      await echoed(kwargs.redis_key, ['inner', 'Hello world'])
    },
  },
  {
    title:
      'the errbacks of a replacement and of its chain are called (test_chain_with_eb_replaced_with_chain_with_eb)',
    run: async ({ tasks, newKey, echoed }) => {
      const key = newKey()
      const replaced = tasks.replace_with_chain_which_raises.signature([], {
        kwargs: { link_msg: 'inner', redis_key: key },
      })
      const whole = chain(tasks.identity.s('Hello '), replaced, tasks.add.s('world'))
      whole.linkError(tasks.redis_echo.si('outer', key))
      await fails(await whole.delay(), 'ValueError')
      await echoed(key, ['inner', 'outer'])
    },
  },
]

const LINKED: readonly Workflow[] = [
  {
    title:
      'a chain that becomes part of another keeps its callbacks (test_chain_flattening_keep_links_of_inner_chain)',
    run: async ({ tasks: { identity, add, redis_echo }, newKey, echoed }) => {
      const key = newKey()
      const inner = chain(identity.s('a'), add.s('b'))
      inner.link(redis_echo.si('inner is over', key))
      inner.linkError(identity.s('never'))
      const result = await chain(inner, add.s('c')).delay()
      expect(await result.get({ timeout: TIMEOUT })).to.equal('abc')
      await echoed(key, ['inner is over'])
    },
  },
  {
    title: 'each task of a chain has its own callback (test_chain_children_with_callbacks)',
    run: async ({ tasks: { identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = identity.si(1337)
      child.link(redis_count.si(key))
      const result = await chain(Array.from({ length: 42 }, () => child)).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal(1337)
      await counted(key, 42)
    },
  },
  {
    title: 'only the task that fails calls its errback (test_chain_children_with_errbacks)',
    run: async ({ tasks: { fail, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = fail.si()
      child.linkError(redis_count.si(key))
      const result = await chain(Array.from({ length: 42 }, () => child)).applyAsync()
      await fails(result, 'ExpectedException')
      await counted(key, 1)
    },
  },
  {
    title:
      'the callback of a chain is called once although its first task is replaced (test_chain_with_callback_child_replaced)',
    run: async ({ tasks: { add_replaced, identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const whole = chain(add_replaced.si(42, 1337), identity.s())
      whole.link(redis_count.si(key))
      const result = await whole.applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal(1379)
      await counted(key, 1)
    },
  },
  {
    title:
      'the errback of a chain is called once although its first task is replaced (test_chain_with_errback_child_replaced)',
    run: async ({ tasks: { add_replaced, fail, redis_count }, newKey, counted }) => {
      const key = newKey()
      const whole = chain(add_replaced.si(42, 1337), fail.s())
      whole.linkError(redis_count.si(key))
      await fails(await whole.applyAsync(), 'ExpectedException')
      await counted(key, 1)
    },
  },
  {
    title:
      'the callback of a task is called once although the task is replaced (test_chain_child_with_callback_replaced)',
    run: async ({ tasks: { add_replaced, identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = add_replaced.si(42, 1337)
      child.link(redis_count.si(key))
      const result = await chain(child, identity.s()).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal(1379)
      await counted(key, 1)
    },
  },
  {
    title:
      'the errback of a task is called once although the task is replaced (test_chain_child_with_errback_replaced)',
    run: async ({ tasks: { fail_replaced, identity, redis_count }, newKey, counted }) => {
      const key = newKey()
      const child = fail_replaced.si()
      child.linkError(redis_count.si(key))
      await fails(await chain(child, identity.si(42)).applyAsync(), 'ExpectedException')
      await counted(key, 1)
    },
  },
]

onEveryCanvasStage('a chain with links and replacements', [...REPLACED, ...LINKED])
