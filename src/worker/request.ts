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
import { TaskRevokedError, TimeLimitExceeded } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { isEnabled, type Logger } from '../runtime/log.ts'
import type { ResolvedTaskOptions } from '../task/options.ts'
import type { Outcome, TaskRequest } from '../task/request.ts'
import { wireOf, type WireRequest } from './wire.ts'
import { logOutcome, taskLabel } from './log-line.ts'
import type { JobHandler, Pool } from './pool/pool.ts'
import type { Settle, Settlements } from './settlement.ts'
import type { WorkerState } from './state.ts'
import type { Release, TimeLimit, TimeLimits } from './time-limit.ts'

/** What the worker reads of a task's options. */
export type TaskPolicy = Pick<
  ResolvedTaskOptions,
  | 'acksLate'
  | 'acksOnFailureOrTimeout'
  | 'ignoreResult'
  | 'storeErrorsEvenIfIgnored'
  | 'softTimeLimit'
  | 'timeLimit'
>

/** What all requests of a worker share. */
export interface RequestContext {
  readonly pool: Pool<Outcome>
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
  #settled = false
  #timedOut = false
  /** The signal that its run was ended with. */
  #signum: number | undefined
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
    const { state, log } = this.#context
    if (this.revoked()) return false
    state.accepted(this)
    if (!this.policy.acksLate) this.#settle('ack')
    this.#limit()
    if (isEnabled(log, 'debug')) log.debug(`Task accepted: ${this.label} pid:${pid}`)
    return true
  }

  onOutcome(outcome: Outcome): void {
    this.#end()
    if (this.#signum !== undefined && outcome.state === 'IGNORED') {
      return this.#revoke({ reason: 'terminated', signum: this.#signum })
    }
    this.#settle(settlementOf(outcome, this.policy, this.#timedOut))
    logOutcome(this.#context.log, this, outcome)
  }

  /** The pool could not tell how it ended; Celery takes that for a failure. */
  onError(error: unknown): void {
    this.#end()
    this.#settle(this.policy.acksOnFailureOrTimeout ? 'ack' : 'reject')
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#context.log.critical(`Task ${this.label} INTERNAL ERROR: ${text}`)
  }

  /** It never started: another worker may have it at once. */
  onDropped(): void {
    this.#context.state.ready(this)
    this.requeue()
  }

  /** Gives the delivery back, also from under a run that still goes on; after an early ack it is too late. */
  requeue(): void {
    this.#settle('requeue')
  }

  /**
   * Whether it must not run: its id or a stamp was revoked, or it has expired (which revokes the id).
   * Then it is out of the worker's hands when this returns.
   *
   * @see celery 5.6, worker/request.py, `revoked`
   */
  revoked(): boolean {
    const { state, clock, log } = this.#context
    const { expires } = this.schedule
    const expired = expires !== undefined && clock.now() > expires
    const why = expired ? '' : state.revocation(this.message)
    if (why === undefined) return false
    if (expired) state.revoked.add(this.id)
    state.ready(this)
    if (isEnabled(log, 'info')) log.info(`Discarding revoked task: ${this.label}${why}`)
    this.#revoke({ reason: expired ? 'expired' : 'revoked', signum: null })
    return true
  }

  /**
   * Ends its run, which is REVOKED then, unless it was over already. One that has not started is only
   * discarded once its id was revoked, which is who calls this to do.
   *
   * @returns whether it runs
   * @see celery 5.6, worker/request.py, `terminate`
   */
  terminate(signum: number): boolean {
    if (!this.#context.state.active.has(this)) return false
    this.#signum = signum
    this.abort(new TaskRevokedError('terminated'))
    return true
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
    if (reason instanceof TimeLimitExceeded) this.#timedOut = true
    this.#context.pool.abort(reason, this.#job)
  }

  /**
   * The message's limits first, then the task's, then the worker's; 0 is none.
   *
   * @see celery 5.6, worker/request.py, `execute_using_pool`
   */
  #limit(): void {
    const { timeLimits, defaultLimit } = this.#context
    const soft =
      this.message.softTimeLimit || this.policy.softTimeLimit || defaultLimit.soft || null
    const hard = this.message.timeLimit || this.policy.timeLimit || defaultLimit.hard || null
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

/**
 * How the delivery is answered after a run; without `acksLate` it has been acked by now.
 *
 *     success, retry, ignored, duplicate    ack
 *     Reject                                requeue or reject, as it asks
 *     failure                               ack; without `acksOnFailureOrTimeout` reject,
 *                                           but requeue when the hard limit passed
 *
 * @see celery 5.6, worker/request.py, `on_success`, `on_failure`
 */
export function settlementOf(
  outcome: Outcome,
  policy: Pick<TaskPolicy, 'acksOnFailureOrTimeout'>,
  timedOut: boolean,
): Settle {
  if (outcome.state === 'REJECTED') return outcome.requeue ? 'requeue' : 'reject'
  const failed = outcome.state === 'FAILURE' || outcome.state === 'INTERNAL_ERROR'
  if (!failed || policy.acksOnFailureOrTimeout) return 'ack'
  return timedOut ? 'requeue' : 'reject'
}
