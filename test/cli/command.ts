/** Runs `celeriac`: in this process where that is enough, else as a process of its own. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/cli/run.ts'
import { Process } from '../support/process.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
export const appFile: string = fileURLToPath(new URL('app.ts', import.meta.url))

export type Env = Readonly<Record<string, string>>

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line here; good for those that end before an app is loaded. */
export async function runHere(words: readonly string[], isTTY = false): Promise<Result> {
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) => ({
    isTTY,
    write: (text: string): void => void (written[name] += text),
  })
  const code = await run(words, { stdout: stream('stdout'), stderr: stream('stderr') })
  return { code, ...written }
}

const args = (words: readonly string[]): string[] => ['--import', 'tsx', main, ...words]

/** Runs a command to its end, in a process of its own. */
export function runApart(words: readonly string[], env: Env = {}): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 20_000 }
    execFile(process.execPath, args(words), options, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1)
      resolve({ code, stdout, stderr })
    })
  })
}

/** Starts a worker; the last are options that stand before the command. */
export function spawnWorker(
  words: readonly string[],
  env: Env,
  globals: readonly string[] = [],
): Process {
  const all = args(['-A', appFile, ...globals, 'worker', '-l', 'info', ...words])
  return new Process(process.execPath, all, { env })
}

/** Starts a worker, and waits until it is ready. */
export async function startWorker(
  words: readonly string[],
  env: Env,
  globals: readonly string[] = [],
): Promise<Process> {
  const worker = spawnWorker(words, env, globals)
  await worker.says('ready.')
  return worker
}
