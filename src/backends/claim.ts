/** Who ends a chord whose parts are complete: one run, even when its message has come twice. */

import type { ReturnedPart } from '../results/backend.ts'

/** No run has a space in its name; what takes over has none. */
export function claimOf({ taskId, run = '' }: ReturnedPart): string {
  return `${run} ${taskId}`
}

/** Whether the claim that somebody holds is that of this part. */
export function holds(claim: string, part: ReturnedPart): boolean {
  if (claim === claimOf(part)) return true
  return part.run === undefined && claim.slice(claim.indexOf(' ') + 1) === part.taskId
}
