/** A pool of children, processes or threads alike: gives each one job at a time, and replaces those that end. */

import { ImproperlyConfigured, OperationalError } from '../../errors.ts'
import { oneLine, type Logger } from '../../runtime/log.ts'
import { timerMs } from '../../runtime/retry.ts'
import { workerBeforeCreateProcess } from '../signals.ts'
import { CrashLoop } from './crash-loop.ts'
import { lost, reasonOf, type Exit } from './exit.ts'
import type { Setup } from './ipc.ts'
import { JobQueue } from './job-queue.ts'
import type { Job, JobHandler, Pool, PoolInfo } from './pool.ts'
import { Slot, type Run, type SlotOwner, type StartChild } from './slot.ts'
import { writesOf } from './writes.ts'

export interface ChildPoolOptions {
  readonly implementation: 'prefork' | 'threads'
  readonly size: number
  /**
   * Made when the pool starts.
   *
   * @throws ImproperlyConfigured when a child could not load the app
   */
  readonly launcher: () => StartChild
  /** Told the pids of all children whenever they change. */
  readonly onPids?: (pids: readonly number[]) => void
  /** What the next child is told; its number counts from 1. */
  readonly setup: (number: number) => Setup
  readonly log: Logger
  /** Jobs after which a child is replaced; null is no limit. */
  readonly maxTasksPerChild: number | null
  /** KiB after which it is. */
  readonly maxMemoryPerChild: number | null
  /** Seconds for a child to be ready. */
  readonly startTimeout: number
  /** Soft and hard, in seconds, for `info()` only. */
  readonly timeouts: readonly [soft: number, hard: number]
  /** No child comes up any more. */
  readonly onFailed: (error: Error) => void
}

/** Seconds for a child to close what it has opened. */
const END_TIMEOUT = 5

interface Starting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** @see celery 5.6, concurrency/prefork.py; billiard, pool.py, `Pool` */
export class ChildPool<Outcome> implements Pool<Outcome>, SlotOwner<Outcome> {
  readonly #options: ChildPoolOptions
  readonly #queue = new JobQueue<Run<Outcome>>()
  readonly #slots = new Set<Slot<Outcome>>()
  /** To be replaced after their job, whatever they have done so far. */
  readonly #outworn = new WeakSet<Slot<Outcome>>()
  #launch: StartChild | undefined
  #size: number
  #running = 0
  /** Jobs given to children, those of the past too. */
  #written = 0
  #children = 0
  #stopped = false
  #starting: Starting | undefined
  readonly #crashLoop = new CrashLoop()
  #backoff: NodeJS.Timeout | undefined
  #onEmpty: (() => void)[] = []

  constructor(options: ChildPoolOptions) {
    this.#options = options
    this.#size = options.size
  }

  get size(): number {
    return this.#size
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#queue.size
  }

  /**
   * Resolves when all children are ready.
   *
   * @throws ImproperlyConfigured with the reason when they cannot load the app, or end again and again
   */
  async start(): Promise<void> {
    this.#stopped = false
    this.#crashLoop.reset()
    this.#launch = this.#options.launcher()
    const ready = new Promise<void>((resolve, reject) => (this.#starting = { resolve, reject }))
    this.#maintain()
    await ready
  }

  /** Drops what waits; when what runs has ended, however long that takes, ends the children in order. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#backoff)
    this.#backoff = undefined
    this.flush()
    this.#settleStart(new OperationalError('the pool was stopped before its children were ready'))
    for (const slot of this.#slots) if (slot.lasting && slot.run === undefined) slot.end()
    if (this.#slots.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }

  submit(job: Job, handler: JobHandler<Outcome>): void {
    if (this.#stopped) return handler.onDropped()
    this.#queue.push({ job, handler, accepted: false })
    this.#pump()
  }

  /** What was accepted goes on: it may be acked, and is dropped at the end only. */
  flush(): void {
    const accepted = this.#stopped ? [] : this.#undelivered()
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      run.handler.onDropped()
    }
    this.#putBack(accepted)
  }

  grow(n: number): void {
    this.#size += n
    this.#maintain()
  }

  shrink(n: number): void {
    this.#size = Math.max(1, this.#size - n)
    this.#maintain()
  }

  /** Those that run a job are replaced when it is done. */
  restart(): void {
    for (const slot of this.#lasting()) {
      if (slot.run === undefined) slot.end()
      else this.#outworn.add(slot)
    }
    this.#maintain()
  }

  abort(reason: Error, jobId?: string): void {
    for (const slot of this.#slots) {
      if (slot.run !== undefined && (jobId === undefined || slot.run.job.id === jobId)) {
        slot.abort(reason)
      }
    }
  }

  /** The next child is started while this one still dies. */
  kill(reason: Error, jobId: string): boolean {
    const slot = [...this.#slots].find(({ run }) => run?.job.id === jobId)
    if (slot === undefined) return this.#killUndelivered(reason, jobId)
    slot.kill(reason)
    this.#maintain()
    return true
  }

  #killUndelivered(reason: Error, jobId: string): boolean {
    const runs = this.#undelivered()
    const found = runs.find(({ job }) => job.id === jobId)
    this.#putBack(runs.filter((run) => run !== found))
    found?.handler.onError(reason)
    return found !== undefined
  }

  /** Those that were taken for a child that was gone: they stand in front. */
  #undelivered(): readonly Run<Outcome>[] {
    return this.#queue.takeWhile(({ accepted }) => accepted)
  }

  #putBack(runs: readonly Run<Outcome>[]): void {
    for (const run of runs.toReversed()) this.#queue.unshift(run)
  }

  /** @see celery 5.6, concurrency/prefork.py, `TaskPool._get_info` */
  info(): PoolInfo {
    const { implementation, maxTasksPerChild, timeouts } = this.#options
    const lasting = this.#lasting()
    return {
      implementation,
      maxConcurrency: this.#size,
      processes: [...new Set(this.#pids(lasting))],
      more: {
        'max-tasks-per-child': maxTasksPerChild ?? 'N/A',
        'put-guarded-by-semaphore': false,
        timeouts,
        writes: writesOf(lasting, this.#written, this.#running),
      },
    }
  }

  onUp(): void {
    if (this.#lasting().every((slot) => slot.upSince !== undefined)) this.#settleStart()
    this.#pump()
  }

  onOver(slot: Slot<Outcome>, tell: () => void, memory: number): void {
    this.#running -= 1
    this.#crashLoop.reset()
    // before its handler is told, who may submit the next job at once
    if (this.#stopped || this.#isWorn(slot, memory)) slot.end()
    tell()
    this.#maintain()
  }

  onUndelivered(run: Run<Outcome>): void {
    this.#running -= 1
    if (this.#stopped) run.handler.onDropped()
    else this.#queue.unshift(run)
    this.#maintain()
  }

  onGone(slot: Slot<Outcome>, exit: Exit): void {
    const { run, reason, asked } = slot
    this.#slots.delete(slot)
    this.#tellPids()
    if (!asked && !this.#stopped) this.#logExit(slot, exit)
    if (run !== undefined) {
      this.#running -= 1
      run.handler.onError(reason ?? lost(run.job, exit))
    } else if (!asked) this.#failed(slot, exit)
    this.#maintain()
    if (this.#slots.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  /** Starts as many children as there should be, or ends those that are too many and do nothing. */
  #maintain(): void {
    if (this.#stopped || this.#launch === undefined) return
    const lasting = this.#lasting()
    const free = lasting.filter((slot) => slot.run === undefined)
    for (const slot of free.slice(0, Math.max(0, lasting.length - this.#size))) slot.end()
    for (let n = lasting.length; n < this.#size && this.#backoff === undefined; n += 1) {
      this.#spawn(this.#launch)
    }
    this.#pump()
  }

  #spawn(launch: StartChild): void {
    const { setup, startTimeout, log } = this.#options
    const told = setup((this.#children += 1))
    const slot = new Slot<Outcome>(this, { setup: told, startTimeout, endTimeout: END_TIMEOUT })
    this.#slots.add(slot)
    const start = (): void => {
      slot.start(launch)
      this.#tellPids()
    }
    if (!workerBeforeCreateProcess.active) return start()
    const { hostname } = told
    void workerBeforeCreateProcess.send(hostname, { hostname }, log).then(start)
  }

  #pump(): void {
    while (this.#running < this.#size) {
      const slot = this.#idle()
      if (slot?.pid === undefined) return
      const run = this.#queue.shift()
      if (run === undefined) return
      if (run.accepted || run.handler.onAccepted(slot.pid)) this.#give(slot, run)
    }
  }

  #give(slot: Slot<Outcome>, run: Run<Outcome>): void {
    run.accepted = true
    this.#running += 1
    this.#written += 1
    slot.give(run)
  }

  #idle(): Slot<Outcome> | undefined {
    for (const slot of this.#slots) if (slot.idle) return slot
    return undefined
  }

  #lasting(): readonly Slot<Outcome>[] {
    return [...this.#slots].filter((slot) => slot.lasting)
  }

  #pids(slots: Iterable<Slot<Outcome>>): number[] {
    return [...slots].map(({ pid }) => pid).filter((pid) => pid !== undefined)
  }

  #tellPids(): void {
    this.#options.onPids?.(this.#pids(this.#slots))
  }

  /** Whether it has had its share of jobs, or has taken more memory than it may. */
  #isWorn(slot: Slot<Outcome>, memory: number): boolean {
    const { maxTasksPerChild, maxMemoryPerChild, log } = this.#options
    if (this.#outworn.has(slot)) return true
    if (maxMemoryPerChild !== null && memory > maxMemoryPerChild) {
      const limits = `(${Math.round(memory)}KiB / ${maxMemoryPerChild}KiB)`
      log.warning(`child process exiting after exceeding memory limit ${limits}`)
      return true
    }
    return maxTasksPerChild !== null && slot.jobs >= maxTasksPerChild
  }

  /** A child that nobody ended did not live long: the next ones come slower, and after some no more. */
  #failed(slot: Slot<Outcome>, exit: Exit): void {
    const seconds = this.#crashLoop.add(slot.upSince)
    if (this.#stopped) return
    const useful = this.#lasting().some((other) => other.idle || other.run !== undefined)
    if (this.#crashLoop.hopeless && !useful) return this.#giveUp(exit)
    this.#backoff ??= setTimeout(() => {
      this.#backoff = undefined
      this.#maintain()
    }, timerMs(seconds))
  }

  #giveUp(exit: Exit): void {
    const { implementation, onFailed } = this.#options
    const error = new ImproperlyConfigured(
      `the children of the pool '${implementation}' do not start: ${reasonOf(exit)}`,
      { cause: exit.error },
    )
    const starting = this.#starting
    this.#starting = undefined
    this.#launch = undefined
    if (starting === undefined) return onFailed(error)
    void this.stop().then(() => starting.reject(error))
  }

  #settleStart(error?: Error): void {
    const starting = this.#starting
    this.#starting = undefined
    if (error === undefined) starting?.resolve()
    else starting?.reject(error)
  }

  /** @see billiard, pool.py, `_join_exited_workers` */
  #logExit({ pid }: Slot<Outcome>, exit: Exit): void {
    const { log, implementation } = this.#options
    log.error(`Child of pool ${implementation} pid:${pid} exited with ${oneLine(reasonOf(exit))}`)
  }
}
