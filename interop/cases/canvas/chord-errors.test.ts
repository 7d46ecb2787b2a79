/** Chords that fail: whom they tell, and that nothing of them runs that should not. */

import { expect } from 'chai'
import {
  chain,
  chord,
  ChordError,
  group,
  type AsyncResult,
  type Signature,
} from '../../../src/index.ts'
import { until } from '../../../test/support/until.ts'
import { fails, onEveryCanvasStage, raises, TIMEOUT, type Scene, type Workflow } from './stage.ts'
import type { CanvasTasks } from './tasks.ts'

type Task = Signature<unknown[], unknown, unknown>

const PROPAGATED: readonly Workflow[] = [
  {
    title: 'fails with a task before a group (test_error_propagates_from_chord)',
    run: raises(
      ({ add, fail }) => chain([add.s(1, 1), fail.s(), group([add.s(1), add.s(1)])]),
      'ExpectedException',
    ),
  },
  {
    title: 'fails with a task of a group at the end (test_error_propagates_from_chord2)',
    run: raises(
      ({ add, fail }) => chain([add.s(1, 1), add.s(1), group([add.s(1), fail.s()])]),
      'ExpectedException',
    ),
  },
  ...Object.entries<(tasks: CanvasTasks) => Task>({
    task: ({ add }) => add.si(9, 7),
    chain: ({ add }) => chain(add.si(9, 7), add.si(5, 7)),
    group: ({ add }) => group([add.si(9, 7), add.si(5, 7)]),
    chord: ({ add }) => chord(group([add.si(1, 1), add.si(2, 2)]), add.si(10, 10)),
  }).map(([kind, body]) => ({
    title: `fails with its header when its body is a ${kind} (test_chord_error_propagation_with_different_body_types)`,
    run: raises((tasks) => {
      const header = group([tasks.add.si(15, 7), tasks.fail.si()])
      return chain([header, body(tasks)])
    }, 'ExpectedException'),
  })),
]

/** Which tasks of a header fail; a group of one in a chain is no header. */
const HEADERS = [
  [true],
  [true, true, true],
  [true, false],
  [true, false, false],
  [true, false, true],
  [true, false, true, false],
  [true, false, true, false, true],
]

function headerOf({ fail, identity }: CanvasTasks, failing: readonly boolean[]): readonly Task[] {
  return failing.map((isFailing) => (isFailing ? fail.si() : identity.si(42)))
}

function nameOf(failing: readonly boolean[]): string {
  return failing.map((isFailing) => (isFailing ? 'fails' : 'ends')).join(', ')
}

/** A body that must not run. */
function bodyOf({ newKey, untouched, tasks }: Scene): Task {
  const key = newKey()
  untouched(key)
  return tasks.redis_echo.si('body', key)
}

async function failsToo(whole: Task): Promise<void> {
  await fails((await whole.applyAsync()) as AsyncResult, 'ExpectedException')
}

const GUARDED: readonly Workflow[] = [
  ...HEADERS.map((failing) => ({
    title: `calls the errbacks of its tasks and of its body apart: ${nameOf(failing)} (test_enabling_flag_allow_error_cb_on_chord_header)`,
    run: async (scene: Scene) => {
      const { redis_count } = scene.guarded
      const [key, bodyKey] = [scene.newKey(), scene.newKey()]
      const header = headerOf(scene.guarded, failing)
      for (const task of header) task.linkError(redis_count.si(key))
      const body = bodyOf(scene)
      body.linkError(redis_count.si(bodyKey))
      await failsToo(chord(header, body))
      await scene.counted(key, failing.filter(Boolean).length)
      await scene.counted(bodyKey, 1)
    },
  })),
  ...HEADERS.map((failing) => ({
    title: `calls its errback once for its header: ${nameOf(failing)} (test_disabling_flag_allow_error_cb_on_chord_header)`,
    run: async (scene: Scene) => {
      const key = scene.newKey()
      const whole: Task = chord(headerOf(scene.tasks, failing), bodyOf(scene))
      whole.linkError(scene.tasks.redis_count.si(key))
      await failsToo(whole)
      await scene.counted(key, 1)
    },
  })),
  ...HEADERS.filter(({ length }) => length > 1).map((failing) => ({
    title: `made of a group calls an errback for its tasks and its body, where that is set: ${nameOf(failing)} (test_flag_allow_error_cb_on_chord_header_on_upgraded_chord)`,
    run: async (scene: Scene) => {
      const key = scene.newKey()
      const whole: Task = chain([group(headerOf(scene.guarded, failing)), bodyOf(scene)])
      whole.linkError(scene.guarded.redis_count.si(key))
      await failsToo(whole)
      await scene.counted(key, failing.filter(Boolean).length + 1)
    },
  })),
  {
    title:
      'made of a group after a task fails with it, where errbacks are on headers (test_upgraded_chord_link_error_with_header_errback_enabled)',
    run: async (scene) => {
      const { identity, fail, redis_count } = scene.guarded
      const header = group([fail.si(), fail.si()])
      const whole: Task = chain([identity.si(42), header, bodyOf(scene)])
      await failsToo(whole.onError(redis_count.si(scene.newKey())))
    },
  },
  {
    title:
      'whose header holds a chord that fails calls its errback once (test_nested_chord_header_link_error)',
    run: async (scene) => {
      const { identity, fail, redis_count } = scene.tasks
      const key = scene.newKey()
      const inner = chord([identity.si('t1'), fail.si()], identity.si('t2'))
      const outer: Task = chord(group([identity.si('t3'), inner]), bodyOf(scene))
      outer.linkError(redis_count.si(key))
      await outer.applyAsync()
      await scene.counted(key, 1)
    },
  },
]

const TRACED: Workflow = {
  title:
    'leaves what is needed to find the task that failed, and what the others gave (test_chord_on_error)',
  run: async ({ app, redis, tasks: { add, fail, print_unicode, errback_old_style } }) => {
    const body = print_unicode.s('never').onError(errback_old_style.s())
    const result = await chord([add.s(1, 2), add.s(3, 4), fail.s()], body).applyAsync()
    await fails(result, 'ExpectedException')
    const called = await until(
      async () => {
        const [errbacks] = (await result.children()) ?? []
        const [errback] =
          (await (errbacks as { children?: AsyncResult['children'] })?.children?.()) ?? []
        return (errback as AsyncResult | undefined)?.result()
      },
      { seconds: TIMEOUT, what: 'the errback among the children' },
    )
    expect(called).to.equal(result.id)
    const error = (await result.result()) as ChordError
    expect(error).to.be.instanceOf(ChordError)
    const [failed] = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/.exec(error.message) ?? []
    const { groupId } = await app.asyncResult(failed!).meta()
    const parts = await redis.zrange(`celery-taskset-meta-${groupId}.j`, 0, '-1')
    const values = parts.map((part) => JSON.parse(part) as readonly unknown[])
    expect(
      values.filter(([, , state]) => state === 'SUCCESS').map((part) => part[3]),
    ).to.deep.equal([3, 7])
    expect(values.filter(([, , state]) => state !== 'SUCCESS')).to.have.length(1)
  },
}

onEveryCanvasStage('a chord that fails', [...PROPAGATED, ...GUARDED, TRACED])
