/** Makes the parts of a worker from its options and the app's settings, and ties them together. */

import type { Delivery } from '../messaging/transport.ts'
import type { ResultBackend } from '../results/backend.ts'
import { SYSTEM_CLOCK } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import { defaultNodename, hostFormat } from '../runtime/nodename.ts'
import type { Outcome, TaskRequest } from '../task/request.ts'
import { Announcer } from './announcer.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import type { WorkerHost } from './host.ts'
import { LagMonitor } from './lag.ts'
import { guarded } from './log-line.ts'
import { makeOperations, type Operations, type OperationsOptions } from './operations.ts'
import type { ChildrenOptions } from './pool/children.ts'
import { openPool, planPool, type PoolPlan } from './pool/open.ts'
import type { Pool } from './pool/pool.ts'
import type { Request } from './request.ts'
import { revokedBounds } from './revoked.ts'
import { Settlements } from './settlement.ts'
import { WorkerState } from './state.ts'
import { Strategy, type StrategyContext } from './strategy.ts'
import { TimeLimits } from './time-limit.ts'
import { Verdicts } from './verdict.ts'

export interface WorkerOptions extends OperationsOptions, ChildrenOptions {
  /** The node name: `w1`, `w1@%h`. @default 'celery@<this host>' */
  readonly hostname?: string
  /** Consume these only; unknown ones are made. @default all of the settings */
  readonly queues?: readonly string[]
  /** Consume all but these. */
  readonly excludeQueues?: readonly string[]
  /** Tasks at a time. @default workerConcurrency, else the number of CPUs */
  readonly concurrency?: number
  /** `async`, `solo`, `prefork` or `threads`. @default workerPool */
  readonly pool?: string
  /** Messages to fetch for each of those; 0 is no limit. @default workerPrefetchMultiplier */
  readonly prefetchMultiplier?: number
  /** Fetch a message only when it can run at once; on Redis brokers only. @default workerDisablePrefetch */
  readonly disablePrefetch?: boolean
  /** @default the app's */
  readonly log?: Logger
}

/** What the parts tell the worker. */
export interface Hooks {
  onDelivery(delivery: Delivery): void
  onLost(): void
  onFailed(error: Error): void
  /** A remote command asked for it. */
  onShutdown(): void
}

export interface Parts extends Operations {
  readonly hostname: string
  readonly plan: PoolPlan
  readonly log: Logger
  readonly state: WorkerState<Request>
  readonly pool: Pool<Outcome>
  readonly settlements: Settlements
  readonly strategy: Strategy
  readonly consumer: Consumer
  readonly lag: LagMonitor
}

/** Nothing is opened here. */
export function makeParts(host: WorkerHost, options: WorkerOptions, hooks: Hooks): Parts {
  const log = guarded(options.log ?? host.log)
  const hostname = hostFormat(defaultNodename(options.hostname))
  const clock = options.clock ?? SYSTEM_CLOCK
  const plan = planOf(host, options)
  const state = new WorkerState<Request>(clock, revokedBounds(process.env))
  const settlements = new Settlements(log, clock)
  const tracer = host.tracer(hostname)
  const children = {
    host,
    options,
    hostname,
    log,
    onFailed: (error: Error) => hooks.onFailed(error),
  }
  const pool = openPool(plan, (job, source) => tracer(job.payload as TaskRequest, source), children)
  const connection = host.connectionForRead()
  // @see celery 5.6, worker/consumer/tasks.py, `can_consume`
  const free = (): number => (operations.autoscaler?.range[0] ?? pool.size) - state.reserved.size
  const canConsume = (options.disablePrefetch ?? host.conf.workerDisablePrefetch) ? free : undefined
  const consumer = makeConsumer(host, options, { ...hooks, plan, log, connection, canConsume })
  if (canConsume !== undefined) state.onReady = () => consumer.canConsumeMore()
  const backend = (): ResultBackend => host.backend
  const verdicts = new Verdicts({ backend, log, extended: host.conf.resultExtended })
  const { prefetch } = consumer
  settlements.onSettled = () => consumer.settled()
  const holdLimit = (): number => connection.capabilities.holdLimit
  const multiplier = multiplierOf(host, options)
  const common = { hostname, plan, pool, prefetch, multiplier, connection, state, verdicts, log }
  const onShutdown = (): void => hooks.onShutdown()
  const operations = makeOperations(host, options, { ...common, onShutdown })
  const { rateLimits } = operations
  const carried = { log, hostname, clock, state, settlements, pool, prefetch, holdLimit }
  const shared = { ...carried, verdicts, rateLimits }
  const strategy = new Strategy(strategyContext(host, options, shared))
  const lag = new LagMonitor({ log, running: () => labels(state.active) })
  const core = { hostname, plan, log, state, pool, settlements, strategy, consumer, lag }
  return { ...core, ...operations }
}

/** A pool that autoscales begins with the least. @see celery 5.6, worker/components.py, `Pool` */
function planOf({ conf }: WorkerHost, options: WorkerOptions): PoolPlan {
  const concurrency = options.concurrency ?? conf.workerConcurrency ?? undefined
  const { autoscale } = options
  const first = autoscale === undefined ? concurrency : Math.max(autoscale[1], 1)
  return planPool(options.pool ?? conf.workerPool, first)
}

function multiplierOf({ conf }: WorkerHost, options: WorkerOptions): number {
  return options.prefetchMultiplier ?? conf.workerPrefetchMultiplier
}

function makeConsumer(
  host: WorkerHost,
  options: WorkerOptions,
  {
    plan,
    log,
    ...hooks
  }: Hooks & Pick<Parts, 'plan' | 'log'> & Pick<ConsumerOptions, 'connection' | 'canConsume'>,
): Consumer {
  const { conf, queues } = host
  const { broker: retry, startup } = retries(conf)
  const multiplier = multiplierOf(host, options)
  queues.select(options.queues ?? [])
  return new Consumer({
    ...hooks,
    queues: queues.deselect(options.excludeQueues ?? []),
    prefetchCount: (options.autoscale?.[0] ?? plan.concurrency) * multiplier,
    prefetchMultiplier: multiplier,
    reducesPrefetch: conf.workerEnablePrefetchCountReduction,
    etaTaskLimit: conf.workerEtaTaskLimit,
    retry,
    retryOnStartup: startup,
    log,
  })
}

/** @see celery 5.6, worker/consumer/consumer.py, `_get_connection_retry_type` */
function retries(conf: WorkerHost['conf']): {
  readonly broker: boolean
  readonly startup: boolean
} {
  const { brokerConnectionRetry: broker, brokerConnectionRetryOnStartup: startup } = conf
  return { broker, startup: startup ?? broker }
}

type Shared = Pick<
  StrategyContext,
  | 'log'
  | 'hostname'
  | 'clock'
  | 'state'
  | 'settlements'
  | 'pool'
  | 'prefetch'
  | 'holdLimit'
  | 'verdicts'
  | 'rateLimits'
>

/** What requests need of the worker, and what becomes of messages that are none. */
function strategyContext(
  host: WorkerHost,
  options: WorkerOptions,
  shared: Shared,
): StrategyContext {
  const { conf, tasks, codec } = host
  const { log, hostname, verdicts } = shared
  const marker = host.marker(hostname)
  const announcer = new Announcer({ hostname, log, verdicts, marker })
  return {
    ...shared,
    codec,
    marker,
    maxDeliveries: conf.maxDeliveries,
    accept: codec.serializers.contentTypes(conf.acceptContent),
    etaHoldLimit: conf.workerEtaHoldLimit ?? Infinity,
    timeLimits: new TimeLimits(log),
    defaultLimit: {
      soft: options.softTimeLimit ?? conf.taskSoftTimeLimit,
      hard: options.timeLimit ?? conf.taskTimeLimit,
    },
    policy: (task) => tasks.get(task)?.options,
    onReceived: (request) => announcer.received(request),
    onRefused: (delivery, error) => announcer.refused(delivery, error),
    onRevoked: (request, revocation) => announcer.revoked(request, revocation),
  }
}

function* labels(requests: Iterable<Request>): Iterable<string> {
  for (const { label } of requests) yield label
}
