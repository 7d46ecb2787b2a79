/** From delivery to request: refuses what is no task of ours, holds back what has an eta, runs the rest. */

import type { Codec } from '../../protocol/codec.ts'
import { parseIsoformat } from '../../protocol/python/datetime.ts'
import { decodeTask, peekTask } from '../../protocol/task/decode.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'
import { NotRegistered } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import { isEnabled } from '../runtime/log.ts'
import type { Timer } from '../runtime/timer.ts'
import type { DeliveryInfo } from '../task/request.ts'
import type { Prefetch } from './prefetch.ts'
import { refuse, type RefusalContext } from './refusal.ts'
import { Request, type RequestContext, type Schedule, type TaskPolicy } from './request.ts'
import { requestOf } from './wire.ts'

export interface StrategyContext extends RequestContext, RefusalContext {
  /** The node name, `celery@host`. */
  readonly hostname: string
  readonly codec: Codec
  /** Content types that may be decoded. */
  readonly accept: ReadonlySet<string>
  readonly timer: Timer
  readonly prefetch: Pick<Prefetch, 'increment' | 'decrement'>
  /** Undefined when no task of that name is registered. */
  readonly policy: (task: string) => TaskPolicy | undefined
  /** Tells whoever listens. */
  readonly onReceived: (request: Request) => void
}

/** @see celery 5.6, worker/strategy.py, `default` */
export class Strategy {
  readonly #context: StrategyContext

  constructor(context: StrategyContext) {
    this.#context = context
  }

  /** Takes one delivery; whatever is in it, it does not throw, and the delivery gets its answer. */
  receive(delivery: Delivery): void {
    let request: Request
    try {
      request = this.#read(delivery)
    } catch (error) {
      refuse(this.#context, delivery, error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.#start(request)
  }

  /** Gives back all that waits for its eta: the worker stops, or the connection is gone. */
  drop(): void {
    const { timer, state } = this.#context
    timer.clear()
    for (const request of state.scheduled) {
      this.#unschedule(request)
      request.onDropped()
    }
  }

  #read(delivery: Delivery): Request {
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

  #start(request: Request): void {
    const { log, clock, state } = this.#context
    if (isEnabled(log, 'info')) log.info(`Task ${request.label} received`)
    const { eta, expires } = request.schedule
    if ((expires !== undefined || state.revoked.size > 0) && request.revoked()) return
    this.#context.onReceived(request)
    if (eta !== undefined && eta > clock.now()) this.#schedule(request, eta)
    else request.execute()
  }

  /** A waiting task holds its delivery: one more may be fetched in its place. */
  #schedule(request: Request, eta: number): void {
    const { state, timer, prefetch } = this.#context
    state.scheduled.add(request)
    prefetch.increment()
    timer.callAt(eta, () => {
      this.#unschedule(request)
      request.execute()
    })
  }

  #unschedule(request: Request): void {
    this.#context.state.scheduled.delete(request)
    this.#context.prefetch.decrement()
  }
}

function deliveryInfo({ exchange, routingKey, message, redelivered }: Delivery): DeliveryInfo {
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
