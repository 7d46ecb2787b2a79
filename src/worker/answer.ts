/** How a delivery is answered, by what came of its run. */

import type { Delivery } from '../messaging/transport.ts'
import type { ResolvedTaskOptions } from '../task/options.ts'
import type { Outcome } from '../task/request.ts'
import type { Settle } from './settlement.ts'

export type AckPolicy = Pick<ResolvedTaskOptions, 'acksOnFailureOrTimeout'>

/**
 * How the delivery is answered after a run; without `acksLate` it has been acked by now.
 *
 *     success, retry, ignored, duplicate    ack
 *     Reject                                requeue or reject, as it asks
 *     failure                               ack; without `acksOnFailureOrTimeout` reject,
 *                                           but requeue when the hard limit passed
 *
 * @see celery 5.6, worker/request.py, `on_success`, `on_failure`
 */
export function settlementOf(outcome: Outcome, policy: AckPolicy, timedOut: boolean): Settle {
  if (outcome.state === 'REJECTED') return outcome.requeue ? 'requeueAnew' : 'reject'
  const failed = outcome.state === 'FAILURE' || outcome.state === 'INTERNAL_ERROR'
  return failed ? answerToFailure(policy, timedOut) : 'ack'
}

/** The failure is stored, whatever the answer: also of a task that runs again. */
export function answerToFailure({ acksOnFailureOrTimeout }: AckPolicy, timedOut: boolean): Settle {
  if (acksOnFailureOrTimeout) return 'ack'
  return timedOut ? 'requeueAnew' : 'reject'
}

/** When a task that has taken its process along shall run again for that. */
export function answerToLoss(
  { deliveryCount }: Pick<Delivery, 'deliveryCount'>,
  maxDeliveries: number | null,
): Extract<Settle, 'requeueCounted' | 'bury'> {
  return maxDeliveries !== null && deliveryCount + 1 >= maxDeliveries ? 'bury' : 'requeueCounted'
}
