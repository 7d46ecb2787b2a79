/** From signals to a warm or a cold shutdown, with Celery's words and exit codes. */

import type { Worker } from '../worker/worker.ts'
import { EX_FAILURE, EX_OK } from './command.ts'

/** The worker, as far as it is told to end. */
export type Stoppable = Pick<Worker, 'stop' | 'terminate' | 'cancel'>

export interface ShutdownOptions {
  readonly worker: Stoppable
  /** Writes to the standard output: an empty line, the text. */
  readonly say: (text: string) => void
  /** Ends the process at once. */
  readonly exit: (code: number) => void
  /** `SIGQUIT` makes SIGTERM a cold shutdown. @see billiard, common.py, `REMAP_SIGTERM` */
  readonly remapSigterm?: string | undefined
  /** What SIGHUP starts over; it is not listened to without: a terminal that goes away sends it, too. */
  readonly commandLine?: string | undefined
  /** What SIGUSR1 wants to know. */
  readonly cry: () => string
  /** Told of an end that failed. */
  readonly onError: (error: unknown) => void
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const

type Stage = 'running' | 'warm' | 'cold' | 'hard'

/**
 * What each signal does, by what came before:
 *
 *     SIGTERM    warm shutdown, exit code 0; again: nothing more
 *     SIGINT     warm shutdown, exit code 1; again: as SIGQUIT
 *     SIGQUIT    cold shutdown, exit code 1; again: a last chance; again: exits at once
 *     SIGHUP     warm shutdown, then the same command line once more
 *     SIGUSR1    says what is going on
 *
 * @see celery 5.6, apps/worker.py, `install_worker_term_handler` to `install_cry_handler`
 */
export class Shutdown {
  readonly #options: ShutdownOptions
  #stage: Stage = 'running'
  #interrupted = false
  #exitcode: number = EX_OK
  #restarts = false

  constructor(options: ShutdownOptions) {
    this.#options = options
  }

  get exitcode(): number {
    return this.#exitcode
  }

  /** Whether the command line shall be started over now. */
  get restarts(): boolean {
    return this.#restarts && this.#stage === 'warm'
  }

  /** Listens until the returned function is called. */
  install(): () => void {
    const { commandLine } = this.#options
    const wanted = SIGNALS.filter((sig) => sig !== 'SIGHUP' || commandLine !== undefined)
    const handlers = wanted.map((sig) => {
      const handler = (): void => this.on(sig)
      process.on(sig, handler)
      return () => process.off(sig, handler)
    })
    return () => handlers.forEach((remove) => remove())
  }

  on(sig: (typeof SIGNALS)[number]): void {
    const { remapSigterm, cry, say } = this.#options
    if (sig === 'SIGUSR1') return say(cry())
    if (sig === 'SIGHUP') return this.#restart()
    if (sig === 'SIGQUIT' || (sig === 'SIGTERM' && remapSigterm === 'SIGQUIT')) {
      return this.#cold(sig)
    }
    if (sig === 'SIGTERM') return this.#warm(sig, EX_OK)
    if (this.#interrupted) return this.#cold(sig)
    this.#interrupted = true
    say('worker: Hitting Ctrl+C again will initiate cold shutdown, terminating all running tasks!')
    this.#warm(sig, EX_FAILURE)
  }

  #restart(): void {
    const { worker, say, commandLine = '' } = this.#options
    if (this.#stage !== 'running') return
    say(`Restarting celery worker (${commandLine})`)
    this.#stage = 'warm'
    this.#restarts = true
    this.#run(worker.stop({ sig: 'SIGHUP', exitcode: EX_OK }))
  }

  /** Something went wrong that nobody can answer for: ends in order, exit code 1. */
  fail(): void {
    this.#warm(undefined, EX_FAILURE)
  }

  #warm(sig: string | undefined, exitcode: number): void {
    if (this.#stage !== 'running' && this.#stage !== 'warm') return
    this.#options.say('worker: Warm shutdown (MainProcess)')
    this.#exitcode = Math.max(this.#exitcode, exitcode)
    this.#restarts = false
    if (this.#stage === 'warm') return
    this.#stage = 'warm'
    this.#run(this.#options.worker.stop({ ...(sig === undefined ? {} : { sig }), exitcode }))
  }

  #cold(sig: string): void {
    const { worker, say, exit } = this.#options
    this.#exitcode = EX_FAILURE
    if (this.#stage === 'hard') return exit(EX_FAILURE)
    if (this.#stage === 'cold') {
      this.#stage = 'hard'
      say('Waiting gracefully for cold shutdown to complete...')
      return worker.cancel()
    }
    this.#stage = 'cold'
    say('worker: Hitting Ctrl+C again will terminate all running tasks!')
    say('worker: Cold shutdown (MainProcess)')
    this.#run(worker.terminate({ sig, exitcode: EX_FAILURE }))
  }

  #run(end: Promise<void>): void {
    end.catch(this.#options.onError)
  }
}
