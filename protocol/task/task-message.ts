/** What both versions of the task message carry: how to run it, its arguments, and what comes after. */

import type { Headers } from '../message.ts'
import type { SignatureDict } from '../signature.ts'

/** What comes after: the third element of a version 2 body. */
export interface Embed {
  /** Run with the result when the task succeeded (`link`). */
  readonly callbacks: readonly SignatureDict[] | null
  /** Run when it failed (`link_error`). */
  readonly errbacks: readonly SignatureDict[] | null
  /** The rest of a chain in reverse: the LAST element runs next. */
  readonly chain: readonly SignatureDict[] | null
  /** The body of the chord that this task is a header of. */
  readonly chord: SignatureDict | null
}

/** Everything that a task message says about its task, without the body's contents. */
export interface TaskHeaders {
  readonly lang: string | null
  readonly task: string
  readonly id: string
  /** Shown in place of the name. */
  readonly shadow: string | null
  /** ISO 8601, as it stood on the wire. */
  readonly eta: string | null
  readonly expires: string | null
  readonly group: string | null
  readonly groupIndex: number | null
  readonly retries: number
  /** Seconds; the hard limit comes first on the wire. */
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly rootId: string | null
  readonly parentId: string | null
  readonly argsrepr: string
  readonly kwargsrepr: string
  readonly origin: string | null
  /** Null when the sender said nothing. */
  readonly ignoreResult: boolean | null
  readonly replacedTaskNesting: number
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: Readonly<Record<string, unknown>>
  /** Headers that are not Celery's: the user's own, `x-death` and kin. */
  readonly custom: Headers
}

/** The contents of the body. */
export interface TaskBody {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly embed: Embed
}

/** A whole task message, read or to be written. */
export interface TaskMessage extends TaskHeaders, TaskBody {
  /** Which version it came in. */
  readonly protocol: 1 | 2
  /**
   * Whether an `eta` or `expires` without an offset is in UTC, or in the timezone of the app. Only
   * version 1 can say so.
   *
   * @default true
   */
  readonly utc?: boolean
}

export const NO_EMBED: Embed = { callbacks: null, errbacks: null, chain: null, chord: null }
