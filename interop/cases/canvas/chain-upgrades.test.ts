/** Chains of groups, which become chords: each task runs once, whatever comes of them. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import {
  afterTaskPublish,
  Celery,
  chain,
  chord,
  group,
  type CallOptions,
  type PublishSignal,
  type Signature,
} from '../../../src/index.ts'
import { onEveryCanvasStage, TIMEOUT, type Scene, type Workflow } from './stage.ts'

const ALL = ['1', '2', '3', '4', '5', '6', '7', '8', '9']

type Step = Signature<unknown[], unknown, unknown>

/** Signatures that leave each word in a list, and one that leaves it in another. */
interface Echoes {
  readonly said: (...words: readonly string[]) => readonly Step[]
  readonly done: Step
}

/** All of the words are there once, when what comes last has come once. */
function runsOnce(make: (echoes: Echoes) => readonly Step[]): Workflow['run'] {
  return async ({ tasks: { redis_echo }, newKey, echoed }: Scene) => {
    const [key, doneKey] = [newKey(), newKey()]
    const said: Echoes['said'] = (...words) => words.map((word) => redis_echo.si(word, key))
    const result = await chain(make({ said, done: redis_echo.si('Done', doneKey) })).delay()
    await result.get({ timeout: TIMEOUT })
    await echoed(doneKey, ['Done'])
    await echoed(key, ALL)
  }
}

/** The chord where the chain has two groups at its head already. */
function chordFirst({ said }: Echoes): Step {
  return chord(group(said('1', '2', '3')), group(said('4', '5', '6')))
}

const UPGRADED: readonly Workflow[] = [
  {
    title: 'groups of three and of one, and a task (test_chaining_upgraded_chords_pure_groups)',
    run: runsOnce(({ said, done }) => [
      group(said('1', '2', '3')),
      group(said('4', '5', '6')),
      group(said('7')),
      group(said('8')),
      ...said('9'),
      done,
    ]),
  },
  {
    title: 'a chord, groups of one, and a task (test_chaining_upgraded_chords_starting_with_chord)',
    run: runsOnce((echoes) => [
      chordFirst(echoes),
      group(echoes.said('7')),
      group(echoes.said('8')),
      ...echoes.said('9'),
      echoes.done,
    ]),
  },
  {
    title: 'a chord, tasks, and a group of one (test_chaining_upgraded_chords_mixed_canvas)',
    run: runsOnce((echoes) => [
      chordFirst(echoes),
      ...echoes.said('7'),
      group(echoes.said('8')),
      ...echoes.said('9'),
      echoes.done,
    ]),
  },
  ...[false, true].map((isGroup) => ({
    title: `three groups of different sizes, and ${isGroup ? 'a group of one' : 'a task'} (test_chaining_upgraded_chords_mixed_canvas_protocol_2)`,
    run: runsOnce(({ said, done }) => [
      group(said('1', '2')),
      group(said('3', '4', '5')),
      group(said('6', '7', '8', '9')),
      isGroup ? group([done]) : done,
    ]),
  })),
  {
    title:
      'two groups before a chain: its last task runs once (test_upgrade_to_chord_inside_chains)',
    run: async ({ tasks: { redis_echo }, newKey, echoed }) => {
      const key = newKey()
      const twice = group([redis_echo.si('a', key), redis_echo.si('a', key)])
      const inner = redis_echo.si('a', key).pipe(redis_echo.si('b', key))
      const result = await chain([twice.pipe(twice.clone()), inner]).applyAsync()
      await result.get({ timeout: TIMEOUT })
      await echoed(key, ['a', 'a', 'a', 'a', 'a', 'b'])
    },
  },
]

/** The call again, as a broker delivers a message twice. */
async function publishAgain({ app }: Scene, { task: message }: PublishSignal): Promise<void> {
  const { task, args, id, rootId, embed } = message
  const options = { taskId: id, rootId, chain: embed.chain } as CallOptions
  await app.sendTask(task, args, options)
}

const DOUBLED: Workflow = {
  title:
    'a chord after a task that was delivered twice has one header (test_chord_header_id_duplicated_on_rabbitmq_msg_duplication)',
  since: ['5.3', 'each delivery makes a header of its own'],
  run: async (scene) => {
    const { identity, redis_echo_group_id } = scene.tasks
    const key = scene.newKey()
    const header = [redis_echo_group_id.signature([], { kwargs: { redis_key: key } }), identity.s()]
    const taskId = randomUUID()
    const first = identity.s(42).set({ taskId })
    let published: PublishSignal | undefined
    const note = (signal: PublishSignal): void => {
      if (signal.task.id === taskId) published ??= signal
    }
    afterTaskPublish.connect(note)
    const result = await chain(first, chord(header, identity.s())).delay()
    afterTaskPublish.disconnect(note)
    await publishAgain(scene, published!)
    await result.get({ timeout: TIMEOUT })
    const ids = await scene.listed(key, 2)
    expect(ids[0]).to.equal(ids[1])
  },
}

onEveryCanvasStage('a chain of groups', [...UPGRADED, DOUBLED])

describe('a chain that is not sent', () => {
  it('has the id of its last task when it is frozen with it (test_freezing_chain_sets_id_of_last_task)', () => {
    const app = new Celery('canvas-frozen')
    const last = app.signature('add', [2]).set({ taskId: '42' })
    const whole = app.signature('add', [4]).pipe(last)
    expect(whole.id).to.equal(undefined)
    whole.freeze(last.id)
    expect(whole.id).to.equal('42')
  })
})
