/** The worker's own hooks: its start and its end, and what it did with messages before they ran. */

import type { Message } from '../../protocol/message.ts'
import type { Conf, Settings } from '../conf/settings.ts'
import type { Queue } from '../messaging/entity.ts'
import { Signal } from '../runtime/signal.ts'
import type { TaskRequest } from '../task/request.ts'

/** The worker, as those who listen may use it. */
export interface WorkerInstance {
  readonly hostname: string
  /** What it consumes. */
  readonly queues: readonly Queue[]
  /** Ends it, warm. */
  stop(): Promise<void>
  /** Ends it, cold. */
  terminate(): Promise<void>
}

export interface WorkerEvent {
  /** The node name, `celery@host`; the sender too. */
  readonly hostname: string
}

export interface WorkerInstanceEvent extends WorkerEvent {
  readonly instance: WorkerInstance
}

export interface CelerydInitEvent extends WorkerEvent {
  readonly conf: Conf
  /** The options of the command line. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface CelerydAfterSetupEvent extends WorkerInstanceEvent {
  readonly conf: Settings
}

export interface ShuttingDownEvent extends WorkerEvent {
  /** Such as `SIGTERM`; undefined when the program asked for it. */
  readonly sig: string | undefined
  readonly how: 'Warm' | 'Cold'
  readonly exitcode: number
}

/** A process or a thread of the pool `prefork` or `threads`. */
export interface ProcessEvent extends WorkerEvent {
  readonly pid: number
}

export interface RejectedEvent {
  readonly message: Message
  readonly exc: Error
}

export interface UnknownEvent extends RejectedEvent {
  readonly name: string
  readonly id: string | null
}

/** First of all, from the command, when the app is loaded: settings for the worker of that name may still be changed. */
export const celerydInit: Signal<CelerydInitEvent> = new Signal('celerydInit')
/** It is set up, and its queues are chosen. */
export const celerydAfterSetup: Signal<CelerydAfterSetupEvent> = new Signal('celerydAfterSetup')
/** Before anything is opened. @see celery 5.6, signals.py */
export const workerInit: Signal<WorkerInstanceEvent> = new Signal('workerInit')
/** It consumes. */
export const workerReady: Signal<WorkerInstanceEvent> = new Signal('workerReady')
/** It was told to stop. */
export const workerShuttingDown: Signal<ShuttingDownEvent> = new Signal('workerShuttingDown')
/** Everything is closed. */
export const workerShutdown: Signal<WorkerInstanceEvent> = new Signal('workerShutdown')
/** The pool is about to start a child, or another one; heard in the worker's own process. */
export const workerBeforeCreateProcess: Signal<WorkerEvent> = new Signal(
  'workerBeforeCreateProcess',
)
/** A child has loaded the app and runs no task yet; heard there. */
export const workerProcessInit: Signal<ProcessEvent> = new Signal('workerProcessInit')
/** A child was told to end, and closes the app next; heard there, but not when it is killed. */
export const workerProcessShutdown: Signal<ProcessEvent & { readonly exitcode: number }> =
  new Signal('workerProcessShutdown')
/** A valid call of a known task has come; its sender is the worker. */
export const taskReceived: Signal<{ readonly request: TaskRequest }> = new Signal('taskReceived')
/** A task was discarded; its sender is the task's name. */
export const taskRevoked: Signal<{
  readonly request: TaskRequest
  readonly terminated: boolean
  readonly signum: number | null
  readonly expired: boolean
}> = new Signal('taskRevoked')
/** A message was refused. */
export const taskRejected: Signal<RejectedEvent> = new Signal('taskRejected')
/** A message named a task that is not registered. */
export const taskUnknown: Signal<UnknownEvent> = new Signal('taskUnknown')
