/** What a run is asked for, and what came of it: both plain data, so that they can cross to a child process. */

import type { Headers, Properties } from '../../protocol/message.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'

/** How the message came. */
export interface DeliveryInfo {
  readonly exchange: string
  readonly routingKey: string
  readonly priority: number | null
  readonly redelivered: boolean
}

/** One call of a task as the tracer gets it: the message, and how it came. */
export interface TaskRequest extends TaskMessage {
  /** The node name of the worker, `celery@host`; null here and now. */
  readonly hostname: string | null
  readonly deliveryInfo: DeliveryInfo
  readonly replyTo: string | null
  readonly correlationId: string | null
  readonly properties: Properties
  /** All headers as they came, Celery's own too. */
  readonly headers: Headers
  /** Run by `apply()`, without a message. */
  readonly isEager: boolean
  /** Called as a function, outside any run. */
  readonly calledDirectly: boolean
}

/** What came of a run; everything that the worker logs, settles and tells others by. */
export type Outcome = {
  /** Seconds that the body took. */
  readonly runtime: number
} & (
  | {
      readonly state: 'SUCCESS'
      /** `saferepr` of the return value; made when it is asked for. */
      readonly resultRepr: string
    }
  | {
      readonly state: 'FAILURE'
      /** Such as `ValueError('boom', 42)`. */
      readonly exceptionRepr: string
      readonly traceback: string
      /** The type is in the task's `throws`. */
      readonly expected: boolean
      /** The soft or the hard time limit passed. */
      readonly timedOut: boolean
    }
  | {
      readonly state: 'RETRY'
      /** Such as `Retry in 180s: ValueError('nope')`. */
      readonly message: string
      readonly exceptionRepr: string
      readonly traceback: string
    }
  | { readonly state: 'IGNORED' }
  | { readonly state: 'REJECTED'; readonly reason: string; readonly requeue: boolean }
  | {
      /** Not run: it was redelivered and is done already. */
      readonly state: 'DUPLICATE'
    }
  | {
      /** The run could not be completed: the result or what follows could not be sent. */
      readonly state: 'INTERNAL_ERROR'
      readonly exceptionRepr: string
      readonly traceback: string
    }
)
