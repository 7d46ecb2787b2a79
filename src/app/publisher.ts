/** Sends calls as messages: routes them, writes them, and waits until the broker has them. */

import type { Codec } from '../../protocol/codec.ts'
import type { Message, Properties } from '../../protocol/message.ts'
import { isPlainObject, own } from '../../protocol/plain.ts'
import { encodeTask } from '../../protocol/task/encode.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'
import { isPart } from '../canvas/primitives.ts'
import type { Settings } from '../conf/settings.ts'
import { TimeoutError } from '../errors.ts'
import type { Producer } from '../messaging/producer.ts'
import { AsyncResult, type ResultSource } from '../results/async-result.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { deadline, reasonOf } from '../runtime/retry.ts'
import type { TaskRegistry } from '../task/registry.ts'
import type { CallOptions, Sender } from '../task/sender.ts'
import { checkCall, NO_KWARGS, ownProperties, taskMessage } from './call.ts'
import { destination, type Destination } from './destination.ts'
import type { Queues } from './queues.ts'
import type { Router } from './routes.ts'
import { afterTaskPublish, beforeTaskPublish, type PublishSignal } from './signals.ts'
import { seconds, timeOf } from './time.ts'

/** What the app lends to its publisher; what may be opened late is a function. */
export interface PublisherDeps {
  readonly conf: Settings
  readonly tasks: TaskRegistry
  readonly log: Logger
  readonly results: ResultSource
  /** The `reply_to` of calls. */
  readonly oid: string
  /** The `origin` of calls. */
  readonly origin: string
  codec(): Codec
  queues(): Queues
  router(): Router
  producer(): Producer
}

/** The longest `expiration` that RabbitMQ takes: ten years. @see RabbitMQ, rabbit.hrl, `MAX_EXPIRY_TIMER` */
const MAX_EXPIRATION_MS = 315_360_000_000

/**
 * The app's way to the broker.
 *
 * @see celery 5.6, app/base.py, `Celery.send_task`; app/amqp.py, `AMQP.as_task_v2`
 */
export class Publisher implements Sender {
  readonly #deps: PublisherDeps

  constructor(deps: PublisherDeps) {
    this.#deps = deps
  }

  /**
   * @throws ImproperlyConfigured for options that cannot be, EncodeError for arguments that cannot be written
   * @throws OperationalError or TimeoutError when the broker has not confirmed it in time
   */
  async send<R>(
    name: string,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<AsyncResult<R>> {
    const { conf, origin, results } = this.#deps
    checkCall(name, args, options)
    const timeout = timeoutOf(options, conf)
    if (options.signal?.aborted === true) throw reasonOf(options.signal)
    const ignored = options.ignoreResult ?? false
    const started = Date.now()
    const place = this.#destination(name, args, options)
    const { headers } = place
    const task = taskMessage(name, args, options, { conf, origin, now: started, headers })
    const message = this.#encode(task, options, place, started)
    if (!ignored) await this.#announce(task, timeout, options.signal)
    await this.#publish(task, message, place, options, timeout - (Date.now() - started) / 1000)
    return new AsyncResult<R>(task.id, results, ignored ? { ignored } : {})
  }

  #destination(name: string, args: readonly unknown[], options: CallOptions): Destination {
    const { conf, tasks } = this.#deps
    const task = tasks.get(name)
    const kwargs = options.kwargs ?? NO_KWARGS
    const given = options as Readonly<Record<string, unknown>>
    const routed = { name: routeName(name, kwargs), args, kwargs, options: given, task }
    const route = this.#deps.router().route(routed)
    const place = destination(options, route, this.#deps.queues(), conf)
    const priority = conf.taskDefaultPriority
    if (priority === null || task === undefined || options.priority !== undefined) return place
    return { ...place, priority }
  }

  #encode(task: TaskMessage, options: CallOptions, place: Destination, now: number): Message {
    const { conf } = this.#deps
    return encodeTask(task, {
      codec: this.#deps.codec(),
      serializer: place.serializer,
      ...(place.compression === undefined ? {} : { compression: place.compression }),
      protocol: conf.taskProtocol,
      utc: conf.enableUtc,
      properties: this.#properties(task, options, place, now),
    })
  }

  /**
   * Priority is 0 when nobody named one, but absent when the call names its queue: Celery's router
   * leaves it out then.
   */
  #properties(
    task: TaskMessage,
    options: CallOptions,
    place: Destination,
    now: number,
  ): Properties {
    const priority = place.priority ?? (options.queue === undefined ? 0 : undefined)
    const expiration = task.expires === null ? undefined : this.#expiration(task, task.expires, now)
    return {
      correlationId: task.id,
      replyTo: options.replyTo ?? this.#deps.oid,
      deliveryMode: place.deliveryMode,
      ...(priority === undefined ? {} : { priority }),
      ...(expiration === undefined ? {} : { expiration }),
      ...(options.properties === undefined ? {} : ownProperties(options.properties)),
    }
  }

  /**
   * Milliseconds to live; what has expired already gets none. Of more than RabbitMQ takes nothing is
   * said: it would close the channel, and the worker looks at `expires` all the same. Nor of a part of
   * a chord, other than in Celery: RabbitMQ would drop it, and the chord wait for ever.
   */
  #expiration({ id, embed }: TaskMessage, expires: string, now: number): string | undefined {
    const left = timeOf(expires) - now
    if (left > MAX_EXPIRATION_MS || isPart(embed.chord, embed.chain)) return undefined
    if (left >= 0) return String(Math.trunc(left))
    const ago = -left / 1000
    this.#deps.log.warning(`${oneLine(id)} has an expiration date in the past (${ago}s ago).`)
    return '0'
  }

  /** A backend that results are pushed to must listen before the task can be done. */
  #announce({ id }: TaskMessage, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    const { backend } = this.#deps.results
    const listening = backend.onTaskCall(id, signal === undefined ? {} : { signal })
    const late = (): Error => new TimeoutError(`the result backend was not ready in ${timeout} s`)
    return deadline(listening, timeout, late, signal)
  }

  async #publish(
    task: TaskMessage,
    message: Message,
    place: Destination,
    options: CallOptions,
    timeout: number,
  ): Promise<void> {
    const { conf, log } = this.#deps
    const { exchange, exchangeType, routingKey, declare } = place
    const listened = beforeTaskPublish.active || afterTaskPublish.active
    const retry = (options.retry ?? conf.taskPublishRetry) ? conf.taskPublishRetryPolicy : false
    const payload = listened ? signalOf(task, message, place, retry) : undefined
    if (payload !== undefined) await beforeTaskPublish.send(task.task, payload, log)
    await this.#deps.producer().publish(message, {
      exchange,
      routingKey,
      ...(exchange === '' ? {} : { exchangeType }),
      mandatory: exchange === '' || exchangeType !== 'fanout',
      declare,
      retry,
      timeout: Math.max(timeout, 0),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    if (payload !== undefined) await afterTaskPublish.send(task.task, payload, log)
  }
}

/** These go where the task goes that they call. @see celery 5.6, canvas.py, `_basemap.apply_async` */
const MAPS: ReadonlySet<string> = new Set(['celery.map', 'celery.starmap', 'celery.chunks'])

function routeName(name: string, { task }: Readonly<Record<string, unknown>>): string {
  if (!MAPS.has(name) || !isPlainObject(task)) return name
  const inner = own(task, 'task')
  return typeof inner === 'string' ? inner : name
}

function timeoutOf({ timeout }: CallOptions, { taskPublishTimeout }: Settings): number {
  return timeout === undefined ? taskPublishTimeout : seconds(timeout, 'timeout')
}

function signalOf(
  task: TaskMessage,
  message: Message,
  { exchange, routingKey, declare }: Destination,
  retryPolicy: PublishSignal['retryPolicy'],
): PublishSignal {
  return {
    sender: task.task,
    task,
    body: [task.args, task.kwargs, task.embed],
    exchange,
    routingKey,
    headers: message.headers,
    properties: message.properties as Record<string, unknown>,
    declare,
    retryPolicy,
  }
}
