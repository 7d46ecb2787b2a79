/** Chords: who starts what, what takes the place of a task, and what is left of them. */

import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  chain,
  chord,
  group,
  GroupResult,
  type AsyncResult,
  type Signature,
} from '../../../src/index.ts'
import { until } from '../../../test/support/until.ts'
import { gives, onEveryCanvasStage, TIMEOUT, type Scene, type Workflow } from './stage.ts'

const REPLACED: readonly Workflow[] = [
  {
    title: 'has its only task replaced by a chain (test_chord_header_task_replaced_with_chain)',
    run: gives(({ replace_with_chain: r, identity: i }) => chord([r.si(42)], i.s()), [42]),
  },
  {
    title:
      'has its first task replaced by a chain (test_chord_header_child_replaced_with_chain_first)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([r.si(42), i.s(1337)], i.s()),
      [42, 1337],
    ),
  },
  {
    title: 'has a task replaced by a chain (test_chord_header_child_replaced_with_chain_middle)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([i.s(42), r.s(1337), i.s(31337)], i.s()),
      [42, 1337, 31337],
    ),
  },
  {
    title:
      'has its last task replaced by a chain (test_chord_header_child_replaced_with_chain_last)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([i.s(42), r.s(1337)], i.s()),
      [42, 1337],
    ),
  },
  {
    title: 'has its body replaced by a chain (test_chord_body_task_replaced_with_chain)',
    run: gives(({ replace_with_chain: r, identity: i }) => chord([i.s(42)], r.s()), [42]),
  },
  {
    title:
      'has the first of its body replaced by a chain (test_chord_body_chain_child_replaced_with_chain_first)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([i.s(42)], chain(r.s(), i.s())),
      [42],
    ),
  },
  {
    title:
      'has the middle of its body replaced by a chain (test_chord_body_chain_child_replaced_with_chain_middle)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([i.s(42)], chain(i.s(), r.s(), i.s())),
      [42],
    ),
  },
  {
    title:
      'has the last of its body replaced by a chain (test_chord_body_chain_child_replaced_with_chain_last)',
    run: gives(
      ({ replace_with_chain: r, identity: i }) => chord([i.s(42)], chain(i.s(), r.s())),
      [42],
    ),
  },
]

type Ids = readonly [root: string, parent: string | null, value: number]

/** Each task knows the first, and the one that started it: the body was started by one of the header. */
function knowsItsParents(make: (scene: Scene, root: Signature) => Signature): Workflow['run'] {
  return async (scene) => {
    const root = scene.tasks.ids.si(1)
    const { id } = root.freeze()
    const last = await make(scene, root).applyAsync()
    const body = last.parent as AsyncResult
    const header = body.parent as GroupResult
    const second = header.parent as AsyncResult
    const first = second.parent as AsyncResult
    expect(header).to.be.instanceOf(GroupResult)
    expect(await last.get({ timeout: TIMEOUT })).to.deep.equal([id, body.id, 51])
    const [parts, own] = (await body.get({ timeout: TIMEOUT })) as readonly [readonly Ids[], Ids]
    expect([own[0], own[2]]).to.deep.equal([id, 50])
    expect([...header].map((member) => member.id)).to.include(own[1])
    expect(parts).to.deep.equal(FROM_THREE.map((i) => [id, second.id, i]))
    expect(await second.get()).to.deep.equal([id, first.id, 2])
    expect(await first.get()).to.deep.equal([id, null, 1])
  }
}

const FROM_THREE = Array.from({ length: 47 }, (_, index) => index + 3)

const PARENTS: readonly Workflow[] = [
  {
    title: 'tells its tasks who started them (test_parent_ids)',
    run: knowsItsParents(({ tasks: { ids, collect_ids } }, root) => {
      const body = chain(collect_ids.s(50), ids.si(51))
      return chain([root, ids.si(2), chord(group(FROM_THREE.map((i) => ids.si(i))), body)])
    }),
  },
  {
    title: 'made of a group and a task tells its tasks who started them (test_parent_ids__OR)',
    run: knowsItsParents(({ tasks: { ids, collect_ids } }, root) =>
      root
        .pipe(ids.si(2))
        .pipe(group(FROM_THREE.map((i) => ids.si(i))))
        .pipe(collect_ids.s(50))
        .pipe(ids.si(51)),
    ),
  },
]

const LEFT: readonly Workflow[] = [
  {
    title: 'leaves no subscription behind (test_redis_subscribed_channels_leak)',
    run: async ({ tasks: { add, delayed_sum }, redis }) => {
      const sums = Array.from({ length: 10 }, () =>
        chord([add.s(5, 6), add.s(6, 7)])(delayed_sum.s(0)),
      )
      const results = await Promise.all(sums)
      const channels = async (): Promise<readonly string[]> => {
        const all = (await redis.pubsub('CHANNELS')) as readonly string[]
        return all.filter((channel) => results.some(({ id }) => channel.includes(id)))
      }
      expect(await channels()).to.deep.equal([])
      const values = results.map((result) => result.get({ timeout: TIMEOUT }))
      expect(await Promise.all(values)).to.deep.equal(Array.from({ length: 10 }, () => 24))
      await until(async () => (await channels()).length === 0, { seconds: TIMEOUT })
    },
  },
  ...[3, 4, 5, 6, 7, 8, 9].map((size) => ({
    title: `takes a generator of ${size} tasks for its header (test_generator)`,
    run: async ({ tasks: { write_to_file_and_return_int, tsum } }: Scene) => {
      const file = join(await mkdtemp(join(tmpdir(), 'celeriac-canvas-')), 'numbers')
      const header = function* (): Generator<Signature<unknown[]>> {
        for (let i = 0; i < size; i += 1) yield write_to_file_and_return_int.s(file, i)
      }
      const result = await chord(header(), tsum.s()).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal((size * (size - 1)) / 2)
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').map(Number)
      expect(lines.toSorted((a, b) => a - b)).to.deep.equal([...Array(size).keys()])
    },
  })),
]

const PRIORITIES: readonly Workflow[] = [
  {
    title: 'sends a task with its priority (test_priority)',
    run: async (scene) => {
      const { return_priority } = scene.tasks
      const result = await chain([return_priority.signature([], { priority: 3 })]).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal('Priority: 3')
    },
  },
  {
    title: 'sends each task of a chain with its priority (test_priority_chain)',
    run: async (scene) => {
      const { return_priority } = scene.tasks
      const both = [3, 5].map((priority) => return_priority.signature([], { priority }))
      const result = await chain(both).applyAsync()
      expect(await result.get({ timeout: TIMEOUT })).to.equal('Priority: 5')
    },
  },
]

onEveryCanvasStage('a chord on its way', [...REPLACED, ...PARENTS, ...LEFT, ...PRIORITIES])
