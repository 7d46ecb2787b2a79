/** From the options of a call to the exchange and routing key: routes, queues and defaults as Celery merges them. */

import type { Settings } from '../conf/settings.ts'
import type { RouteOptions } from '../conf/structure.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { ExchangeType, Queue } from '../messaging/entity.ts'
import type { CallOptions } from '../task/sender.ts'
import type { Queues, TaskQueue } from './queues.ts'

/** Where a call goes, and what its route says of how. */
export interface Destination {
  /** `''` is the default exchange. */
  readonly exchange: string
  readonly exchangeType: ExchangeType
  readonly routingKey: string
  readonly declare: readonly Queue[]
  readonly deliveryMode: 1 | 2
  /** What the call or its route gave. */
  readonly priority: number | undefined
  readonly serializer: string
  readonly compression: string | undefined
  readonly headers: Readonly<Record<string, unknown>> | undefined
}

const NO_QUEUES: readonly Queue[] = []

/**
 * The call's own options go before its route's; a direct exchange without an exchange or a routing
 * key in the options is the default exchange, and the queue's name the key.
 *
 *     call's queue, else the route's, else (without a route's exchange) the default queue
 *
 * @see celery 5.6, app/routes.py, `Router.route`; app/amqp.py, `send_task_message`
 */
export function destination(
  options: CallOptions,
  route: RouteOptions | undefined,
  queues: Queues,
  conf: Settings,
): Destination {
  const exchange = options.exchange ?? route?.exchange
  const routingKey = options.routingKey ?? route?.routingKey
  const target = targetOf(options.queue ?? route?.queue, route, exchange, queues)
  const exchangeType = route?.exchangeType ?? target?.exchange.type ?? 'direct'
  const isDefault = exchangeType === 'direct' && (!exchange || !routingKey)
  return {
    exchange: isDefault ? '' : (exchange ?? (target?.exchange.name || conf.taskDefaultExchange)),
    exchangeType,
    routingKey: isDefault
      ? queueName(target, exchange)
      : routingKey || target?.routingKey || conf.taskDefaultRoutingKey,
    declare: target?.declare ?? NO_QUEUES,
    deliveryMode:
      options.deliveryMode ??
      route?.deliveryMode ??
      target?.deliveryMode ??
      conf.taskDefaultDeliveryMode,
    priority: options.priority ?? route?.priority,
    serializer: options.serializer ?? route?.serializer ?? conf.taskSerializer,
    compression: options.compression ?? route?.compression ?? conf.taskCompression ?? undefined,
    headers: options.headers ?? route?.headers,
  }
}

/** Only a route that names an exchange and no queue goes without one. */
function targetOf(
  queue: string | undefined,
  route: RouteOptions | undefined,
  exchange: string | undefined,
  queues: Queues,
): TaskQueue | undefined {
  if (queue !== undefined) return queues.target(queue)
  return route === undefined || exchange === undefined ? queues.default : undefined
}

function queueName(target: TaskQueue | undefined, exchange: string | undefined): string {
  if (target !== undefined) return target.queue.name
  throw new ImproperlyConfigured(
    `a route to the direct exchange '${exchange}' needs a routing key or a queue`,
  )
}
