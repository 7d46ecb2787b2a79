/** The pool in this process: N jobs at a time on one event loop; `solo` is N = 1. */

import { Cancellation, type SignalSource } from '../../runtime/cancellation.ts'
import { JobQueue } from './job-queue.ts'
import type { Job, JobHandler, Pool, PoolInfo, Runner } from './pool.ts'

/** One job on its way. */
interface Run<Outcome> {
  readonly job: Job
  readonly handler: JobHandler<Outcome>
  readonly cancellation: Cancellation
}

/**
 * Takes the place of Celery's eventlet and gevent pools: jobs that wait for the network leave the loop
 * to others; one that computes holds up all of them, and belongs into `threads` or `prefork`.
 */
export class AsyncPool<Outcome> implements Pool<Outcome> {
  readonly #runner: Runner<Outcome>
  readonly #runs = new Set<Run<Outcome>>()
  readonly #queue = new JobQueue<Run<Outcome>>()
  readonly #implementation: string
  #size: number
  #stopped = false
  #onIdle: (() => void)[] = []

  constructor(runner: Runner<Outcome>, size: number, implementation = 'async') {
    this.#runner = runner
    this.#size = size
    this.#implementation = implementation
  }

  get size(): number {
    return this.#size
  }

  get running(): number {
    return this.#runs.size
  }

  get waiting(): number {
    return this.#queue.size
  }

  async start(): Promise<void> {
    this.#stopped = false
  }

  /** Drops what waits, and resolves when what runs has ended, however long that takes. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.flush()
    if (this.#runs.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  submit(job: Job, handler: JobHandler<Outcome>): void {
    if (this.#stopped) return handler.onDropped()
    this.#queue.push({ job, handler, cancellation: new Cancellation() })
    this.#pump()
  }

  flush(): void {
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      run.handler.onDropped()
    }
  }

  grow(n: number): void {
    this.#size += n
    this.#pump()
  }

  shrink(n: number): void {
    this.#size = Math.max(1, this.#size - n)
  }

  abort(reason: Error, jobId?: string): void {
    for (const run of this.#runs) {
      if (jobId === undefined || run.job.id === jobId) run.cancellation.abort(reason)
    }
  }

  /** There is no process of its own to end. */
  kill(): boolean {
    return false
  }

  info(): PoolInfo {
    return {
      implementation: this.#implementation,
      maxConcurrency: this.#size,
      processes: [process.pid],
    }
  }

  #pump(): void {
    while (this.#runs.size < this.#size) {
      const run = this.#queue.shift()
      if (run === undefined) return
      if (run.handler.onAccepted(process.pid)) this.#start(run)
    }
  }

  /** Takes its slot before the first line of the job runs, gives it back before the end is told. */
  #start(run: Run<Outcome>): void {
    this.#runs.add(run)
    const { handler, job, cancellation } = run
    this.#run(job, cancellation).then(
      (outcome) => {
        this.#runs.delete(run)
        handler.onOutcome(outcome)
        this.#settled()
      },
      (error: unknown) => {
        this.#runs.delete(run)
        handler.onError(error)
        this.#settled()
      },
    )
  }

  #run(job: Job, source: SignalSource): Promise<Outcome> {
    try {
      return this.#runner(job, source)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The outcome was handled: the next one may start, and who waits for the end may look. */
  #settled(): void {
    this.#pump()
    if (this.#runs.size > 0 || this.#onIdle.length === 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
