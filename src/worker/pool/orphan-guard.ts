/** Ends the children of a pool when their parent was killed: also those that compute, and see nothing of it. */

import { spawn, type ChildProcess } from 'node:child_process'

/**
 * A child hears that its channel was closed, but only between two tasks' steps. Linux could send it a
 * signal (PR_SET_PDEATHSIG), Node cannot ask for that; a thread in each child that watches for it takes
 * 9 MiB. So one shell stands beside all of them, under 1 MiB: it reads the pids of those that live, and
 * kills the last that it read when there is nobody left to write.
 */
const SCRIPT = `trap '' HUP INT QUIT TERM
pids=
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -9 $pids`

export class OrphanGuard {
  #shell: ChildProcess | undefined
  #unavailable = process.platform === 'win32'

  /** The children that there are now; without any, it ends. */
  readonly watch = (pids: readonly number[]): void => {
    if (pids.length === 0 && this.#shell === undefined) return
    this.#shell ??= this.#start()
    this.#shell?.stdin?.write(`${pids.join(' ')}\n`)
    if (pids.length > 0) return
    this.#shell?.stdin?.end()
    this.#shell = undefined
  }

  /** Where there is no shell, as in a container without one, children that compute go on to their next step. */
  #start(): ChildProcess | undefined {
    if (this.#unavailable) return undefined
    const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'] })
    const gone = (): void => {
      if (this.#shell === shell) this.#shell = undefined
    }
    shell.once('error', () => {
      this.#unavailable = true
      gone()
    })
    shell.once('exit', gone)
    shell.stdin?.on('error', gone)
    shell.unref()
    return shell
  }
}
