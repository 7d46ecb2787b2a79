/** The signals of sending a task; the sender is the task's name. */

import type { TaskMessage } from '../../protocol/task/task-message.ts'
import type { Queue } from '../messaging/entity.ts'
import type { RetryPolicy } from '../runtime/retry.ts'
import { Signal } from '../runtime/signal.ts'

export interface PublishSignal {
  /** The task's name. */
  readonly sender: string
  /** The call, as it was before it was encoded. */
  readonly task: TaskMessage
  /** Its arguments and what follows it, as protocol 2 has them in the body. */
  readonly body: readonly [TaskMessage['args'], TaskMessage['kwargs'], TaskMessage['embed']]
  readonly exchange: string
  readonly routingKey: string
  /** As they go on the wire: before the publish they may still be changed. */
  readonly headers: Record<string, unknown>
  /** The same of the properties, under our names. */
  readonly properties: Record<string, unknown>
  /** What is declared before it is sent. */
  readonly declare: readonly Queue[]
  /** How it is tried again when the broker cannot be reached; false is not at all. */
  readonly retryPolicy: RetryPolicy | false
}

/** Just before a task is sent; receivers are awaited, and may change its headers and properties. */
export const beforeTaskPublish: Signal<PublishSignal> = new Signal('beforeTaskPublish')

/** When the broker has it. */
export const afterTaskPublish: Signal<PublishSignal> = new Signal('afterTaskPublish')
