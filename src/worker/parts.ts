/** Makes the parts of a worker from its options and the app's settings, and ties them together. */

import { Node, type NodeOptions } from '../control/node.ts'
import type { Connection } from '../messaging/connection.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { ResultBackend } from '../results/backend.ts'
import { MONOTONIC_CLOCK, SYSTEM_CLOCK, type Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import { defaultNodename, hostFormat } from '../runtime/nodename.ts'
import type { Outcome, TaskRequest } from '../task/request.ts'
import { Announcer } from './announcer.ts'
import { makePanel } from './commands/panel.ts'
import { Consumer } from './consumer.ts'
import type { WorkerHost } from './host.ts'
import { LagMonitor } from './lag.ts'
import { guarded } from './log-line.ts'
import { openPool, planPool, type PoolPlan } from './pool/open.ts'
import type { Pool } from './pool/pool.ts'
import { RateLimits } from './rate-limit.ts'
import type { Request } from './request.ts'
import { revokedBounds } from './revoked.ts'
import { Settlements } from './settlement.ts'
import { WorkerState } from './state.ts'
import { Strategy, type StrategyContext } from './strategy.ts'
import { TimeLimits } from './time-limit.ts'
import { Verdicts } from './verdict.ts'

export interface WorkerOptions {
  /** The node name: `w1`, `w1@%h`. @default 'celery@<this host>' */
  readonly hostname?: string
  /** Consume these only; unknown ones are made. @default all of the settings */
  readonly queues?: readonly string[]
  /** Consume all but these. */
  readonly excludeQueues?: readonly string[]
  /** Tasks at a time. @default workerConcurrency, else the number of CPUs */
  readonly concurrency?: number
  /** `async` or `solo`. @default workerPool */
  readonly pool?: string
  /** Messages to fetch for each of those; 0 is no limit. @default workerPrefetchMultiplier */
  readonly prefetchMultiplier?: number
  /** Seconds until a task is told to end, when neither it nor its message says. @default taskSoftTimeLimit */
  readonly softTimeLimit?: number
  /** Seconds until a task is ended. @default taskTimeLimit */
  readonly timeLimit?: number
  /** @default the app's */
  readonly log?: Logger
  /** For points in time: eta and expires. */
  readonly clock?: Clock
}

/** What the parts tell the worker. */
export interface Hooks {
  onDelivery(delivery: Delivery): void
  onLost(): void
  onFailed(error: Error): void
}

export interface Parts {
  readonly hostname: string
  readonly plan: PoolPlan
  readonly log: Logger
  readonly state: WorkerState<Request>
  readonly pool: Pool<Outcome>
  readonly settlements: Settlements
  readonly strategy: Strategy
  readonly consumer: Consumer
  readonly lag: LagMonitor
  /** Hears remote commands, when the settings allow it. */
  readonly node: Node | undefined
}

/** Nothing is opened here. */
export function makeParts(host: WorkerHost, options: WorkerOptions, hooks: Hooks): Parts {
  const log = guarded(options.log ?? host.log)
  const hostname = hostFormat(defaultNodename(options.hostname))
  const clock = options.clock ?? SYSTEM_CLOCK
  const plan = planPool(
    options.pool ?? host.conf.workerPool,
    options.concurrency ?? host.conf.workerConcurrency ?? undefined,
  )
  const state = new WorkerState<Request>(clock, revokedBounds(process.env))
  const settlements = new Settlements(log, clock)
  const tracer = host.tracer(hostname)
  const pool = openPool(plan, (job, source) => tracer(job.payload as TaskRequest, source))
  const connection = host.connectionForRead()
  const consumer = makeConsumer(host, options, { ...hooks, plan, log, connection })
  const backend = (): ResultBackend => host.backend
  const verdicts = new Verdicts({ backend, log, extended: host.conf.resultExtended })
  const { prefetch } = consumer
  settlements.onSettled = () => consumer.settled()
  const holdLimit = (): number => connection.capabilities.holdLimit
  const rateLimits = makeRateLimits(host, options)
  const countsDeliveries = (queue: string): boolean => countsFor(host, connection, queue)
  const carried = { log, hostname, clock, state, settlements, pool, prefetch, holdLimit }
  const shared = { ...carried, countsDeliveries, verdicts, rateLimits }
  const strategy = new Strategy(strategyContext(host, options, shared))
  const lag = new LagMonitor({ log, running: () => labels(state.active) })
  const panel = makePanel({ state, verdicts, log })
  const node = makeNode(host, { hostname, connection, panel, log })
  return { hostname, plan, log, state, pool, settlements, strategy, consumer, lag, node }
}

/** RabbitMQ counts in quorum queues, and in no others. */
function countsFor({ queues }: WorkerHost, { capabilities }: Connection, name: string): boolean {
  if (capabilities.countsDeliveries) return true
  const queue = queues.consumeFrom.find((one) => one.name === name)
  return queue?.arguments?.['x-queue-type'] === 'quorum'
}

/** @throws ImproperlyConfigured when a task has a rate limit that is none */
function makeRateLimits({ conf, tasks }: WorkerHost, { clock }: WorkerOptions): RateLimits {
  const rateLimits = new RateLimits({
    clock: clock ?? MONOTONIC_CLOCK,
    rateOf: (task) => tasks.get(task)?.options.rateLimit ?? null,
    enabled: !conf.workerDisableRateLimits,
  })
  rateLimits.check(tasks.names())
  return rateLimits
}

function makeNode(host: WorkerHost, options: Omit<NodeOptions, 'mailbox'>): Node | undefined {
  if (!host.conf.workerEnableRemoteControl) return undefined
  return new Node({ ...options, mailbox: host.control.mailbox })
}

function makeConsumer(
  host: WorkerHost,
  options: WorkerOptions,
  { plan, log, ...hooks }: Hooks & Pick<Parts, 'plan' | 'log'> & Pick<NodeOptions, 'connection'>,
): Consumer {
  const { conf, queues } = host
  const { broker: retry, startup } = retries(conf)
  const multiplier = options.prefetchMultiplier ?? conf.workerPrefetchMultiplier
  queues.select(options.queues ?? [])
  return new Consumer({
    ...hooks,
    queues: queues.deselect(options.excludeQueues ?? []),
    prefetchCount: plan.concurrency * multiplier,
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
  | 'countsDeliveries'
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
  const announcer = new Announcer({ hostname, log, verdicts })
  return {
    ...shared,
    codec,
    marker: host.marker(hostname),
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
