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

/** A chord whose header is among the calls. Its size must be known before one of its parts ends. */
export interface PlannedChord {
  /** How many parts end before its body runs. */
  readonly size: number
  readonly header: PlannedResult
  /** With its id: what runs then. */
  readonly body: SignatureDict
}

export interface Plan {
  readonly calls: readonly PlannedCall[]
  /** What the caller gets: the last of a chain, the group of a group, the body of a chord. */
  readonly result: PlannedResult
  readonly chords?: readonly PlannedChord[]
  /** The group that it starts: the child of the task that sends it, in place of the members. */
  readonly started?: PlannedResult
}

/** What a caller adds to a signature: arguments go before its own, options win over its own. */
export interface Given {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: WireOptions
}

/** Adds what came before to the first of a line of results. */
export function withAncestor(result: PlannedResult, ancestor: PlannedResult | null): PlannedResult {
  const line: PlannedResult[] = []
  for (let at: PlannedResult | null = result; at !== null; at = at.parent) line.push(at)
  return line.reduceRight<PlannedResult>(
    (parent, at) => ({ ...at, parent: at.parent === null ? ancestor : parent }),
    result,
  )
}

export const NOTHING_GIVEN: Given = { args: [], kwargs: {}, options: {} }

/** How a signature is given its ids before it is sent. @see celery 5.6, canvas.py, `Signature.freeze` */
export interface FreezeOptions {
  readonly taskId?: string | undefined
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly groupId?: string | undefined
  readonly groupIndex?: number | undefined
  /** The body of the chord that it is a part of. */
  readonly chord?: SignatureDict | undefined
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
  /** Whether the errbacks of a chord are also those of its header. @default false */
  readonly errbacksOnHeader?: boolean
}
