/**
 * One delivery on its way through the worker: wait, accept, run, settle.
 *
 *     received ──▶ scheduled ──▶ reserved ──▶ accepted ──▶ settled
 *         │        (its eta)     (the pool)      │  ack here, or after the outcome when `acksLate`
 *         │            │             │           │
 *         ├────────────┴─────────────┼───────────┴──▶ revoked: REVOKED is stored, ack
 *         │                          │
 *         └───────────▶ dropped ◀────┘   back to the queue: the worker stops, or its connection is gone
 */

import type { Delivery } from '../messaging/transport.ts'
import { exceptionRepr } from '../../protocol/python/exception.ts'
import {
  type LeaseLostError,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  WorkerShutdown,
} from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { isEnabled, type Logger } from '../runtime/log.ts'
import type { Marker } from '../task/marker.ts'
import type { ResolvedTaskOptions } from '../task/options.ts'
import type { Outcome, TaskRequest } from '../task/request.ts'
import { answerToFailure, answerToLoss, settlementOf } from './answer.ts'
import { logOutcome, shown, taskLabel } from './log-line.ts'
import type { JobHandler, Pool } from './pool/pool.ts'
import { admissionOf, gaveUp, type RedeliveryContext } from './redelivery.ts'
import type { Settle, Settlements } from './settlement.ts'
import type { WorkerState } from './state.ts'
import type { Release, TimeLimit, TimeLimits } from './time-limit.ts'
import { wireOf, type WireRequest } from './wire.ts'

/** What the worker reads of a task's options. */
export type TaskPolicy = Pick<
  ResolvedTaskOptions,
  | 'acksLate'
  | 'acksOnFailureOrTimeout'
  | 'rejectOnWorkerLost'
  | 'ignoreResult'
  | 'storeErrorsEvenIfIgnored'
  | 'softTimeLimit'
  | 'timeLimit'
>

/** What all requests of a worker share. */
export interface RequestContext extends RedeliveryContext {
  readonly pool: Pool<Outcome>
  readonly marker: Marker
  readonly state: WorkerState<Request>
  readonly settlements: Settlements
  readonly log: Logger
  readonly clock: Clock
  readonly timeLimits: TimeLimits
  /** For tasks that have none of their own, and messages that name none. */
  readonly defaultLimit: TimeLimit
  /** Stores REVOKED, unless the task's results are ignored, then tells whoever listens. */
  readonly onRevoked: (request: Request, revocation: Revocation) => Promise<void>
}

/** Why a task does not run, or not to its end. */
export type Revocation =
  | { readonly reason: 'revoked' | 'expired'; readonly signum: null }
  | { readonly reason: 'terminated'; readonly signum: number }

/** When it may run and until when, in milliseconds since 1970. */
export interface Schedule {
  readonly eta: number | undefined
  readonly expires: number | undefined
}

const SIGTERM = 15

/** A message that came again may run beside its first run: a job's id is its own, not the task's. */
let jobs = 0

/** @see celery 5.6, worker/request.py */
export class Request implements JobHandler<Outcome> {
  readonly delivery: Delivery
  readonly message: TaskRequest
  readonly policy: TaskPolicy
  readonly schedule: Schedule
  readonly #context: RequestContext
  readonly #job = String((jobs += 1))
  #label: string | undefined
  #startedAt: number | undefined
  #settled = false
  #timedOut = false
  /** The signal that its run was ended with, or shall be as soon as it starts. */
  #signum: number | undefined
  /** Why its run was ended for the worker's sake. */
  #cancelled: WorkerShutdown | LeaseLostError | undefined
  #release: Release | undefined

  constructor(
    delivery: Delivery,
    message: TaskRequest,
    policy: TaskPolicy,
    schedule: Schedule,
    context: RequestContext,
  ) {
    this.delivery = delivery
    this.message = message
    this.policy = policy
    this.schedule = schedule
    this.#context = context
  }

  get id(): string {
    return this.message.id
  }

  get taskName(): string {
    return this.message.task
  }

  /** For log lines: the shadow stands in for the name. */
  get label(): string {
    return (this.#label ??= taskLabel(this.message.shadow || this.message.task, this.message.id))
  }

  /** When its run began, in milliseconds since 1970. */
  get startedAt(): number | undefined {
    return this.#startedAt
  }

  /** Whether its delivery was answered: an early ack counts when it is on its way. */
  get settled(): boolean {
    return this.#settled
  }

  /** Gives it to the pool. */
  execute(): void {
    const { state, pool } = this.#context
    state.reserved.add(this)
    const { message, delivery } = this
    const wire = (): WireRequest => wireOf(delivery, message)
    pool.submit({ id: this.#job, task: message.task, payload: message, wire }, this)
  }

  /** The early ack is on its way while the task runs: nothing waits for it. */
  onAccepted(pid: number): boolean {
    const { state, log, clock } = this.#context
    if (this.revoked() || (this.policy.acksLate && this.#refused())) return false
    state.accepted(this)
    this.#startedAt = clock.now()
    if (!this.policy.acksLate) this.#settle('ack')
    this.#limit()
    if (isEnabled(log, 'debug')) log.debug(`Task accepted: ${this.label} pid:${pid}`)
    return true
  }

  onOutcome(outcome: Outcome): void {
    this.#end()
    this.survive()
    if (this.#signum !== undefined && outcome.state === 'IGNORED') {
      return this.#revoke({ reason: 'terminated', signum: this.#signum })
    }
    if (this.#cancelled !== undefined && outcome.state === 'REJECTED') return this.#cancelledEnd()
    this.#settle(settlementOf(outcome, this.policy, this.#timedOut))
    logOutcome(this.#context.log, this, outcome)
  }

  /** The run did not come to its end: its process was killed by us, or is gone, or its runner broke. */
  onError(error: unknown): void {
    this.#end()
    if (error instanceof TaskRevokedError) {
      return this.#revoke({ reason: 'terminated', signum: this.#signum ?? SIGTERM })
    }
    if (error !== undefined && error === this.#cancelled) return this.#cancelledEnd()
    const failure = error instanceof Error ? error : new Error(exceptionRepr(error))
    // Of the time limit it was said when it passed.
    if (!(failure instanceof TimeLimitExceeded)) this.#logBroken(failure)
    if (failure instanceof WorkerLostError) this.#lost(failure)
    else this.#fail(failure, answerToFailure(this.policy, this.#timedOut))
  }

  /** It never started: another worker may have it, unless it was acked for a child that was gone. */
  onDropped(): void {
    if (this.#startedAt !== undefined && !this.policy.acksLate) {
      return this.onError(new WorkerLostError('Worker exited prematurely.'))
    }
    this.#end()
    this.survive()
    this.requeue()
  }

  /** Its delivery may be lost, or come back, but its run did not die: see {@link Survivors}. */
  survive(): void {
    if (this.policy.acksLate) this.#context.state.survivors.add(this.id)
  }

  /** Gives the delivery back, also from under a run that still goes on; after an early ack it is too late. */
  requeue(): void {
    this.#settle('requeue')
  }

  /**
   * Whether it must not run: its id or a stamp was revoked, it was terminated before it began, or it
   * has expired (which revokes the id). Then it is out of the worker's hands when this returns.
   *
   * @see celery 5.6, worker/request.py, `revoked`
   */
  revoked(): boolean {
    const { state, clock, log } = this.#context
    const { expires } = this.schedule
    const expired = expires !== undefined && clock.now() > expires
    const decided = expired || this.#signum !== undefined
    const why = decided ? '' : state.revocation(this.message)
    if (why === undefined) return false
    if (expired) state.revoked.add(this.id)
    state.ready(this)
    if (isEnabled(log, 'info')) log.info(`Discarding revoked task: ${this.label}${why}`)
    this.#revoke(
      this.#signum === undefined
        ? { reason: expired ? 'expired' : 'revoked', signum: null }
        : { reason: 'terminated', signum: this.#signum },
    )
    return true
  }

  /**
   * Ends its run, which is REVOKED then, unless it was over already. One that has not started is
   * discarded as soon as it could.
   *
   * @returns whether it runs
   * @see celery 5.6, worker/request.py, `terminate`
   */
  terminate(signum: number): boolean {
    this.#signum = signum
    if (!this.#context.state.active.has(this)) return false
    this.kill(new TaskRevokedError('terminated'))
    return true
  }

  /**
   * Ends its run for the worker's sake. A task that is acked late goes back to its queue then, when it
   * still can; any other will not run again, which its RETRY tells.
   *
   * @see celery 5.6, worker/request.py, `cancel`
   */
  cancel(reason: WorkerShutdown | LeaseLostError): void {
    this.#cancelled = reason
    this.kill(reason)
  }

  #revoke(revocation: Revocation): void {
    this.#context.settlements.track(this.#discard(revocation))
  }

  /** The result first: without the ack it would be discarded again, without the result never. */
  async #discard(revocation: Revocation): Promise<void> {
    await this.#context.onRevoked(this, revocation)
    this.#settle('ack')
  }

  /** Aborts the signal of its run. */
  abort(reason: Error): void {
    this.#context.pool.abort(reason, this.#job)
  }

  /** Ends the process of its run; where it has none of its own, the signal is all there is. */
  kill(reason: Error): void {
    const isLimit = reason instanceof TimeLimitExceeded
    if (isLimit) this.#timedOut = true
    if (!this.#context.pool.kill(reason, this.#job)) return this.abort(reason)
    if (isLimit) this.#logBroken(reason)
  }

  #logBroken(error: Error): void {
    this.#context.log.error(`Task handler raised error: ${shown(exceptionRepr(error))}`)
  }

  #cancelledEnd(): void {
    const { settlements, marker } = this.#context
    const isBack = this.policy.acksLate && this.#cancelled instanceof WorkerShutdown
    if (!isBack) settlements.track(marker.cancelled(this.message).then(() => {}))
    this.#settle('requeueAnew')
  }

  /** @see celery 5.6, worker/request.py, `on_failure` */
  #lost(error: WorkerLostError): void {
    const { policy, delivery } = this
    if (!policy.acksLate || !policy.rejectOnWorkerLost) {
      return this.#fail(error, answerToFailure(policy, false))
    }
    const how = answerToLoss(delivery, this.#context.maxDeliveries)
    if (how === 'requeueCounted') return this.#settle(how)
    this.#fail(gaveUp(delivery.deliveryCount + 1, error.message), how)
  }

  /** Whether too many of its runs have died, or it is about to be counted that one has. */
  #refused(): boolean {
    const { delivery } = this
    const { settlements, state } = this.#context
    if (delivery.deliveryCount > 0 && settlements.copies.hold(this)) return true
    const admission = admissionOf(delivery, this.#context)
    if (admission === 'run') return false
    if (admission === 'count' && state.survivors.take(this.id)) return false
    state.ready(this)
    if (admission === 'count') this.#count()
    else {
      const error = gaveUp(delivery.deliveryCount)
      this.#logBroken(error)
      this.#fail(error, 'bury')
    }
    return true
  }

  #count(): void {
    this.#settled = true
    this.#context.settlements.count(this.id, this.delivery)
  }

  #fail(error: Error, how: Settle): void {
    this.#context.settlements.track(this.#markAndSettle(error, how))
  }

  /** The result first, as at the end of a run. */
  async #markAndSettle(error: Error, how: Settle): Promise<void> {
    await this.#context.marker.failed(this.message, error)
    this.#settle(how)
  }

  /**
   * The message's limits first, then the task's, then the worker's; 0 is none.
   *
   * @see celery 5.6, worker/request.py, `execute_using_pool`
   */
  #limit(): void {
    const { timeLimits, defaultLimit, state } = this.#context
    const { message, policy } = this
    const own = state.limits.get(message.task)
    const ownSoft = own === undefined ? policy.softTimeLimit : own.soft
    const ownHard = own === undefined ? policy.timeLimit : own.hard
    const soft = message.softTimeLimit || ownSoft || defaultLimit.soft || null
    const hard = message.timeLimit || ownHard || defaultLimit.hard || null
    if (soft !== null || hard !== null) this.#release = timeLimits.start(this, { soft, hard })
  }

  #end(): void {
    this.#release?.()
    this.#context.state.ready(this)
  }

  /** Only the first answer counts. */
  #settle(how: Settle): void {
    if (this.#settled) return
    this.#settled = true
    this.#context.settlements.settle(this.delivery, how)
  }
}
