/** The request of a run that no message asked for: `apply()`, or a call as a function. */

import { NO_EMBED } from '../../protocol/task/task-message.ts'
import type { TaskRequest } from './request.ts'

/** Celery's defaults of a request. @see celery 5.6, app/task.py, `Context` */
const BLANK: Omit<TaskRequest, 'task' | 'args' | 'kwargs'> = {
  protocol: 2,
  lang: 'py',
  id: '',
  shadow: null,
  eta: null,
  expires: null,
  group: null,
  groupIndex: null,
  retries: 0,
  timeLimit: null,
  softTimeLimit: null,
  rootId: null,
  parentId: null,
  argsrepr: '',
  kwargsrepr: '',
  origin: null,
  ignoreResult: null,
  replacedTaskNesting: 0,
  stampedHeaders: null,
  stamps: {},
  custom: {},
  embed: NO_EMBED,
  hostname: null,
  deliveryInfo: { exchange: '', routingKey: '', priority: null, redelivered: false },
  replyTo: null,
  correlationId: null,
  properties: {},
  headers: {},
  isEager: false,
  calledDirectly: false,
}

export function localRequest(
  request: Pick<TaskRequest, 'task' | 'args' | 'kwargs'> & Partial<TaskRequest>,
): TaskRequest {
  return { ...BLANK, ...request }
}

let never: AbortSignal | undefined

/** A signal that nobody aborts. */
export function neverAborted(): AbortSignal {
  never ??= new AbortController().signal
  return never
}
