/** Chords with an errback: it hears of a header that fails once, and of each task of the body that fails. */

import { chain, chord, group, type Signature } from '../../../src/index.ts'
import { fails, onEveryCanvasStage, type Scene, type Workflow } from './stage.ts'
import type { CanvasTasks } from './tasks.ts'

type Task = Signature<unknown[], unknown, unknown>

/** Something that fails: the tasks of it that do have their ids. */
interface Failing {
  readonly signature: Task
  readonly ids: readonly string[]
}

const MANY = 42

function failing(fail: Task): readonly [Task, string] {
  fail.freeze()
  return [fail, fail.id!]
}

/** By the names that they have among the tests of Celery's. */
const CHILDREN: Readonly<Record<string, (tasks: CanvasTasks) => Failing>> = {
  simple: ({ fail }) => {
    const [task, id] = failing(fail.s())
    return { signature: task, ids: [id] }
  },
  chain: ({ fail, identity }) => {
    const [task, id] = failing(fail.s())
    return { signature: chain(identity.si(42), task, identity.si(42)), ids: [id] }
  },
  chain_tail: ({ fail, identity }) => {
    const [task, id] = failing(fail.s())
    return { signature: chain(identity.si(42), task), ids: [id] }
  },
  group: ({ fail, identity }) => {
    const [task, id] = failing(fail.s())
    return { signature: group([identity.si(42), task]), ids: [id] }
  },
}

const WHAT: Readonly<Record<string, string>> = {
  simple: 'task',
  chain: 'chain, in its middle',
  chain_tail: 'chain, at its end',
}

function manyFailing({ fail, identity }: CanvasTasks, passing: number): Failing {
  const tasks = Array.from({ length: MANY }, () => failing(fail.s()))
  const others = Array.from({ length: passing }, () => identity.si(42))
  const signature = group([...others, ...tasks.map(([task]) => task)])
  return { signature, ids: tasks.map(([, id]) => id) }
}

/** A chord whose header fails, and the id of its body, which fails with it. */
function inHeader({ tasks: { identity } }: Scene, child: Failing): readonly [Task, string] {
  const body = identity.s()
  body.freeze()
  return [chord([child.signature], body), body.id!]
}

/** A chord whose body fails. */
function inBody({ tasks: { identity } }: Scene, child: Failing): Task {
  return chord([identity.si(42)], child.signature)
}

async function failsWith(whole: Task, errback?: Task): Promise<void> {
  if (errback !== undefined) whole.linkError(errback)
  await fails((await whole.applyAsync()) as Parameters<typeof fails>[0], 'ExpectedException')
}

/** The failure is that of the chord, with and without an errback, whose id is its own or that of what failed. */
function ofChild([name, make]: readonly [string, (tasks: CanvasTasks) => Failing]): Workflow[] {
  const what = WHAT[name] ?? name
  const propagates = (title: string, put: (scene: Scene, child: Failing) => Task): Workflow => ({
    title: `fails when ${title} fails, a ${what} (test_error_propagates_to_chord_from_${name})`,
    run: async (scene) => await failsWith(put(scene, make(scene.tasks))),
  })
  return [
    propagates('its header', (scene, child) => inHeader(scene, child)[0]),
    propagates('its body', inBody),
    ...immutable(what, make, `test_immutable_errback_called_by_chord_from_${name}`),
    ...mutable(what, make, `test_mutable_errback_called_by_chord_from_${name}`),
  ]
}

/** An errback that is not told of what failed. */
function immutable(
  what: string,
  make: (tasks: CanvasTasks) => Failing,
  mirrored: string,
): Workflow[] {
  return [
    {
      title: `calls its errback once when its header fails, a ${what} (${mirrored})`,
      run: async (scene) => {
        const key = scene.newKey()
        const [whole] = inHeader(scene, make(scene.tasks))
        await failsWith(whole, scene.tasks.redis_count.si(key))
        await scene.counted(key, 1)
      },
    },
    {
      title: `calls its errback for what fails in its body, a ${what} (${mirrored})`,
      run: async (scene) => {
        const key = scene.newKey()
        const child = make(scene.tasks)
        await failsWith(inBody(scene, child), scene.tasks.redis_count.si(key))
        await scene.counted(key, child.ids.length)
      },
    },
  ]
}

/** An errback that counts by the id of what failed. */
function mutable(
  what: string,
  make: (tasks: CanvasTasks) => Failing,
  mirrored: string | readonly [header: string, body: string],
): Workflow[] {
  const [header, body] = typeof mirrored === 'string' ? [mirrored, mirrored] : mirrored
  return (['errback_old_style', 'errback_new_style'] as const).flatMap((errback) => [
    {
      title: `tells ${errback} of its own body when its header fails, a ${what} (${header})`,
      run: async (scene: Scene) => {
        const [whole, id] = inHeader(scene, make(scene.tasks))
        await failsWith(whole, scene.tasks[errback].s())
        await scene.counted(id, 1)
      },
    },
    {
      title: `tells ${errback} of what fails in its body, a ${what} (${body})`,
      run: async (scene: Scene) => {
        const child = make(scene.tasks)
        await failsWith(inBody(scene, child), scene.tasks[errback].s())
        await Promise.all(child.ids.map((id) => scene.counted(id, 1)))
      },
    },
  ])
}

const MULTIPLE = 'called_by_chord_from_group_fail_multiple'

onEveryCanvasStage('a chord with an errback', [
  ...Object.entries(CHILDREN).flatMap(ofChild),
  ...immutable(
    'group, many times',
    (tasks) => manyFailing(tasks, 24),
    `test_immutable_errback_${MULTIPLE}`,
  ),
  ...mutable('group, many times', (tasks) => manyFailing(tasks, 8), [
    `test_mutable_errback_${MULTIPLE}_on_header_failure`,
    `test_mutable_errback_${MULTIPLE}_on_body_failure`,
  ]),
])
