/** The port that a task sends through: the app implements it, and so does eager mode. */

import type { SignatureDict } from '../../protocol/signature.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { ResultNode } from '../results/tree.ts'
import type { Seconds } from '../runtime/duration.ts'

export type { Seconds } from '../runtime/duration.ts'

/** A point in time: a Date, or anything that has one inside, such as luxon's DateTime. */
export type Instant = Date | { toJSDate(): Date } | { toISO(): string | null }

/** Anything that names a call: a signature handle, or the plain data that goes on the wire. */
export type SignatureLike = SignatureDict | { toJSON(): SignatureDict }

/**
 * The options of a call, as Celery's `apply_async` has them.
 *
 * @see celery 5.6, app/task.py, `Task.apply_async`
 */
export interface CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** Run no earlier than this many seconds from now. */
  readonly countdown?: Seconds
  /** Run no earlier than this. Not together with `countdown`. */
  readonly eta?: Instant | string
  /** Do not run later than this: seconds from now, or a point in time. */
  readonly expires?: Seconds | Instant | string
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  /** 0 to 9 (255 on RabbitMQ). On RabbitMQ the higher goes first, on Redis the lower. */
  readonly priority?: number
  /** `json`, `msgpack`, `yaml` or a registered one. */
  readonly serializer?: string
  /** `zlib`, `gzip`, `brotli`, `zstd`, … */
  readonly compression?: string
  /** Merged over the message's headers, as Celery does. */
  readonly headers?: Readonly<Record<string, unknown>>
  /** @default a new UUID */
  readonly taskId?: string
  /** Shown in place of the task's name in logs and monitors. */
  readonly shadow?: string
  readonly ignoreResult?: boolean
  /** Seconds until the task is ended. */
  readonly timeLimit?: Seconds
  /** Seconds until the task is told to end. */
  readonly softTimeLimit?: Seconds
  readonly retries?: number
  readonly replyTo?: string
  readonly link?: SignatureLike | readonly SignatureLike[]
  readonly linkError?: SignatureLike | readonly SignatureLike[]
  /** Signatures that run after this one, the next one LAST, as on the wire. */
  readonly chain?: readonly SignatureDict[]
  /** The body of the chord that this call is a header of. */
  readonly chord?: SignatureDict
  readonly groupId?: string
  readonly groupIndex?: number
  readonly rootId?: string
  readonly parentId?: string
  readonly replacedTaskNesting?: number
  readonly stamps?: Readonly<Record<string, unknown>>
  /** Who sent it first; a retry keeps it. @default this process, such as `gen4489@host` */
  readonly origin?: string
  /** Count it among the children of the task that sends it. @default true */
  readonly addToParent?: boolean
  /** Shown as the arguments in logs and monitors, in place of their `repr`. */
  readonly argsrepr?: string
  readonly kwargsrepr?: string
  /** Message properties of your own. */
  readonly properties?: Readonly<Record<string, unknown>>
  /** 1 is kept in memory only, 2 survives a restart of the broker. @default 2 */
  readonly deliveryMode?: 1 | 2
  /** Try again when the broker cannot be reached. @default taskPublishRetry */
  readonly retry?: boolean
  /** Seconds until the call gives up. @default 30 */
  readonly timeout?: Seconds
  readonly signal?: AbortSignal
}

/** Sends one call by the task's name; resolves when the broker has it. */
export interface Sender {
  send<R>(task: string, args: readonly unknown[], options: CallOptions): Promise<AsyncResult<R>>
  /** Runs a canvas here and now, where nothing is sent: undefined where it is. */
  apply?(
    canvas: SignatureDict,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<ResultNode> | undefined
}
