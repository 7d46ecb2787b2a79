/** Starts the same command line over: in place of this process where Node can, else under it. */

import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Says to a process that another one starts it over. */
const SUPERVISED = 'CELERIAC_SUPERVISED'
/** What is handed on to who does the work. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const

/** Node 20 cannot replace its process, later ones can. */
type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never

export function isSupervised(env: NodeJS.ProcessEnv = process.env): boolean {
  return env[SUPERVISED] !== undefined
}

/**
 * Resolves, where this process could not be replaced, with the exit code of the one that was started,
 * once that has ended for good.
 *
 * @param cwd where the command line was given: its paths begin there
 * @see celery 5.6, apps/worker.py, `_reload_current_worker`
 */
export async function restart(cwd: string): Promise<number> {
  process.chdir(cwd)
  const args = [...process.execArgv, ...process.argv.slice(1)]
  const { execve } = process as { execve?: Execve }
  execve?.(process.execPath, [process.execPath, ...args], process.env)
  for (;;) {
    const { code, again } = await supervise(args)
    if (!again) return code
  }
}

/** Ends in order on SIGHUP, to be started again, unless another signal says that it shall not. */
function supervise(args: readonly string[]): Promise<{ code: number; again: boolean }> {
  const env = { ...process.env, [SUPERVISED]: '1' }
  const child = spawn(process.execPath, args, { env, stdio: 'inherit' })
  let end: NodeJS.Signals | undefined
  const undo = SIGNALS.map((signal) => {
    const hand = (): void => {
      if (signal === 'SIGHUP') end ??= signal
      else if (signal !== 'SIGUSR1') end = signal
      child.kill(signal)
    }
    process.on(signal, hand)
    return () => process.off(signal, hand)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      for (const off of undo) off()
      resolve({
        code: code ?? 128 + constants.signals[signal ?? 'SIGKILL'],
        again: end === 'SIGHUP',
      })
    })
  })
}
