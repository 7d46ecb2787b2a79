/** Pool name to pool: `async` and `solo`, under Celery's other names too where they mean the same. */

import { availableParallelism } from 'node:os'
import { ImproperlyConfigured, NotSupported } from '../../errors.ts'
import { AsyncPool } from './async.ts'
import type { Pool, Runner } from './pool.ts'

type Kind = 'async' | 'solo' | 'later'

/** `eventlet` and `gevent` run many tasks in one process: here that is `async`. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['async', 'async'],
  ['eventlet', 'async'],
  ['gevent', 'async'],
  ['solo', 'solo'],
  ['prefork', 'later'],
  ['processes', 'later'],
  ['threads', 'later'],
])

/** What the command offers for `--pool`. */
export const POOL_NAMES: readonly string[] = [...KINDS.keys()]

export interface PoolPlan {
  /** What the banner shows: `async` or `solo`. */
  readonly name: string
  readonly concurrency: number
}

/**
 * Which pool, and how many tasks at a time. Without a number `async` takes as many as there are CPUs,
 * as each of Celery's pools does, gevent's too: an operator who moves a worker over, or a task that is
 * not ready for company, meets no more parallelism than before. Tasks that wait for the network want
 * `-c 100`.
 *
 * @throws ImproperlyConfigured for an unknown name or a number below 1
 */
export function planPool(name: string, concurrency?: number): PoolPlan {
  const kind = KINDS.get(name)
  if (kind === undefined) {
    throw new ImproperlyConfigured(`no pool '${name}': take one of ${POOL_NAMES.join(', ')}`)
  }
  if (kind === 'later') {
    throw new NotSupported(`the pool '${name}' is not in this release: take 'async' or 'solo'`)
  }
  const wanted = concurrency ?? availableParallelism()
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new ImproperlyConfigured(`concurrency must be a whole number from 1, not ${wanted}`)
  }
  return { name: kind, concurrency: kind === 'solo' ? 1 : wanted }
}

export function openPool<Outcome>(plan: PoolPlan, runner: Runner<Outcome>): Pool<Outcome> {
  return new AsyncPool(runner, plan.concurrency, plan.name)
}
