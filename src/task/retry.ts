/** The next try of a task: which message it is, and when it goes out. */

import { exceptionRepr } from '../../protocol/python/exception.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import { MaxRetriesExceededError, Retry } from '../errors.ts'
import { dateOf, secondsOf } from '../runtime/duration.ts'
import type { RetryOptions } from './context.ts'
import type { TaskRequest } from './request.ts'
import type { CallOptions, Instant } from './sender.ts'

/** What a Retry asks for; it is published when the error has left the task. */
export interface RetryIntent {
  readonly args: readonly unknown[]
  readonly options: CallOptions
}

/** Beside the errors, not in them: an error carries plain facts. */
const intents = new WeakMap<Retry, RetryIntent>()

/** Undefined when it was not made by `self.retry()`: then nothing is sent, as in Celery. */
export function intentOf(error: Retry): RetryIntent | undefined {
  return intents.get(error)
}

export interface RetryLimits {
  readonly maxRetries: number | null
  readonly defaultRetryDelay: number
}

/**
 * @throws MaxRetriesExceededError, or `exc`, when there were enough retries
 * @see celery 5.6, app/task.py, `Task.retry`
 */
export function makeRetry(
  name: string,
  request: TaskRequest,
  limits: RetryLimits,
  options: RetryOptions,
): Retry {
  const {
    exc,
    maxRetries: _max,
    throw: _throw,
    args: newArgs,
    kwargs: newKwargs,
    ...given
  } = options
  if (request.calledDirectly) throw exc ?? new Retry('Task can be retried')
  const retries = request.retries + 1
  const args = newArgs ?? request.args
  const kwargs = newKwargs ?? request.kwargs
  if (limits.maxRetries !== null && retries > limits.maxRetries) {
    throw exc ?? exceeded(name, request.id, limits.maxRetries)
  }
  const countdown =
    given.eta === undefined ? (secondsOf(given.countdown) ?? limits.defaultRetryDelay) : undefined
  const when = countdown ?? pointInTime(given.eta)
  const error = new Retry(messageOf(when, exc), exc, when)
  intents.set(error, {
    args,
    options: {
      ...optionsFrom(request, given),
      ...given,
      ...(countdown === undefined ? {} : { countdown }),
      ...(Object.keys(kwargs).length === 0 ? {} : { kwargs }),
      retries,
    },
  })
  return error
}

/** Celery names the arguments too; as an error's text they would reach the log. */
function exceeded(name: string, id: string, maxRetries: number): MaxRetriesExceededError {
  return new MaxRetriesExceededError(`Can't retry ${name}[${id}] more than ${maxRetries} times`)
}

function pointInTime(eta: Instant | string | undefined): Date | undefined {
  return typeof eta === 'string' ? dateOf(new Date(eta)) : dateOf(eta)
}

/** `Retry in 10s: ValueError('nope')`. @see celery 5.6, exceptions.py, `Retry.__str__` */
function messageOf(when: number | Date | undefined, exc: unknown): string {
  const time =
    when instanceof Date ? `at ${isoformat(when).replace('T', ' ')}` : `in ${when ?? 'None'}s`
  return exc === undefined ? `Retry ${time}` : `Retry ${time}: ${exceptionRepr(exc)}`
}

/**
 * The same message once more. `ignoreResult` is not carried: it is the task's again, as in Celery.
 *
 * @see celery 5.6, app/task.py, `Context.as_execution_options` and `Task.signature_from_request`
 */
function optionsFrom(request: TaskRequest, given: CallOptions): CallOptions {
  const { embed, deliveryInfo } = request
  return present({
    taskId: request.id,
    rootId: request.rootId,
    parentId: request.parentId,
    groupId: request.group,
    groupIndex: request.groupIndex,
    shadow: request.shadow,
    chord: embed.chord,
    chain: embed.chain,
    link: embed.callbacks,
    linkError: embed.errbacks,
    expires: request.expires,
    softTimeLimit: request.softTimeLimit,
    timeLimit: request.timeLimit,
    headers: customHeaders(request),
    replyTo: request.replyTo,
    replacedTaskNesting: request.replacedTaskNesting,
    origin: request.origin,
    stamps: Object.keys(request.stamps).length === 0 ? null : request.stamps,
    priority: deliveryInfo.priority,
    ...routeFrom(request, given),
  })
}

/** Back to where it came from; through the default exchange that is a queue by its name. */
function routeFrom({ deliveryInfo }: TaskRequest, given: CallOptions): CallOptions {
  const { exchange, routingKey } = deliveryInfo
  if (given.queue !== undefined || routingKey === '') return {}
  return exchange === '' ? { queue: routingKey } : { exchange, routingKey }
}

/**
 * What was noted of the last round is not sent on: by a dead-letter exchange, which RabbitMQ would read,
 * and by workers of runs that died (messaging/delivery-count.ts): this one has not.
 */
const NOTED = /^x-(?:(?:first-|last-)?death|celeriac-delivery-count$)/

function customHeaders({ custom }: TaskRequest): Readonly<Record<string, unknown>> | null {
  const entries = Object.entries(custom).filter(([name]) => !NOTED.test(name))
  return entries.length === 0 ? null : Object.fromEntries(entries)
}

/** Without the members that say nothing. */
function present(options: {
  readonly [K in keyof CallOptions]: CallOptions[K] | null
}): CallOptions {
  const entries = Object.entries(options).filter(
    ([, value]) => value !== null && value !== undefined,
  )
  return Object.fromEntries(entries)
}
