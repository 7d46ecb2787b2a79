/** A worker: starts its parts in order, and stops them in reverse: warm, or cold. */

import { LeaseLostError, TimeoutError, WorkerShutdown } from '../errors.ts'
import type { Queue } from '../messaging/entity.ts'
import type { Delivery } from '../messaging/transport.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { deadline } from '../runtime/retry.ts'
import { startAll, type Service } from '../runtime/service.ts'
import type { AutoscaleRange } from './autoscale.ts'
import type { WorkerHost } from './host.ts'
import { makeParts, type Parts, type WorkerOptions } from './parts.ts'
import type { PoolPlan } from './pool/open.ts'
import type { Request } from './request.ts'
import {
  celerydAfterSetup,
  workerInit,
  workerReady,
  workerShutdown,
  workerShuttingDown,
  type WorkerInstanceEvent,
} from './signals.ts'
import type { WorkerState } from './state.ts'

export type { WorkerOptions } from './parts.ts'

/** Why it stops, for those who listen. */
export interface ShutdownReason {
  /** Such as `SIGTERM`. */
  readonly sig?: string
  readonly exitcode?: number
}

/** Seconds that acks may take once nothing runs any more. */
const FLUSH_TIMEOUT = 5
/** Seconds that each step of a cold shutdown may take, so that all of them are over within five. */
const COLD_TIMEOUT = 0.8

/** @see celery 5.6, worker/worker.py, `WorkController` */
export class Worker implements Service, AsyncDisposable {
  /** Resolves when it is over: with the error that ended it, or undefined when it was told to stop. */
  readonly closed: Promise<Error | undefined>
  readonly #host: WorkerHost
  readonly #parts: Parts
  #resolve: (error: Error | undefined) => void = () => {}
  #draining = false
  #failure: Error | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #terminating: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor(host: WorkerHost, options: WorkerOptions = {}) {
    this.#host = host
    this.#parts = makeParts(host, options, {
      onDelivery: (delivery) => this.#receive(delivery),
      onLost: () => this.#lost(),
      onFailed: (error) => this.#fail(error),
      onShutdown: () => void this.stop(),
    })
    this.closed = new Promise((resolve) => (this.#resolve = resolve))
  }

  /** The node name, `celery@host`. */
  get hostname(): string {
    return this.#parts.hostname
  }

  get plan(): PoolPlan {
    return this.#parts.plan
  }

  /** The most and the least tasks at a time, when the pool grows and shrinks by itself. */
  get autoscale(): AutoscaleRange | undefined {
    return this.#parts.autoscaler?.range
  }

  get state(): WorkerState<Request> {
    return this.#parts.state
  }

  /** The address of the broker, without the password. */
  get broker(): string {
    return this.#parts.consumer.address
  }

  /** What it consumes. */
  get queues(): readonly Queue[] {
    return this.#parts.consumer.queues
  }

  get #log(): Logger {
    return this.#parts.log
  }

  /**
   * Resolves when it consumes, or was stopped meanwhile.
   *
   * @throws OperationalError when no broker answered as often as the settings say
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Warm: takes no more, gives back what has not started, waits for what runs, however long. */
  stop(reason: ShutdownReason = {}): Promise<void> {
    this.#stopping ??= this.#stop(reason)
    return this.#stopping
  }

  /** Cold: tells what runs to end, gives back what can be given back, and ends within seconds. */
  terminate(reason: ShutdownReason = {}): Promise<void> {
    this.#terminating ??= this.#terminate(reason)
    return this.#terminating
  }

  /** Ends what runs, now: the soft part of a cold shutdown is cut short. */
  cancel(): void {
    for (const request of this.state.active) request.cancel(new WorkerShutdown())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(): Promise<void> {
    const { hostname } = this
    const { stateDb, lag, pool, autoscaler, consumer, node } = this.#parts
    await this.#announceStart()
    try {
      const services = [stateDb, lag, pool, autoscaler, consumer, node]
      const wanted = (): boolean => !this.#draining
      await startAll(
        services.filter((service) => service !== undefined),
        wanted,
      )
    } catch (error) {
      if (this.#draining) return
      this.#failure = error as Error
      await this.#end()
      throw error
    }
    if (this.#draining) return
    this.#log.info(`${hostname} ready.`)
    if (workerReady.active) await workerReady.send(hostname, this.#event, this.#log)
  }

  get #event(): WorkerInstanceEvent {
    return { hostname: this.hostname, instance: this }
  }

  async #announceStart(): Promise<void> {
    const { hostname } = this
    const { conf } = this.#host
    const event = this.#event
    if (workerInit.active) await workerInit.send(hostname, event, this.#log)
    if (!celerydAfterSetup.active) return
    await celerydAfterSetup.send(hostname, { ...event, conf }, this.#log)
  }

  async #stop(reason: ShutdownReason): Promise<void> {
    const { pool, settlements } = this.#parts
    this.#announce('Warm', { exitcode: 0, ...reason })
    await this.#drain()
    await pool.stop()
    await this.#within(FLUSH_TIMEOUT, settlements.idle(), 'the last acknowledgements')
    await this.#end()
  }

  async #terminate(reason: ShutdownReason): Promise<void> {
    const { pool, settlements } = this.#parts
    this.#stopping ??= this.closed.then(() => {})
    this.#announce('Cold', { exitcode: 1, ...reason })
    await this.#drain(COLD_TIMEOUT)
    const ended = pool.stop()
    await this.#soften(ended)
    this.cancel()
    await this.#within(COLD_TIMEOUT, ended, 'tasks that do not heed their signal')
    for (const request of this.state.active) request.requeue()
    await this.#within(COLD_TIMEOUT, settlements.idle(), 'the last acknowledgements')
    await this.#end(COLD_TIMEOUT)
  }

  /** Takes no more, and gives back what has not started: others have it at once. */
  async #drain(seconds?: number): Promise<void> {
    const { consumer, strategy, pool, autoscaler, settlements } = this.#parts
    this.#draining = true
    await autoscaler?.stop()
    await consumer.quiet(seconds)
    strategy.drop()
    settlements.copies.drop()
    pool.flush()
  }

  /** A warm shutdown with an end. @see celery 5.6, worker/worker.py, `wait_for_soft_shutdown` */
  async #soften(ended: Promise<void>): Promise<void> {
    const { workerSoftShutdownTimeout: seconds, workerEnableSoftShutdownOnIdle } = this.#host.conf
    const wanted = this.state.active.size > 0 || workerEnableSoftShutdownOnIdle
    if (seconds <= 0 || !wanted) return
    this.#log.warning(`Initiating Soft Shutdown, terminating in ${seconds} seconds`)
    await deadline(ended, seconds, () => new TimeoutError()).catch(() => {})
  }

  #end(seconds?: number): Promise<void> {
    this.#ending ??= this.#close(seconds)
    return this.#ending
  }

  async #close(seconds?: number): Promise<void> {
    const { hostname } = this
    const { consumer, lag, node, stateDb } = this.#parts
    const saved = stateDb?.stop()
    const deaf = node?.stop()
    if (deaf !== undefined) await this.#within(COLD_TIMEOUT, deaf, 'the end of remote control')
    await consumer.stop(seconds)
    await lag.stop()
    if (saved !== undefined) await this.#within(seconds ?? FLUSH_TIMEOUT, saved, 'the state file')
    if (workerShutdown.active) await workerShutdown.send(hostname, this.#event, this.#log)
    this.#resolve(this.#failure)
  }

  /** While it drains, what still arrives goes back as it is. */
  #receive(delivery: Delivery): void {
    const { strategy, settlements, autoscaler } = this.#parts
    if (this.#draining) settlements.settle(delivery, 'requeue')
    else {
      strategy.receive(delivery)
      autoscaler?.maybeScale()
    }
  }

  /**
   * What waits is dropped, its timers too: it comes again, and must not run twice. What runs goes on,
   * though its late ack will come too late, unless the settings say that it shall rather end.
   *
   * @see celery 5.6, worker/consumer/consumer.py, `on_connection_error_after_connected`
   */
  #lost(): void {
    const { strategy, pool, state, consumer, settlements } = this.#parts
    for (const request of state.active) request.survive()
    strategy.drop()
    settlements.copies.drop()
    pool.flush()
    consumer.reducePrefetch(state.active.size)
    if (!this.#host.conf.workerCancelLongRunningTasksOnConnectionLoss) return
    for (const request of state.active) {
      if (request.settled) continue
      this.#log.warning(
        `Task ${request.label} cannot be acknowledged after a connection loss since late ` +
          'acknowledgement is enabled for it.\nTerminating it instead.',
      )
      request.cancel(new LeaseLostError('the connection that the message came by is gone'))
    }
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#log.critical(`Unrecoverable error: ${oneLine(error.message)}`)
    void this.stop({ exitcode: 1 })
  }

  #announce(how: 'Warm' | 'Cold', { sig, exitcode = 0 }: ShutdownReason): void {
    const { hostname } = this
    if (!workerShuttingDown.active) return
    void workerShuttingDown.send(hostname, { hostname, sig, how, exitcode }, this.#log)
  }

  /** Waits, but not for ever; says what it gave up. */
  async #within(seconds: number, work: Promise<void>, what: string): Promise<void> {
    const tooLong = (): Error => new TimeoutError(`${what} took longer than ${seconds} s`)
    try {
      await deadline(work, seconds, tooLong)
    } catch (error) {
      this.#log.warning(`Shutdown: ${oneLine((error as Error).message)}`)
    }
  }
}
