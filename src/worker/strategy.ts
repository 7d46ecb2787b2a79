/** From delivery to request: refuses what is no task of ours, holds back what has an eta, runs the rest. */

import { parseIsoformat } from '../../protocol/python/datetime.ts'
import { decodeTask, peekTask } from '../../protocol/task/decode.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'
import { NotRegistered } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import { isEnabled } from '../runtime/log.ts'
import type { DeliveryInfo } from '../task/request.ts'
import { EtaTasks, type EtaContext } from './eta.ts'
import type { RateLimits } from './rate-limit.ts'
import { refuse, type RefusalContext } from './refusal.ts'
import { Request, type RequestContext, type Schedule, type TaskPolicy } from './request.ts'
import { requestOf } from './wire.ts'

export interface StrategyContext
  extends
    RequestContext,
    Omit<RefusalContext, 'marker'>,
    Omit<EtaContext<Request>, 'settlements' | 'state'> {
  /** The node name, `celery@host`. */
  readonly hostname: string
  /** Undefined when no task of that name is registered. */
  readonly policy: (task: string) => TaskPolicy | undefined
  readonly rateLimits: Pick<RateLimits, 'hold' | 'drop'>
  /** Tells whoever listens. */
  readonly onReceived: (request: Request) => void
}

/**
 * What becomes of a delivery, step by step; each step may be the last.
 *
 *     read       refused when it is no task of ours
 *     revoked    discarded when its id was revoked, or it has expired
 *     aside      comes again later, to whoever is there: nobody need hear of it yet
 *     announce   to those who listen
 *     eta        waits until it is due
 *     rate       waits for its turn, when its task has a rate limit
 *     admit      to the pool
 *
 * @see celery 5.6, worker/strategy.py, `default`
 */
export class Strategy {
  readonly #context: StrategyContext
  readonly #eta: EtaTasks<Request>

  constructor(context: StrategyContext) {
    this.#context = context
    this.#eta = new EtaTasks(context, (request) => this.#admit(request))
  }

  /** Takes one delivery; whatever is in it, it does not throw, and the delivery gets its answer. */
  receive(delivery: Delivery): void {
    const request = this.#read(delivery)
    if (request === undefined) return
    const far = this.#eta.isFar(request)
    if (!far) this.#log(request)
    if (this.#revoked(request)) return
    if (far) return this.#eta.putAside(request)
    this.#context.onReceived(request)
    if (!this.#eta.hold(request)) this.#admit(request)
  }

  /** Gives back all that has not come to the pool: the worker stops, or the connection is gone. */
  drop(): void {
    this.#eta.drop()
    this.#context.rateLimits.drop()
  }

  #read(delivery: Delivery): Request | undefined {
    try {
      return this.#decode(delivery)
    } catch (error) {
      refuse(this.#context, delivery, error instanceof Error ? error : new Error(String(error)))
      return undefined
    }
  }

  #decode(delivery: Delivery): Request {
    const { codec, accept, policy } = this.#context
    const peek = peekTask(delivery.message)
    if (peek !== undefined && policy(peek.task) === undefined) throw new NotRegistered(peek.task)
    const task = decodeTask(delivery.message, codec, accept)
    const found = policy(task.task)
    if (found === undefined) throw new NotRegistered(task.task)
    const { hostname } = this.#context
    const message = requestOf(task, delivery.message, hostname, deliveryInfo(delivery))
    return new Request(delivery, message, found, scheduleOf(task), this.#context)
  }

  /** The label is made when it is asked for. */
  #log(request: Request): void {
    const { log } = this.#context
    if (isEnabled(log, 'info')) log.info(`Task ${request.label} received`)
  }

  /** Most tasks neither expire nor are revoked: these are not looked up. */
  #revoked(request: Request): boolean {
    const { state } = this.#context
    const suspect = request.schedule.expires !== undefined || state.hasRevoked
    return suspect && request.revoked()
  }

  /** It is due. */
  #admit(request: Request): void {
    if (!this.#context.rateLimits.hold(request)) request.execute()
  }
}

/** What comes back counted is a copy, and no redelivery to the broker; to the task it is one. */
function deliveryInfo(delivery: Delivery): DeliveryInfo {
  const { exchange, routingKey, message } = delivery
  const redelivered = delivery.redelivered || delivery.deliveryCount > 0
  return { exchange, routingKey, priority: message.properties.priority ?? null, redelivered }
}

const NO_SCHEDULE: Schedule = { eta: undefined, expires: undefined }

/** A time without an offset is UTC, as for Celery. */
function scheduleOf({ eta, expires }: TaskMessage): Schedule {
  if (eta === null && expires === null) return NO_SCHEDULE
  return {
    eta: eta === null ? undefined : atLeast(eta),
    expires: expires === null ? undefined : parseIsoformat(expires).getTime(),
  }
}

/** The first millisecond that is not before it: a part of one is rounded up, so that nothing is early. */
function atLeast(eta: string): number {
  const time = parseIsoformat(eta)
  return time.getTime() + (time.microsecond % 1000 > 0 ? 1 : 0)
}
