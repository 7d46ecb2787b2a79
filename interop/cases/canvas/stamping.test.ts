/** Stamps: they come with every task of a canvas, and are on its callbacks and errbacks. */

import { expect } from 'chai'
import {
  beforeTaskPublish,
  chain,
  chord,
  group,
  Signature,
  type PublishSignal,
} from '../../../src/index.ts'
import { fails, gives, onEveryCanvasStage, TIMEOUT, type Scene, type Workflow } from './stage.ts'
import type { CanvasTasks } from './tasks.ts'

type Task = Signature<unknown[], unknown, unknown>
type Stamps = Readonly<Record<string, unknown>>

/** Workers of before know no stamps. */
const SINCE = ['5.3', 'a worker drops the stamps'] as const

/** What a worker was sent. */
interface Received {
  readonly task: string
  readonly retries: number
  readonly stampedHeaders: readonly string[]
  readonly stamps: Stamps
  readonly callbacks: readonly Linked[] | null
  readonly errbacks: readonly Linked[] | null
}
interface Linked {
  readonly options: Stamps & { readonly stamped_headers: readonly string[] }
}

/** A visitor that stamps everything with the name of the list where a worker tells of it, too. */
function visitor(trace: string, stamps: Stamps): { onSignature: () => Stamps } {
  return { onSignature: () => ({ ...stamps, trace }) }
}

/** So many tasks of the list, each with all of its stamps, and on all that is linked to it. */
async function received(
  { listed }: Scene,
  trace: string,
  count: number,
): Promise<readonly Received[]> {
  const all = (await listed(trace, count)).map((text) => JSON.parse(text) as Received)
  for (const { stampedHeaders, stamps } of all) expect(stamps).to.include.all.keys(stampedHeaders)
  const linked = all.flatMap(({ callbacks, errbacks }) => [
    ...(callbacks ?? []),
    ...(errbacks ?? []),
  ])
  for (const { options } of linked) expect(options).to.include.all.keys(options.stamped_headers)
  return all
}

async function valueOf(task: Task): Promise<unknown> {
  const result = (await task.applyAsync()) as { get(options: object): Promise<unknown> }
  return await result.get({ timeout: TIMEOUT })
}

/** How a task was sent. */
async function published(task: Task): Promise<PublishSignal> {
  task.freeze()
  let seen: PublishSignal | undefined
  const note = (signal: PublishSignal): void => {
    if (signal.task.id === task.id) seen = signal
  }
  beforeTaskPublish.connect(note)
  expect(await valueOf(task)).to.equal(2)
  beforeTaskPublish.disconnect(note)
  return seen!
}

/** Canvases, and how many tasks they are. */
const CANVASES: readonly (readonly [
  title: string,
  count: number,
  make: (tasks: CanvasTasks) => Task,
])[] = [
  ['a task', 1, ({ add }) => add.s(1, 1)],
  ['a group', 2, ({ add }) => group([add.s(1, 1), add.s(2, 2)])],
  ['a chain', 2, ({ add }) => chain(add.s(1, 1), add.si(2, 2))],
  ['a chord', 3, ({ add, xsum }) => chord([add.s(1, 1), add.s(2, 2)], xsum.s())],
  ['a group of one in a chain', 2, ({ add }) => chain([group([add.s(0, 0)]), add.s(-1)])],
  ['two in a pipe', 2, ({ add }) => add.s(1, 1).pipe(add.s(10))],
  [
    'chains in a group',
    4,
    ({ add }) => group([add.s(1, 1).pipe(add.s(10)), add.s(2, 2).pipe(add.s(20))]),
  ],
  [
    'chains in a chain',
    4,
    ({ add }) => chain(add.s(1, 1).pipe(add.s(10)), add.s(2).pipe(add.s(20))),
  ],
  [
    'chains in a chord',
    5,
    ({ add, xsum }) => chord([add.s(1, 1).pipe(add.s(10)), add.s(2, 2).pipe(add.s(20))], xsum.s()),
  ],
  [
    'chains in chains in a chain',
    6,
    ({ add }) => {
      const inner = chain(add.s(1, 1).pipe(add.s(10)), add.s(2).pipe(add.s(20)))
      return chain(inner, add.s(3).pipe(add.s(30)))
    },
  ],
  [
    'a chain and a chord in a chord',
    6,
    ({ add, xsum }) => {
      const inner = chord([add.s(3, 3), add.s(4, 4)], xsum.s())
      return chord(group([chain(add.s(1, 1), add.s(2)), inner]), xsum.s())
    },
  ],
]

const SENT: readonly Workflow[] = [
  {
    title: 'are not needed for a canvas of numbers and lists (test_stamping_example_canvas)',
    run: gives(({ identity, mul, xsum }) => {
      const sum = group([1, 2, 3].map((i) => identity.s(i))).pipe(xsum.s())
      return chain([sum, chord(group([mul.s(10), mul.s(10), mul.s(10)]), xsum.s())])
    }, 180),
  },
  ...[42, [4, 2]].map((value) => ({
    title: `are sent as they are, such as ${JSON.stringify(value)} (test_stamp_value_type_defined_by_visitor)`,
    run: async ({ tasks: { add } }: Scene) => {
      const task = add.si(1, 1).stamp({ onSignature: () => ({ stamp: value }) })
      const { headers } = await published(task)
      expect(headers['stamps']).to.deep.equal({ stamp: value })
    },
  })),
  {
    title: 'are no properties of a message (test_properties_not_affected_from_stamping)',
    run: async ({ tasks: { add } }) => {
      const task = add.si(1, 1).stamp({ onSignature: () => ({ stamp: 42 }) })
      const { headers, properties } = await published(task)
      expect(headers['stamped_headers']).to.deep.equal(['stamp'])
      expect(properties).to.not.have.any.keys('stamped_headers', 'stampedHeaders', 'stamp')
    },
  },
  {
    title: 'are set where a callback is plain data (test_stamp_canvas_with_dictionary_link)',
    run: async ({ app, tasks: { identity } }) => {
      const link = identity.si(42).toJSON()
      const task = new Signature(app, { ...identity.si(2).toJSON(), options: { link } })
      task.stamp({ onSignature: () => ({ on_signature: 42 }) })
      const [linked] = [task.options['link']].flat() as readonly Linked[]
      expect(linked?.options).to.include({ on_signature: 42 })
      expect(await valueOf(task)).to.equal(2)
    },
  },
  {
    title: 'are set where an errback is plain data (test_stamp_canvas_with_dictionary_link_error)',
    run: async ({ app, tasks: { fail } }) => {
      const errback = fail.si().toJSON()
      const task = new Signature(app, { ...errback, options: { link_error: errback } })
      task.stamp({ onSignature: () => ({ on_signature: 42 }) })
      const [linked] = [task.options['link_error']].flat() as readonly Linked[]
      expect(linked?.options).to.include({ on_signature: 42 })
      await fails(await task.applyAsync(), 'ExpectedException')
    },
  },
]

const RECEIVED: readonly Workflow[] = [
  {
    title: 'come with all tasks of a workflow, and are on its links (test_stamping_workflow)',
    since: SINCE,
    run: async (scene) => {
      const { add, identity, xsum } = scene.tasks
      const sums = [add.s(1, 2).pipe(add.s(3)), add.s(4, 5).pipe(add.s(6)), identity.si(21)]
      const whole = group(sums).pipe(group([xsum.s(), xsum.s()]))
      whole.link(identity.si('link'))
      whole.linkError(identity.si('link_error'))
      const trace = scene.newKey()
      whole.stamp(visitor(trace, { on_signature: 42 }))
      expect(await valueOf(whole)).to.deep.equal([42, 42])
      const all = await received(scene, trace, 8)
      for (const { stamps } of all) expect(stamps).to.include({ on_signature: 42 })
      expect(all.flatMap(({ callbacks }) => callbacks ?? []).length).to.be.above(0)
      expect(all.flatMap(({ errbacks }) => errbacks ?? []).length).to.be.above(0)
    },
  },
  {
    title: 'come with a task (test_task_received_has_access_to_stamps)',
    since: SINCE,
    run: async (scene) => {
      const trace = scene.newKey()
      expect(await valueOf(scene.tasks.add.si(1, 1).stamp(visitor(trace, { stamp: 42 })))).to.equal(
        2,
      )
      const [one] = await received(scene, trace, 1)
      expect(one?.stamps).to.deep.equal({ stamp: 42, trace })
    },
  },
  ...CANVASES.map(([title, count, make]) => ({
    title: `come with each task of ${title} (test_all_tasks_of_canvas_are_stamped)`,
    since: SINCE,
    run: async (scene: Scene) => {
      const trace = scene.newKey()
      await valueOf(make(scene.tasks).stamp(visitor(trace, { stamp: 42 })))
      const all = await received(scene, trace, count)
      expect(all.map(({ stamps }) => stamps['stamp'])).to.deep.equal(Array(count).fill(42))
    },
  })),
  {
    // Celery's test is content with less: what it asks of the replacement raises a KeyError, unheard
    title:
      'that a replacement is given are added to its own, not to those of the replaced task (test_replace_merge_stamps)',
    since: SINCE,
    run: async (scene) => {
      const { app, tasks } = scene
      const trace = scene.newKey()
      const by = app
        .signature('t.integration.tasks.replaced_with_me')
        .stamp(visitor(trace, { own: 1 }))
      await tasks.replace_with_stamped_task
        .s(by)
        .stamp(visitor(trace, { stamp: 42 }))
        .applyAsync()
      const [first, second] = await received(scene, trace, 2)
      expect(first?.stamps).to.deep.equal({ stamp: 42, trace })
      const StampOnReplace = 'This is the replaced task'
      expect(second?.task).to.match(/replaced_with_me$/)
      expect(second?.stamps).to.deep.equal({ own: 1, trace, StampOnReplace })
    },
  },
  {
    title: 'are on a callback that was linked between two stamps (test_linking_stamped_sig)',
    since: SINCE,
    run: async (scene) => {
      const trace = scene.newKey()
      const task = scene.tasks.identity.si('passes').stamp(visitor(trace, { monitor: 'first' }))
      task.link(scene.tasks.identity.si('link'))
      await valueOf(task.stamp(visitor(trace, { monitor: '1234' })))
      const [first] = await received(scene, trace, 2)
      expect(first?.callbacks?.[0]?.options.stamped_headers).to.have.members(['monitor', 'trace'])
    },
  },
  {
    title: 'are on an errback that was linked between two stamps (test_err_linking_stamped_sig)',
    since: SINCE,
    run: async (scene) => {
      const trace = scene.newKey()
      const task = scene.tasks.fail.si().stamp(visitor(trace, { monitor: 'first' }))
      task.linkError(scene.tasks.identity.si('link'))
      await fails(
        await task.stamp(visitor(trace, { monitor: '1234' })).applyAsync(),
        'ExpectedException',
      )
      const [first] = await received(scene, trace, 1)
      expect(first?.errbacks?.[0]?.options.stamped_headers).to.have.members(['monitor', 'trace'])
    },
  },
  {
    title: 'stay on a task that is tried again (test_stamps_remain_on_task_retry)',
    since: SINCE,
    run: async (scene) => {
      const trace = scene.newKey()
      const task = scene.tasks.retry_once.si().stamp(visitor(trace, { stamp: 42 }))
      expect(await valueOf(task)).to.equal(1)
      const all = await received(scene, trace, 2)
      expect(all.map(({ retries, stamps }) => [retries, stamps])).to.deep.equal([
        [0, { stamp: 42, trace }],
        [1, { stamp: 42, trace }],
      ])
    },
  },
]

onEveryCanvasStage('stamps', [...SENT, ...RECEIVED])
