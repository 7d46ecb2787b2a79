/** Pool name to pool, under Celery's other names too where they mean the same. */

import { availableParallelism } from 'node:os'
import { ImproperlyConfigured } from '../../errors.ts'
import { AsyncPool } from './async.ts'
import { ChildPool } from './child-pool.ts'
import { childPoolOptions, type ChildrenContext } from './children.ts'
import type { Pool, Runner } from './pool.ts'

type Kind = 'async' | 'solo' | 'prefork' | 'threads'

/** `eventlet` and `gevent` run many tasks in one process: here that is `async`. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['async', 'async'],
  ['eventlet', 'async'],
  ['gevent', 'async'],
  ['solo', 'solo'],
  ['prefork', 'prefork'],
  ['processes', 'prefork'],
  ['threads', 'threads'],
])

/** What the command offers for `--pool`. */
export const POOL_NAMES: readonly string[] = [...KINDS.keys()]

export interface PoolPlan {
  /** What the banner shows. */
  readonly name: Kind
  readonly concurrency: number
}

/**
 * Which pool, and how many tasks at a time. Without a number each takes as many as there are CPUs, as
 * each of Celery's pools does, gevent's too: an operator who moves a worker over, or a task that is
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
  const wanted = concurrency ?? availableParallelism()
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new ImproperlyConfigured(`concurrency must be a whole number from 1, not ${wanted}`)
  }
  return { name: kind, concurrency: kind === 'solo' ? 1 : wanted }
}

/** Nothing is started here. @throws ImproperlyConfigured when children could not know which app to load */
export function openPool<Outcome>(
  { name, concurrency }: PoolPlan,
  runner: Runner<Outcome>,
  children: ChildrenContext,
): Pool<Outcome> {
  if (name === 'async' || name === 'solo') return new AsyncPool(runner, concurrency, name)
  return new ChildPool(childPoolOptions(name, concurrency, children))
}
