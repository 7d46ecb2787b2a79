/** The worker's own hooks: its start and its end, and what it did with messages before they ran. */

import type { Message } from '../../protocol/message.ts'
import { Signal } from '../runtime/signal.ts'
import type { TaskRequest } from '../task/request.ts'

export interface WorkerEvent {
  /** The node name, `celery@host`; the sender too. */
  readonly hostname: string
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
  readonly error: Error
}

export interface UnknownEvent extends RejectedEvent {
  readonly name: string
  readonly id: string | null
}

/** Before anything is opened. @see celery 5.6, signals.py */
export const workerInit: Signal<WorkerEvent> = new Signal('workerInit')
/** It consumes. */
export const workerReady: Signal<WorkerEvent> = new Signal('workerReady')
/** It was told to stop. */
export const workerShuttingDown: Signal<ShuttingDownEvent> = new Signal('workerShuttingDown')
/** Everything is closed. */
export const workerShutdown: Signal<WorkerEvent> = new Signal('workerShutdown')
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
