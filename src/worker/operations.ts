/** Makes the parts by which an operator steers a worker: limits, autoscale, kept state, remote commands. */

import { Node } from '../control/node.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import { MONOTONIC_CLOCK, type Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import { nodeFormat } from '../runtime/nodename.ts'
import { Autoscaler, autoscaleKeepalive, autoscaleRange, type AutoscaleRange } from './autoscale.ts'
import { makePanel } from './commands/panel.ts'
import type { WorkerHost } from './host.ts'
import type { PoolPlan } from './pool/open.ts'
import type { Pool } from './pool/pool.ts'
import type { Prefetch } from './prefetch.ts'
import { RateLimits } from './rate-limit.ts'
import type { Request } from './request.ts'
import type { WorkerState } from './state.ts'
import { StateDb } from './state-db.ts'
import type { Verdicts } from './verdict.ts'

export interface OperationsOptions {
  /** The most and the least tasks at a time: the pool grows and shrinks in between. */
  readonly autoscale?: AutoscaleRange
  /** The file that revoked ids are kept in; `%n` is the node's name, `%h` its host. @default workerStateDb */
  readonly stateDb?: string
  /** For points in time: eta and expires. */
  readonly clock?: Clock
}

/** What they are made of. */
export interface OperationsContext {
  readonly hostname: string
  readonly plan: PoolPlan
  readonly pool: Pool<unknown>
  readonly prefetch: Pick<Prefetch, 'resize'>
  /** Messages to fetch for each slot of the pool; 0 is no limit. */
  readonly multiplier: number
  readonly connection: Connection
  readonly state: WorkerState<Request>
  readonly verdicts: Verdicts
  readonly log: Logger
  readonly onShutdown: () => void
}

export interface Operations {
  readonly rateLimits: RateLimits
  readonly autoscaler: Autoscaler | undefined
  /** Keeps what was revoked, when a file is named. */
  readonly stateDb: StateDb | undefined
  /** Hears remote commands, when the settings allow it. */
  readonly node: Node | undefined
}

/** @throws ImproperlyConfigured */
export function makeOperations(
  host: WorkerHost,
  options: OperationsOptions,
  context: OperationsContext,
): Operations {
  const { hostname, connection, pool, prefetch, multiplier, log } = context
  const rateLimits = makeRateLimits(host, options)
  const onResized = (size: number): void => prefetch.resize(size * multiplier)
  const autoscaler = makeAutoscaler(options, context, onResized)
  const stateDb = makeStateDb(host, options, context)
  const panel = makePanel({
    ...context,
    hasTask: (name) => host.tasks.has(name),
    rateLimits,
    pool,
    resizable: context.plan.name !== 'solo',
    onResized,
    autoscaler,
    poolRestarts: host.conf.workerPoolRestarts,
  })
  const { mailbox } = host.control
  const node = host.conf.workerEnableRemoteControl
    ? new Node({ hostname, connection, mailbox, panel, log })
    : undefined
  return { rateLimits, autoscaler, stateDb, node }
}

function makeRateLimits({ conf, tasks }: WorkerHost, { clock }: OperationsOptions): RateLimits {
  const rateLimits = new RateLimits({
    clock: clock ?? MONOTONIC_CLOCK,
    rateOf: (task) => tasks.get(task)?.options.rateLimit ?? null,
    enabled: !conf.workerDisableRateLimits,
  })
  rateLimits.check(tasks.names())
  return rateLimits
}

function makeAutoscaler(
  { autoscale, clock }: OperationsOptions,
  { pool, plan, state, log }: OperationsContext,
  onMax: (max: number) => void,
): Autoscaler | undefined {
  if (autoscale === undefined) return undefined
  if (plan.name === 'solo') {
    throw new ImproperlyConfigured("the pool 'solo' cannot autoscale: it runs one task at a time")
  }
  const keepalive = autoscaleKeepalive(process.env)
  return new Autoscaler({
    range: autoscaleRange(...autoscale),
    pool,
    reserved: () => state.reserved.size,
    onMax,
    log,
    ...(keepalive === undefined ? {} : { keepalive }),
    ...(clock === undefined ? {} : { clock }),
  })
}

function makeStateDb(
  { conf, control }: WorkerHost,
  { stateDb = conf.workerStateDb ?? undefined }: OperationsOptions,
  { hostname, state, log }: OperationsContext,
): StateDb | undefined {
  if (stateDb === undefined || stateDb === '') return undefined
  const path = nodeFormat(stateDb, hostname)
  return new StateDb({ path, state, lamport: control.mailbox.clock, log })
}
