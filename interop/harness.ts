/** Starts Python and Node workers and clients, waits until they are ready, and stops them. */

import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Process } from '../test/support/process.ts'
import { within } from '../test/support/until.ts'
import type { PythonCelery } from './matrix.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PYTHON_DIR = fileURLToPath(new URL('python', import.meta.url))

/** Where a peer finds broker and backend, and whatever else its app reads. */
export interface Surroundings {
  readonly broker: string
  readonly backend: string
  readonly env?: Readonly<Record<string, string>>
}

function environment({ broker, backend, env }: Surroundings): Record<string, string> {
  return { CELERY_BROKER_URL: broker, CELERY_RESULT_BACKEND: backend, ...env }
}

/** A real Celery worker on the queue `python`. */
export async function startPythonWorker(
  celery: PythonCelery,
  surroundings: Surroundings,
  args: readonly string[] = [],
): Promise<Process> {
  const command = ['-m', 'celery', '-A', 'tasks', 'worker', '-l', 'info', '-n', 'py@%h']
  const flags = ['-Q', 'python', '--without-mingle', '--without-gossip']
  const pool = args.includes('-P') ? [] : ['-P', 'prefork', '-c', '2']
  const worker = new Process(celery.python, [...command, ...flags, ...pool, ...args], {
    cwd: PYTHON_DIR,
    env: { ...environment(surroundings), ...celery.env, C_FORCE_ROOT: '1' },
  })
  await worker.says(/ ready\./, 30)
  return worker
}

/** Our worker on the queue `node`, as its command starts it. */
export async function startNodeWorker(
  surroundings: Surroundings,
  args: readonly string[] = [],
): Promise<Process> {
  const main = ['--import', 'tsx', 'src/cli/main.ts', '-A', 'interop/node/tasks.ts', 'worker']
  const flags = ['-l', 'info', '-n', 'ts@%h', '-Q', 'node', '-c', '4']
  const worker = new Process(process.execPath, [...main, ...flags, ...args], {
    cwd: ROOT,
    env: environment(surroundings),
  })
  await worker.says(/ ready\./, 30)
  return worker
}

/** What a Python expression gave. */
export interface Answer {
  readonly repr: string
  readonly value: unknown
}

/** What a Python expression raised. */
class PythonError extends Error {
  readonly raised: string
  readonly module: string
  readonly args: readonly string[]
  readonly mro: readonly string[]
  constructor(answer: Record<string, unknown>) {
    super(`${String(answer['raised'])}: ${String(answer['text'])}`)
    this.raised = String(answer['raised'])
    this.module = String(answer['module'])
    this.args = answer['args'] as string[]
    this.mro = answer['mro'] as string[]
  }
}

/**
 * A Python program that evaluates expressions, with a Celery app at hand: see `python/client.py`, and
 * `python/canvas_client.py`.
 */
export class PythonClient {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers: AsyncIterator<string>

  constructor(
    celery: PythonCelery,
    surroundings: Surroundings,
    cwd: string = PYTHON_DIR,
    program = 'client.py',
  ) {
    this.#child = spawn(celery.python, [program], {
      cwd,
      env: { ...process.env, ...environment(surroundings), ...celery.env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** @throws PythonError with what it raised */
  async eval(expression: string, seconds = 30): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(expression)}\n`)
    const line = await within(seconds, this.#answers.next(), expression)
    if (line.done) throw new Error(`the Python client ended at: ${expression}`)
    const answer = JSON.parse(line.value) as Record<string, unknown>
    if ('raised' in answer) throw new PythonError(answer)
    return answer as unknown as Answer
  }

  /** Ends it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await exited
  }
}
