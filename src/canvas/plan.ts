/** What a plan is: the calls to send, in order, and the tree of results that they will make. */

import type { WireOptions } from '../../protocol/call-options.ts'
import type { SignatureDict } from '../../protocol/signature.ts'

/** One task message to send. */
export interface PlannedCall {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** `apply_async` options under their wire names. */
  readonly options: WireOptions
}

/** A result to come, what came before it, and the members when it is a group's. */
export interface PlannedResult {
  readonly id: string
  readonly parent: PlannedResult | null
  readonly members?: readonly PlannedResult[]
}

export interface Plan {
  readonly calls: readonly PlannedCall[]
  /** What the caller gets: the last of a chain, the group of a group. */
  readonly result: PlannedResult
}

/** What a caller adds to a signature: arguments go before its own, options win over its own. */
export interface Given {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: WireOptions
}

export const NOTHING_GIVEN: Given = { args: [], kwargs: {}, options: {} }

/** How a signature is given its ids before it is sent. @see celery 5.6, canvas.py, `Signature.freeze` */
export interface FreezeOptions {
  readonly taskId?: string
  readonly rootId?: string
  readonly parentId?: string
  readonly groupId?: string
  readonly groupIndex?: number
  readonly chord?: SignatureDict
}

/** A signature with its ids, and the result that it will make. */
export interface Frozen {
  readonly signature: SignatureDict
  readonly result: PlannedResult
}

/** What a planner may not know by itself: canvas has no random and no app. */
export interface PlanEnvironment {
  /** Makes a task id. */
  readonly nextId: () => string
  /** The `reply_to` of frozen signatures: the sending app's oid. */
  readonly replyTo: string
  /** Join the tasks of a chain by `link`, as task protocol 1 must. @default false */
  readonly useLink?: boolean
}
