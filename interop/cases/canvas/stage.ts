/** Runs a table of workflows on each worker and broker: all of a table at once, each with a scene of its own. */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { Celery, TaskError } from '../../../src/index.ts'
import { Process } from '../../../test/support/process.ts'
import { celeries, COUNTING, type Pairing, type PythonCelery } from '../../matrix.ts'
import { canvasTasks, type CanvasTasks } from './tasks.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PYTHON_DIR = fileURLToPath(new URL('../../python', import.meta.url))

/** Seconds that anything gets, on the slowest machine. */
export const TIMEOUT = 120
/** How many workflows of a table run at the same time. */
const AT_ONCE = 16
/** Tasks that a worker runs at the same time. */
const CONCURRENCY = 4
/** Batches of tasks that must pass before nothing more can come of what was sent before them. */
const BATCHES = 3
const POLL_MS = 20

/** Whose worker it is: Python's of a release, or ours. */
type Kind = PythonCelery | 'TypeScript'

/** TypeScript clients, and one worker that runs whatever is sent. */
interface Stage {
  readonly app: Celery
  readonly tasks: CanvasTasks
  /** The tasks as an app knows them that has `taskAllowErrorCbOnChordHeader` set. */
  readonly guarded: CanvasTasks
  /** The database of the backend, where tasks leave their traces too. */
  readonly redis: Redis
  readonly stop: () => Promise<void>
}

/** What a workflow is given: the stage, and ways to tell what its tasks left. */
export interface Scene extends Stage {
  /** The name of a list or of a counter that nobody else uses. */
  readonly newKey: () => string
  /** Waits until a list has that many, and gives them. */
  readonly listed: (key: string, length: number) => Promise<readonly string[]>
  /** Waits until the messages are in a list, in any order; by the end there are no others. */
  readonly echoed: (key: string, messages: readonly string[]) => Promise<void>
  /** Waits until a counter has got there; by the end it has not gone further. */
  readonly counted: (key: string, times: number) => Promise<void>
  /** By the end there is nothing. */
  readonly untouched: (key: string) => void
}

export interface Workflow {
  /** What it does, and in brackets the test of Celery's that it mirrors. */
  readonly title: string
  /** The first release of Python's worker that does so, and what those before it do. */
  readonly since?: readonly [release: string, before: string]
  readonly run: (scene: Scene) => Promise<void>
}

const stages = new Map<string, Promise<Stage>>()

function stageOf(kind: Kind, pairing: Pairing): Promise<Stage> {
  const key = `${nameOf(kind)} ${pairing.name}`
  const stage = stages.get(key) ?? startStage(kind, pairing)
  stages.set(key, stage)
  return stage
}

function nameOf(kind: Kind): string {
  return kind === 'TypeScript' ? 'a TypeScript worker' : `a Python worker, Celery ${kind.version}`
}

async function startStage(kind: Kind, pairing: Pairing): Promise<Stage> {
  const { broker, backend } = await pairing.open()
  const env = {
    CELERY_BROKER_URL: broker,
    CELERY_RESULT_BACKEND: backend,
    CANVAS_REDIS_URL: backend,
  }
  const worker = kind === 'TypeScript' ? typescriptWorker(env) : pythonWorker(kind, env)
  await worker.says(/ ready\./, TIMEOUT)
  const settings = { brokerUrl: broker, resultBackend: backend, resultExtended: true }
  const app = new Celery('canvas-client', settings)
  const guarding = new Celery('canvas-client', { ...settings, taskAllowErrorCbOnChordHeader: true })
  const stop = async (): Promise<void> => {
    await Promise.all([app.close(), guarding.close()])
    redis.disconnect()
  }
  const redis = new Redis(backend)
  return { app, tasks: canvasTasks(app), guarded: canvasTasks(guarding), redis, stop }
}

function pythonWorker(celery: PythonCelery, env: Readonly<Record<string, string>>): Process {
  const flags = ['--without-mingle', '--without-gossip', '-P', 'prefork', '-c', `${CONCURRENCY}`]
  const args = ['-m', 'celery', '-A', 'canvas_tasks', 'worker', '-l', 'info', ...flags]
  return new Process(celery.python, args, {
    cwd: PYTHON_DIR,
    env: { ...env, ...celery.env, C_FORCE_ROOT: '1' },
  })
}

function typescriptWorker(env: Readonly<Record<string, string>>): Process {
  const main = ['--import', 'tsx', 'src/cli/main.ts', '-A', 'interop/node/canvas-tasks.ts']
  const args = [...main, 'worker', '-l', 'info', '-c', `${CONCURRENCY}`]
  return new Process(process.execPath, args, { cwd: ROOT, env })
}

after(async () => {
  for (const starting of stages.values()) {
    const stage = await starting.catch(() => undefined)
    await stage?.stop()
  }
  stages.clear()
})

/** Declares a table of workflows as tests, on every stage. */
export function onEveryCanvasStage(title: string, workflows: readonly Workflow[]): void {
  for (const kind of ['TypeScript' as const, ...celeries()]) {
    for (const pairing of COUNTING) {
      describe(`${title}, through ${nameOf(kind)}, on ${pairing.name}`, () =>
        declare(kind, pairing, workflows))
    }
  }
}

function declare(kind: Kind, pairing: Pairing, workflows: readonly Workflow[]): void {
  const able = workflows.filter(({ since }) => since === undefined || isFrom(kind, since[0]))
  let outcomes: ReadonlyMap<Workflow, Promise<void>>
  before(async function () {
    this.timeout(2 * TIMEOUT * 1000)
    outcomes = perform(await stageOf(kind, pairing), able)
  })
  for (const workflow of workflows) {
    const { title, since } = workflow
    if (able.includes(workflow)) {
      it(title, async () => await outcomes.get(workflow)).timeout(5 * TIMEOUT * 1000)
    } else {
      it(`${title}: not before Celery ${since?.[0]}, where ${since?.[1]}`)
    }
  }
}

function isFrom(kind: Kind, release: string): boolean {
  if (kind === 'TypeScript') return true
  return kind.version.localeCompare(release, 'en', { numeric: true }) >= 0
}

/** Starts them, some at a time; when all have ended, looks for what is there that should not be. */
function perform(
  stage: Stage,
  workflows: readonly Workflow[],
): ReadonlyMap<Workflow, Promise<void>> {
  const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve())
  const runs = workflows.map((workflow, index) => {
    const traces = new Traces(stage)
    const run = (lanes[index % AT_ONCE] ?? Promise.resolve()).then(() =>
      workflow.run({ ...stage, ...traces.scene }),
    )
    lanes[index % AT_ONCE] = run.catch(() => {})
    return { workflow, traces, run }
  })
  const settled = Promise.all(lanes).then(() => settle(stage))
  return new Map(
    runs.map(({ workflow, traces, run }) => {
      const outcome = Promise.all([run, settled]).then(() => traces.check())
      outcome.catch(() => {})
      return [workflow, outcome]
    }),
  )
}

/**
 * Whatever a workflow sends wrongly, it sends when one of its tasks ends: by then the queue has it. So
 * it has run when batches of tasks have passed after it, each larger than what runs at the same time.
 */
async function settle({ tasks }: Stage): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const sent = Array.from({ length: 2 * CONCURRENCY }, () => tasks.identity.delay(batch))
    await Promise.all(sent.map(async (result) => await (await result).get({ timeout: TIMEOUT })))
  }
}

/** What one workflow left in Redis, and is expected to have left at the end. */
class Traces {
  readonly #redis: Redis
  readonly #checks: (() => Promise<void>)[] = []

  constructor({ redis }: Stage) {
    this.#redis = redis
  }

  get scene(): Omit<Scene, keyof Stage> {
    return {
      newKey: () => `trace-${randomUUID()}`,
      listed: async (key, length) => {
        const list = (): Promise<string[]> => this.#redis.lrange(key, 0, -1)
        await poll(async () => (await list()).length >= length, `${length} in ${key}`)
        return await list()
      },
      echoed: async (key, messages) => {
        const list = (): Promise<string[]> => this.#redis.lrange(key, 0, -1)
        const expected = messages.toSorted()
        this.#checks.push(async () => {
          expect((await list()).toSorted()).to.deep.equal(expected)
        })
        await poll(async () => (await list()).length >= messages.length, `echoes in ${key}`)
      },
      counted: async (key, times) => {
        const count = async (): Promise<number> => Number(await this.#redis.get(key))
        this.#checks.push(async () => {
          expect(await count()).to.equal(times)
        })
        await poll(async () => (await count()) >= times, `${key} to reach ${times}`)
      },
      untouched: (key) => {
        this.#checks.push(async () => {
          expect(await this.#redis.exists(key)).to.equal(0)
        })
      },
    }
  }

  async check(): Promise<void> {
    for (const check of this.#checks) await check()
  }
}

async function poll(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + TIMEOUT * 1000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${TIMEOUT} s for ${what}`)
    await sleep(POLL_MS)
  }
}

/** What can be sent without arguments, and gives something. */
interface Sendable {
  applyAsync(): Promise<Waitable>
}
interface Waitable {
  get(options: { readonly timeout: number }): Promise<unknown>
}

/** A workflow that gives a value. */
export function gives(make: (tasks: CanvasTasks) => Sendable, value: unknown): Workflow['run'] {
  return async ({ tasks }) => {
    const result = await make(tasks).applyAsync()
    expect(await result.get({ timeout: TIMEOUT })).to.deep.equal(value)
  }
}

/** A workflow that fails, by the name that the error has in Python. */
export function raises(make: (tasks: CanvasTasks) => Sendable, excType: string): Workflow['run'] {
  return async ({ tasks }) => {
    await fails(await make(tasks).applyAsync(), excType)
  }
}

/** Waits for a result that is an error. */
export async function fails(
  result: Waitable,
  excType: string,
  message: RegExp = /(?:)/,
): Promise<void> {
  const error: unknown = await result.get({ timeout: TIMEOUT }).then(
    (value) => expect.fail(`it gave ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof TaskError)) throw error
  expect(error.excType).to.equal(excType)
  expect(error.message).to.match(message)
}
