/** The queues that an app knows: those of its settings, and those it makes when they are missing. */

import { randomUUID } from 'node:crypto'
import type { Settings } from '../conf/settings.ts'
import { readQueue } from '../conf/readers.ts'
import type { BindingSetting, ExchangeSetting, QueueSetting } from '../conf/structure.ts'
import { QueueNotFound } from '../errors.ts'
import type { Binding, Exchange, ExchangeType, Queue } from '../messaging/entity.ts'

/** A queue, and how senders reach it. */
export interface TaskQueue {
  readonly queue: Queue
  /** What senders declare first; nothing, where each worker has a queue of its own. */
  readonly declare: readonly Queue[]
  /** Where senders publish to, unless it is direct: then it is the default exchange and the queue's name. */
  readonly exchange: Exchange
  /** The key of the binding; a pattern is sent as it stands, as Celery does. */
  readonly routingKey: string
  readonly deliveryMode: 1 | 2 | null
}

/**
 * Queues by name.
 *
 * @see celery 5.6, app/amqp.py, `Queues`
 */
export class Queues {
  readonly #conf: Settings
  readonly #queues = new Map<string, TaskQueue>()
  /** A subset to consume from; the rest serves for routing only. */
  #selected: Map<string, TaskQueue> | undefined

  constructor(conf: Settings) {
    this.#conf = conf
    const settings = conf.taskQueues
    if (settings === null || settings.length === 0) this.#addDefault()
    else for (const setting of settings) this.#add(setting)
  }

  /** Where tasks go that no route leads elsewhere. */
  get default(): TaskQueue {
    return this.target(this.#conf.taskDefaultQueue)
  }

  /** The queues that a worker consumes: what was selected, or all. */
  get consumeFrom(): readonly Queue[] {
    return [...(this.#selected ?? this.#queues).values()].map(({ queue }) => queue)
  }

  /** @throws QueueNotFound when it is unknown and `taskCreateMissingQueues` is off */
  get(name: string): Queue {
    return this.target(name).queue
  }

  /** The queue and how senders reach it. @throws QueueNotFound */
  target(name: string): TaskQueue {
    return this.#queues.get(name) ?? this.#missing(name)
  }

  has(name: string): boolean {
    return this.#queues.has(name)
  }

  /** One more queue, from its name or as in the settings; it takes the place of one of that name. */
  add(setting: string | QueueSetting): Queue {
    return this.#add(readQueue(setting, 'the queue')).queue
  }

  /**
   * Consume only these, `-Q`; of no names, all again, so that each worker of an app starts afresh.
   *
   * @returns what is consumed then
   * @throws QueueNotFound
   */
  select(names: readonly string[]): readonly Queue[] {
    this.#selected =
      names.length === 0 ? undefined : new Map(names.map((name) => [name, this.target(name)]))
    return this.consumeFrom
  }

  /** Consume all but these: `-X`. Returns what is consumed then. */
  deselect(names: readonly string[]): readonly Queue[] {
    const selected = new Map(this.#selected ?? this.#queues)
    for (const name of names) selected.delete(name)
    if (names.length > 0) this.#selected = selected
    return this.consumeFrom
  }

  /** One more that is consumed, whatever was selected. */
  selectAdd(setting: string | QueueSetting): Queue {
    const name = typeof setting === 'string' ? setting : setting.name
    if (typeof setting !== 'string' || !this.has(name)) this.add(setting)
    const target = this.target(name)
    this.#selected?.set(name, target)
    return target.queue
  }

  #addDefault(): void {
    const { taskDefaultQueue, taskDefaultQueueType, taskDefaultRoutingKey } = this.#conf
    this.#add({
      name: taskDefaultQueue,
      routingKey: taskDefaultRoutingKey,
      ...queueType(taskDefaultQueueType),
    })
  }

  /** @see celery 5.6, app/amqp.py, `Queues.new_missing` */
  #missing(name: string): TaskQueue {
    const conf = this.#conf
    if (!conf.taskCreateMissingQueues) {
      throw new QueueNotFound(`Queue '${name}' missing from task_queues`)
    }
    return this.#add({
      name,
      exchange: { name, type: conf.taskCreateMissingQueueExchangeType ?? 'direct' },
      routingKey: name,
      ...queueType(conf.taskCreateMissingQueueType),
    })
  }

  #add(setting: QueueSetting): TaskQueue {
    const target = setting.broadcast === true ? this.#broadcast(setting) : this.#plain(setting)
    this.#queues.set(setting.name, target)
    return target
  }

  #plain(setting: QueueSetting): TaskQueue {
    const exchange = this.#exchange(setting)
    const routingKey = setting.routingKey || this.#conf.taskDefaultRoutingKey
    const bindings = setting.bindings?.map(binding) ?? [
      { exchange: withoutMode(exchange), routingKey },
    ]
    const queue = entity(setting, setting.name, bindings, this.#conf.taskQueueMaxPriority)
    return {
      queue,
      declare: [queue],
      exchange: withoutMode(exchange),
      routingKey,
      deliveryMode: exchange.deliveryMode ?? null,
    }
  }

  /** @see kombu 5.6, common.py, `Broadcast`: a queue of its own for each consumer, on one fanout exchange */
  #broadcast(setting: QueueSetting): TaskQueue {
    const { name } = setting
    const given =
      typeof setting.exchange === 'string' ? { name: setting.exchange } : setting.exchange
    const exchange = { name, type: 'fanout' as const, ...given }
    const routingKey = setting.routingKey || this.#conf.taskDefaultRoutingKey
    const bindings = [{ exchange: withoutMode(exchange), routingKey }]
    const own = { autoDelete: true, ...setting }
    return {
      queue: entity(own, `bcast.${randomUUID()}`, bindings, this.#conf.taskQueueMaxPriority),
      declare: [],
      exchange: withoutMode(exchange),
      routingKey,
      deliveryMode: exchange.deliveryMode ?? null,
    }
  }

  /** The one that is named; without a name, or with bindings, it is the default exchange of tasks. */
  #exchange(setting: QueueSetting): ExchangeSetting & { readonly type: ExchangeType } {
    const { taskDefaultExchange: name, taskDefaultExchangeType: type } = this.#conf
    const given =
      typeof setting.exchange === 'string' ? { name: setting.exchange } : setting.exchange
    if (given === undefined || !given.name || setting.bindings !== undefined) {
      return { name, type: setting.exchangeType ?? type }
    }
    return { ...given, type: given.type ?? setting.exchangeType ?? 'direct' }
  }
}

function queueType(type: 'classic' | 'quorum'): Pick<QueueSetting, 'queueArguments'> {
  return type === 'classic' ? {} : { queueArguments: { 'x-queue-type': type } }
}

function binding(setting: BindingSetting): Binding {
  const { exchange, routingKey = '' } = setting
  const named = typeof exchange === 'string' ? { name: exchange } : exchange
  return {
    exchange: withoutMode({ ...named, type: named.type ?? 'direct' }),
    routingKey,
    ...(setting.arguments === undefined ? {} : { arguments: setting.arguments }),
  }
}

function withoutMode(exchange: ExchangeSetting & { readonly type: ExchangeType }): Exchange {
  const { deliveryMode: _, ...rest } = exchange
  return rest
}

function entity(
  setting: QueueSetting,
  name: string,
  bindings: readonly Binding[],
  maxPriority: number | null,
): Queue {
  const args = queueArguments(setting, maxPriority)
  const { durable, exclusive, autoDelete, passive } = setting
  return {
    name,
    bindings,
    ...(durable === undefined ? {} : { durable }),
    ...(exclusive === undefined ? {} : { exclusive }),
    ...(autoDelete === undefined ? {} : { autoDelete }),
    ...(passive === undefined ? {} : { passive }),
    ...(Object.keys(args).length === 0 ? {} : { arguments: args }),
  }
}

/** @see kombu 5.6, transport/base.py, `RABBITMQ_QUEUE_ARGUMENTS` */
function queueArguments(
  setting: QueueSetting,
  maxPriority: number | null,
): Readonly<Record<string, unknown>> {
  const { expires, messageTtl, maxLength, maxLengthBytes } = setting
  const priority = setting.maxPriority ?? maxPriority
  return {
    ...(priority === null ? {} : { 'x-max-priority': priority }),
    ...setting.queueArguments,
    ...(expires === undefined ? {} : { 'x-expires': Math.trunc(expires * 1000) }),
    ...(messageTtl === undefined ? {} : { 'x-message-ttl': Math.trunc(messageTtl * 1000) }),
    ...(maxLength === undefined ? {} : { 'x-max-length': maxLength }),
    ...(maxLengthBytes === undefined ? {} : { 'x-max-length-bytes': maxLengthBytes }),
    ...(setting.maxPriority === undefined ? {} : { 'x-max-priority': setting.maxPriority }),
  }
}
