/** The remote commands that a worker knows, by name, and what they may touch of it. */

import type { Panel } from '../../control/node.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Autoscaler } from '../autoscale.ts'
import type { Pool } from '../pool/pool.ts'
import type { RateLimits } from '../rate-limit.ts'
import type { Request } from '../request.ts'
import type { WorkerState } from '../state.ts'
import type { Verdicts } from '../verdict.ts'
import { ping } from './inspect.ts'
import { rateLimit, timeLimit } from './limits.ts'
import { autoscale, poolGrow, poolRestart, poolShrink, shutdown } from './pool.ts'
import { revoke, revokeByStampedHeaders, terminate } from './revoke.ts'

/** What the commands may touch. */
export interface PanelHandle {
  readonly state: WorkerState<Request>
  readonly verdicts: Pick<Verdicts, 'revokedById'>
  readonly log: Logger
  readonly hasTask: (name: string) => boolean
  readonly rateLimits: Pick<RateLimits, 'change'>
  readonly pool: Pick<Pool<unknown>, 'size' | 'grow' | 'shrink' | 'restart'>
  /** Whether it may grow and shrink. */
  readonly resizable: boolean
  /** The pool has that many slots now: the prefetch count follows. */
  readonly onResized: (size: number) => void
  /** Undefined when the pool's size is not its business. */
  readonly autoscaler: Pick<Autoscaler, 'update'> | undefined
  /** @see celery 5.6, `worker_pool_restarts` */
  readonly poolRestarts: boolean
  /** Ends the worker, warm. */
  readonly onShutdown: () => void
}

/** @see celery 5.6, worker/control.py, `Panel` */
export function makePanel(handle: PanelHandle): Panel {
  return new Map([
    ['autoscale', autoscale(handle)],
    ['ping', ping()],
    ['pool_grow', poolGrow(handle)],
    ['pool_restart', poolRestart(handle)],
    ['pool_shrink', poolShrink(handle)],
    ['rate_limit', rateLimit(handle)],
    ['revoke', revoke(handle)],
    ['revoke_by_stamped_headers', revokeByStampedHeaders(handle)],
    ['shutdown', shutdown(handle)],
    ['terminate', terminate(handle)],
    ['time_limit', timeLimit(handle)],
  ])
}
