/** A task that takes its process along comes again: so often, and no more. */

import { WorkerLostError } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { Pool } from './pool/pool.ts'

export interface RedeliveryContext {
  /** How often a message is delivered whose runs die; null is without end. */
  readonly maxDeliveries: number | null
  /** Whether the broker counts by itself what comes back from a worker that died. */
  readonly countsDeliveries: (queue: string) => boolean
  readonly pool: Pick<Pool<unknown>, 'info'>
}

/** What becomes of a delivery that is about to run. */
export type Admission = 'run' | 'count' | 'giveUp'

/**
 * A task that is acked late, and runs in the worker's own process, may have ended a worker before:
 * where the broker only says that it was delivered before, that is counted now, as afterwards there
 * may be nobody left to do it. It goes back once for that, and the copy that comes instead runs.
 */
export function admissionOf(delivery: Delivery, context: RedeliveryContext): Admission {
  const { maxDeliveries, countsDeliveries, pool } = context
  if (maxDeliveries === null) return 'run'
  if (delivery.deliveryCount >= maxDeliveries) return 'giveUp'
  if (!delivery.redelivered || countsDeliveries(delivery.queue)) return 'run'
  return pool.info().processes.includes(process.pid) ? 'count' : 'run'
}

export function gaveUp(deliveries: number, reason = 'Worker exited prematurely.'): WorkerLostError {
  return new WorkerLostError(`${reason} Gave up after ${deliveries} deliveries.`)
}
