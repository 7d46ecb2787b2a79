/** Task states, their precedence, and the sets that tell a finished task from one on its way. */

export const PENDING = 'PENDING'
export const RECEIVED = 'RECEIVED'
export const STARTED = 'STARTED'
export const SUCCESS = 'SUCCESS'
export const FAILURE = 'FAILURE'
export const REVOKED = 'REVOKED'
export const REJECTED = 'REJECTED'
export const RETRY = 'RETRY'
export const IGNORED = 'IGNORED'

/** A built-in state, or one of the user's own, such as `PROGRESS`. */
export type TaskState = string

/**
 * From the most to the least decided; a state that is not listed ranks where `null` stands.
 *
 * @see celery 5.6, states.py, `PRECEDENCE`
 */
const PRECEDENCE: readonly (string | null)[] = [
  SUCCESS,
  FAILURE,
  null,
  REVOKED,
  STARTED,
  RECEIVED,
  REJECTED,
  RETRY,
  PENDING,
]

/** Nothing more will be stored. */
export const READY_STATES: ReadonlySet<TaskState> = new Set([SUCCESS, FAILURE, REVOKED])
/** More is to come. */
export const UNREADY_STATES: ReadonlySet<TaskState> = new Set([
  PENDING,
  RECEIVED,
  STARTED,
  REJECTED,
  RETRY,
])
/** The result is an exception. */
export const EXCEPTION_STATES: ReadonlySet<TaskState> = new Set([RETRY, FAILURE, REVOKED])
/** `get()` rejects. */
export const PROPAGATE_STATES: ReadonlySet<TaskState> = new Set([FAILURE, REVOKED])

/** The rank of a state, 0 for the most decided. */
export function precedence(state: TaskState): number {
  const rank = PRECEDENCE.indexOf(state)
  return rank === -1 ? PRECEDENCE.indexOf(null) : rank
}
