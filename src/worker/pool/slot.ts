/**
 * One child of a pool, from its start to its end.
 *
 *     starting ──▶ idle ◀──▶ busy ──┐
 *         │         │          │    │ killed, or the last job of its kind
 *         └─────────┴──▶ ending ◀───┘
 *                          │
 *     (any) ──────────────▶ gone
 */

import { TimeoutError } from '../../errors.ts'
import { timerMs } from '../../runtime/retry.ts'
import type { Exit } from './exit.ts'
import { fromPlain, toPlain, type FromChild, type Setup, type ToChild } from './ipc.ts'
import type { Job, JobHandler } from './pool.ts'

/** A process or a thread, as far as a slot knows it. */
export interface Child {
  readonly pid: number
  /**
   * `onUndelivered` is called when it certainly did not get there: the child is gone.
   *
   * @throws DataCloneError when the message cannot be cloned
   */
  send(message: ToChild, onUndelivered: () => void): void
  /** Ends it at once. */
  kill(): void
}

export interface ChildEvents {
  onMessage(message: FromChild): void
  /** Told once; everything that it said before has been told. */
  onExit(exit: Exit): void
}

/** @throws Error when it cannot be started */
export type StartChild = (events: ChildEvents) => Child

/** One job on its way. */
export interface Run<Outcome> {
  readonly job: Job
  readonly handler: JobHandler<Outcome>
  /** Its handler has taken it already, for a child that was gone then. */
  accepted: boolean
}

/** What a slot tells its pool. */
export interface SlotOwner<Outcome> {
  onUp(slot: Slot<Outcome>): void
  /** The job is over, the slot is free: tell its handler. */
  onOver(slot: Slot<Outcome>, tell: () => void, memory: number): void
  /** The child was gone before it had the job: it may run elsewhere. */
  onUndelivered(run: Run<Outcome>): void
  onGone(slot: Slot<Outcome>, exit: Exit): void
}

export interface SlotOptions {
  readonly setup: Setup
  /** Seconds. */
  readonly startTimeout: number
  /** Seconds for the orderly end. */
  readonly endTimeout: number
}

/** Seconds that a child may take to be gone once it was killed. */
const KILL_TIMEOUT = 1

export class Slot<Outcome> implements ChildEvents {
  readonly #owner: SlotOwner<Outcome>
  readonly #options: SlotOptions
  #state: 'starting' | 'idle' | 'busy' | 'ending' | 'gone' = 'starting'
  #child: Child | undefined
  #run: Run<Outcome> | undefined
  #jobs = 0
  #upSince: number | undefined
  #asked = false
  /** Why it was killed. */
  #reason: Error | undefined
  /** Why it dies by itself. */
  #error: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(owner: SlotOwner<Outcome>, options: SlotOptions) {
    this.#owner = owner
    this.#options = options
  }

  get idle(): boolean {
    return this.#state === 'idle'
  }

  /** Whether it runs jobs, or will soon: not on its way out. */
  get lasting(): boolean {
    return this.#state !== 'ending' && this.#state !== 'gone'
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The job that runs, also while its child is being killed. */
  get run(): Run<Outcome> | undefined {
    return this.#run
  }

  /** How many jobs it was given. */
  get jobs(): number {
    return this.#jobs
  }

  /** When it came up, on the clock of `performance.now()`. */
  get upSince(): number | undefined {
    return this.#upSince
  }

  /** Whether the pool ended it, in whatever way. */
  get asked(): boolean {
    return this.#asked
  }

  /** Why it was killed. */
  get reason(): Error | undefined {
    return this.#reason
  }

  /** What becomes of it is told to the owner. */
  start(start: StartChild): void {
    if (this.#state !== 'starting') return
    const { setup, startTimeout } = this.#options
    this.#within(startTimeout, () => {
      this.#error = new TimeoutError(
        `it was not ready within ${startTimeout} s (workerProcAliveTimeout)`,
      )
      this.#end()
    })
    try {
      this.#child = start(this)
      this.#child.send({ celeriac: 'setup', setup }, () => {})
    } catch (error) {
      this.#error = error as Error
      setImmediate(() => this.onExit({ status: 'not started' }))
    }
  }

  /** Only when it is idle. */
  give(run: Run<Outcome>): void {
    this.#state = 'busy'
    this.#run = run
    this.#jobs += 1
    try {
      this.#child?.send({ celeriac: 'job', wire: run.job.wire() }, () => this.#undelivered(run))
    } catch (error) {
      // it cannot cross: the child never hears of it
      setImmediate(() => this.#over(() => run.handler.onError(error), 0))
    }
  }

  abort(reason: Error): void {
    if (this.#state !== 'busy') return
    this.#child?.send({ celeriac: 'abort', reason: toPlain(reason) }, () => {})
  }

  /** Ends the child at once; its job's handler hears the reason when it is gone. */
  kill(reason: Error): void {
    this.#reason ??= reason
    this.#asked = true
    this.#end()
  }

  /** Lets an idle child close what it has opened; one that starts is ended at once. */
  end(): void {
    this.#asked = true
    if (this.#state !== 'idle') return this.#end()
    this.#state = 'ending'
    this.#child?.send({ celeriac: 'end' }, () => {})
    this.#within(this.#options.endTimeout, () => this.#end())
  }

  onMessage(message: FromChild): void {
    switch (message.celeriac) {
      case 'up':
        return this.#up()
      case 'failed':
      case 'dying':
        this.#error ??= fromPlain(message.error)
        return
      case 'outcome': {
        const handler = this.#run?.handler
        return this.#over(() => handler?.onOutcome(message.outcome as Outcome), message.memory)
      }
      case 'error': {
        const handler = this.#run?.handler
        return this.#over(() => handler?.onError(fromPlain(message.error)), message.memory)
      }
    }
  }

  onExit(exit: Exit): void {
    if (this.#state === 'gone') return
    this.#state = 'gone'
    clearTimeout(this.#timer)
    const error = this.#error ?? exit.error
    this.#owner.onGone(this, error === undefined ? exit : { ...exit, error })
  }

  #up(): void {
    if (this.#state !== 'starting') return
    clearTimeout(this.#timer)
    this.#state = 'idle'
    this.#upSince = performance.now()
    this.#owner.onUp(this)
  }

  /** Once it was killed only the reason is told, whatever it still managed to say. */
  #over(tell: () => void, memory: number): void {
    if (this.#state !== 'busy') return
    this.#state = 'idle'
    this.#run = undefined
    this.#owner.onOver(this, tell, memory)
  }

  #undelivered(run: Run<Outcome>): void {
    if (this.#run !== run || this.#state !== 'busy') return
    this.#run = undefined
    this.#end()
    this.#owner.onUndelivered(run)
  }

  /** What does not die of it, as a process in the hands of a broken disk, is given up. */
  #end(): void {
    if (this.#state === 'gone') return
    this.#state = 'ending'
    this.#child?.kill()
    this.#within(this.#child === undefined ? 0 : KILL_TIMEOUT, () =>
      this.onExit({ status: 'signal 9 (SIGKILL)' }),
    )
  }

  #within(seconds: number, onLate: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onLate, timerMs(seconds))
  }
}
