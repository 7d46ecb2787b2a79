/** Workflows that a Python client sends, through a worker in TypeScript, and some through one in Python beside it. */

import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { Process } from '../../../test/support/process.ts'
import { PythonClient } from '../../harness.ts'
import { celeries, COUNTING, type Pairing, type PythonCelery } from '../../matrix.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PYTHON_DIR = fileURLToPath(new URL('../../python', import.meta.url))
/** Seconds that all workflows together may take, on the slowest machine. */
const TIMEOUT = 240

const EXPECTED = ['ExpectedException', 'Task expected to fail']
const DEPENDENCY = /^Dependency \S+ raised ExpectedException\('Task expected to fail'\)$/
const HEADER = '[identity.si(1), fail.si(), identity.si(2)]'

/** What it does, the expression, and what that gives: see `python/canvas_client.py`. */
type Workflow = readonly [title: string, expression: string, value: unknown]

const ERRBACKS: readonly Workflow[] = [
  [
    'an errback in the old style is sent the id of the task that failed',
    '(lambda result: [error(result), counted(result.id, 1)])(fail.apply_async(link_error=errback_old_style.s()))',
    [EXPECTED, 1],
  ],
  [
    'an errback in the new style is called with the request of the task that failed',
    '(lambda result: [error(result), counted(result.id, 1)])(fail.apply_async(link_error=errback_new_style.s()))',
    [EXPECTED, 1],
  ],
  [
    'an errback that retries leaves the error as it is',
    "error(fail.apply_async(args=('x',), link_error=retry_once.s(countdown=None)))",
    ['ExpectedException', "('Task expected to fail', 'x')"],
  ],
]

const CHAINS: readonly Workflow[] = [
  ['a chain hands on results', 'get(add.s(4, 4) | add.s(8) | add.s(16))', 32],
  [
    'a chain in a chain, with a task that another replaces, ends in a group',
    'get(add.s(2, 2) | (add.s(4) | add_replaced.s(8) | add.s(16) | add.s(32)) | group(add.s(i) for i in range(4)))',
    [64, 65, 66, 67],
  ],
  [
    'a chain in a group receives arguments',
    'get(add.s(5, 6) | group((add.s(1) | add.s(2), add.s(3))))',
    [14, 14],
  ],
  [
    'a group becomes a chord when something follows, also a group',
    'get(add.si(1, 0) | group(add.s(1), add.s(1)) | group(tsum.s(), tsum.s()) | tsum.s())',
    8,
  ],
  [
    'chords and tasks in turn end in a group',
    'get(group(add.s(1, 1), add.s(1, 1)) | tsum.s() | add.s(1) | add.s(1) | group(add.s(1), add.s(1)))',
    [7, 7],
  ],
  [
    'a group in the middle gives all its results to what comes next',
    'get(chain(identity.s(42), group(identity.s(), identity.s()), identity.s()))',
    [42, 42],
  ],
  [
    'groups run side by side, and what stands between them alone',
    "(lambda said: [sorted(said[1][:3]), said[1][3], sorted(said[1][4:])])(traced(lambda key: get(group(redis_echo.si(f'before {i}', key) for i in range(3)) | redis_echo.si('between', key) | group(redis_echo.si(f'after {i}', key) for i in range(2))), 6))",
    [['before 0', 'before 1', 'before 2'], 'between', ['after 0', 'after 1']],
  ],
  [
    'each task knows its root and its parent',
    'lineage(chain(ids.si(i) for i in range(6))())',
    true,
  ],
  [
    'an error ends the chain, and is that of all that would have followed',
    '(lambda result: [error(result), failure(result)])(chain(identity.si(1), fail.si(), identity.si(2))())',
    [EXPECTED, EXPECTED],
  ],
  [
    'what starts later starts later',
    'get(chain(group(add.s(1, 2), add.s(3, 4)), tsum.s()).on_error(print_unicode.s()), countdown=1)',
    10,
  ],
  [
    'each of its tasks calls its own callback',
    'tallied(lambda key: get(chain(linked(identity.si(1337), redis_count.si(key)) for _ in range(12))), 12)',
    [1337, 12],
  ],
  [
    'only the first that fails calls its errback',
    'tallied(lambda key: error(chain(guarded(fail.si(), redis_count.si(key)) for _ in range(12))()), 1)',
    [EXPECTED, 1],
  ],
  ['a task that starts a chain gives its result', 'len(get(build_chain_inside_task.s()))', 2],
  [
    'a chain that replaces a task of it calls its own callback, and the outer one goes on',
    "traced(lambda key: get(chain(identity.s('Hello '), replace_with_chain.s(link_msg='inner', redis_key=key), add.s('world'))), 1)",
    ['Hello world', ['inner']],
  ],
  [
    'a chain that replaces a task of it, and fails, calls the errbacks of both',
    "(lambda said: [said[0], sorted(said[1])])(traced(lambda key: error(guarded(chain(identity.s('x'), replace_with_chain_which_raises.s(link_msg='inner', redis_key=key), identity.s()), redis_echo.si('outer', key))()), 2))",
    [
      ['ValueError', 'deliberate error'],
      ['inner', 'outer'],
    ],
  ],
  [
    'no empty chain replaces a task',
    'error(chain(identity.s(1), replace_with_empty_chain.s())())',
    ['ImproperlyConfigured', 'Cannot replace with an empty chain'],
  ],
  [
    'replacements within replacements end from the inside out',
    'traced(lambda key: get(second_order_replace1.s(redis_key=key)), 5)[1]',
    ['In A', 'In B', 'In/Out C', 'Out B', 'Out A'],
  ],
  [
    'a chain that ends in a replacement by a chain has its result',
    'get(chain(identity.s(42), identity.s(), replace_with_chain.s()))',
    42,
  ],
  [
    'a task is of the priority of its own',
    'get(chain(return_priority.signature(priority=3), return_priority.signature(priority=5)))',
    'Priority: 5',
  ],
]

const GROUPS: readonly Workflow[] = [
  ['a group gives its results in order', 'get(group(add.s(i, i) for i in range(4)))', [0, 2, 4, 6]],
  ['an empty group gives nothing', 'get(group([]))', []],
  [
    'groups in groups are one',
    'get(group(add.s(1, 10), group(add.s(1, 100), group(add.s(1, 1000), add.s(1, 2000)))))',
    [11, 101, 1001, 2001],
  ],
  [
    'a group that replaces a task gives the list of its results',
    'get(chain(add_to_all.s([1, 2, 3], 4), identity.s()))',
    [5, 6, 7],
  ],
  [
    'each task of it that fails calls the errback of the group',
    'tallied(lambda key: error(guarded(group(fail.si(), fail.si(), fail.si()), redis_count.si(key))()), 3)',
    [EXPECTED, 3],
  ],
  [
    'its tasks are of one group',
    'traced(lambda key: get(group(redis_echo_group_id.s(1, redis_key=key) for _ in range(3))), 3)[1].__len__()',
    3,
  ],
  ['map', 'get(identity.map([1, 2, 3]))', [1, 2, 3]],
  ['starmap', 'get(add.starmap([(1, 2), (3, 4)]))', [3, 7]],
  ['chunks', 'get(add.chunks([(i, i) for i in range(5)], 2).group())', [[0, 2], [4, 6], [8]]],
  [
    'a set of results',
    'ResultSet([add.delay(1, 1), add.delay(2, 2)]).get(timeout=TIMEOUT)',
    [2, 4],
  ],
  [
    'a set of results of which one failed',
    'error(ResultSet([add.delay(1, 1), fail.delay()]))',
    EXPECTED,
  ],
]

const CHORDS: readonly Workflow[] = [
  ['a chord', 'get(chord([add.s(1, 2), add.s(3, 4)], tsum.s()))', 10],
  ['a chord with a header of one', 'get(chord([add.s(1, 1)], tsum.s()))', 2],
  [
    'a chord with a header of forty',
    'get(chord([identity.si(i) for i in range(40)], tsum.s()))',
    780,
  ],
  [
    'a chord in the header of a chord',
    'get(chord(group([chord([add.s(1, 2), add.s(3, 4)], tsum.s()), add.s(1, 1)]), tsum.s()))',
    12,
  ],
  [
    'a chain that ends in a group, in the header of a chord',
    'get(chord([chain(add.s(1, 1), group(add.s(1), add.s(2))), add.s(9, 9)], xsum.s()))',
    25,
  ],
  [
    'a chord whose body is a chord',
    'get(chord([add.s(1, 2), add.s(3, 4)], chord([tsum.s(), tsum.s()], tsum.s())))',
    20,
  ],
  ['tasks that its header adds', 'get(chord([add_to_all_to_chord.s([1, 2, 4], 4)], tsum.s()))', 19],
  [
    'a chord that its header adds',
    'get(chord([add_chord_to_chord.s([1, 2, 4], 4)], tsum.s()))',
    19,
  ],
  [
    'a header of which one is replaced by a chain',
    'get(chord([identity.s(42), replace_with_chain.s(1337), identity.s(31337)], identity.s()))',
    [42, 1337, 31337],
  ],
  [
    'a body that is a chain, of which one is replaced by a chain',
    'get(chord([identity.s(42)], chain(identity.s(), replace_with_chain.s(), identity.s())))',
    [42],
  ],
  ['an error in the header', `error(chord(${HEADER}, tsum.s())())`, EXPECTED],
  [
    'an error in the header, as the body has it',
    `failure(chord(${HEADER}, tsum.s())())`,
    ['ChordError', DEPENDENCY],
  ],
  [
    'an error in what replaced a task of the header',
    'failure(chord([identity.si(1), fail_replaced.si()], tsum.s())())',
    ['ChordError', DEPENDENCY],
  ],
  [
    'an error in the header, when the body is a group',
    `[failure(member) for member in chord(${HEADER}, group(identity.s(), identity.s()))().results]`,
    [EXPECTED, EXPECTED],
  ],
  ['an error in the body', 'failure(chord([identity.si(1)], fail.si())())', EXPECTED],
  [
    'an errback of the body, in the old style',
    `(lambda result: [failure(result)[0], counted(result.id, 1)])(chord(${HEADER}, guarded(identity.s(), errback_old_style.s()))())`,
    ['ChordError', 1],
  ],
  [
    'an errback of the body, in the new style',
    `(lambda result: [failure(result)[0], counted(result.id, 1)])(chord(${HEADER}, guarded(identity.s(), errback_new_style.s()))())`,
    ['ChordError', 1],
  ],
  [
    'an errback that a chord shares with the chord around it',
    `tallied(lambda key: failure(guarded(chord(group([identity.si(3), chord(${HEADER}, identity.si(4))]), identity.si(5)), redis_count.si(key))())[0], 1)`,
    ['ChordError', 1],
  ],
  [
    'an unknown task in the header',
    "failure(chord([signature('t.integration.tasks.nosuch', app=app), identity.si(1)], tsum.s())())",
    ['ChordError', /^Dependency \S+ raised NotRegistered\('t\.integration\.tasks\.nosuch'\)$/],
  ],
]

const MIXED: readonly Workflow[] = [
  [
    'a header in both languages, a body in Python',
    'get(chord([py(add.s(1, 2)), add.s(3, 4)], py(tsum.s())))',
    10,
  ],
  [
    'a header in both languages, a body in TypeScript',
    'get(chord([py(add.s(1, 2)), add.s(3, 4)], tsum.s()))',
    10,
  ],
  [
    'a long header in both languages, in order',
    'get(chord([py(identity.si(i)) if i % 2 else identity.si(i) for i in range(60)], identity.s())) == list(range(60))',
    true,
  ],
  [
    'a chain from one language to the other and back',
    'get(chain(add.s(1, 1), py(add.s(2)), add.s(3), group(py(add.s(1)), add.s(2)), py(tsum.s()), identity.s()))',
    17,
  ],
  [
    'an error in Python, a body in TypeScript',
    'failure(chord([py(fail.si()), identity.si(1)], tsum.s())())',
    ['ChordError', DEPENDENCY],
  ],
  [
    'an error in TypeScript, a body in Python',
    'failure(chord([fail.si(), py(identity.si(1))], py(tsum.s()))())',
    ['ChordError', DEPENDENCY],
  ],
  [
    'a chord in Python in the header of one in TypeScript',
    'get(chord([chord([py(add.s(1, 2)), py(add.s(3, 4))], py(tsum.s())), add.s(1, 1)], tsum.s()))',
    12,
  ],
]

const SERIALIZED: readonly Workflow[] = ['chain', 'group', 'chord'].flatMap((outer) =>
  ['chain', 'group', 'chord'].map((inner): Workflow => [
    `a ${outer} of a ${inner} comes back as it was`,
    `get(chain(signature('t.integration.tasks.return_nested_signature_${outer}_${inner}', app=app), rebuild_signature.s()))`,
    null,
  ]),
)

const TABLES = {
  errbacks: ERRBACKS,
  chains: CHAINS,
  groups: GROUPS,
  chords: CHORDS,
  'both languages': MIXED,
  'signatures as values': SERIALIZED,
} as const

interface Answer {
  readonly value?: unknown
  readonly raised?: string
  readonly text?: string
}

for (const celery of celeries()) {
  for (const pairing of COUNTING) {
    describe(`workflows of a Python client, Celery ${celery.version}, on ${pairing.name}`, () =>
      declare(celery, pairing))
  }
}

function declare(celery: PythonCelery, pairing: Pairing): void {
  const all = Object.values(TABLES).flat()
  let client: PythonClient
  let answers: ReadonlyMap<Workflow, Answer>

  before(async function () {
    this.timeout(2 * TIMEOUT * 1000)
    const surroundings = await pairing.open()
    const { broker, backend } = surroundings
    const env = {
      CANVAS_REDIS_URL: backend,
      CELERY_BROKER_URL: broker,
      CELERY_RESULT_BACKEND: backend,
    }
    const workers = [typescriptWorker(env), pythonWorker(celery, env)]
    await Promise.all(workers.map((worker) => worker.says(/ ready\./, 60)))
    client = new PythonClient(celery, { ...surroundings, env }, PYTHON_DIR, 'canvas_client.py')
    const expressions = JSON.stringify(all.map(([, expression]) => expression))
    const { value } = await client.eval(`every(${expressions})`, TIMEOUT)
    answers = new Map(all.map((workflow, index) => [workflow, (value as Answer[])[index] ?? {}]))
  })
  after(() => client.stop())

  for (const [title, table] of Object.entries(TABLES)) {
    describe(title, () => {
      for (const workflow of table) {
        it(workflow[0], () => expectLike(answers.get(workflow), workflow[2]))
      }
    })
  }
}

/** Texts may be told by a pattern. */
function expectLike(answer: Answer | undefined, expected: unknown): void {
  expect(answer?.raised, answer?.text).to.equal(undefined)
  const [first, pattern] = Array.isArray(expected) ? (expected as readonly unknown[]) : []
  if (!(pattern instanceof RegExp)) {
    expect(answer?.value).to.deep.equal(expected)
    return
  }
  const [type, text] = (answer?.value ?? ['', '']) as readonly [string, string]
  expect([type, text.match(pattern) === null ? text : 'as expected']).to.deep.equal([
    first,
    'as expected',
  ])
}

function typescriptWorker(env: Readonly<Record<string, string>>): Process {
  const main = ['--import', 'tsx', 'src/cli/main.ts', '-A', 'interop/node/canvas-tasks.ts']
  const flags = ['worker', '-l', 'info', '-c', '4', '-Q', 'celery']
  return new Process(process.execPath, [...main, ...flags], { cwd: ROOT, env })
}

function pythonWorker(celery: PythonCelery, env: Readonly<Record<string, string>>): Process {
  const flags = ['--without-mingle', '--without-gossip', '-P', 'prefork', '-c', '2', '-Q', 'python']
  const args = [
    '-m',
    'celery',
    '-A',
    'canvas_tasks',
    'worker',
    '-l',
    'info',
    '-n',
    'py@%h',
    ...flags,
  ]
  return new Process(celery.python, args, {
    cwd: PYTHON_DIR,
    env: { ...env, ...celery.env, C_FORCE_ROOT: '1' },
  })
}
