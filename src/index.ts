/** The public face: an app, its tasks, their results, and the worker that runs them. */

// the app and its settings
export { Celery } from './celery.ts'
export type { CeleryOptions } from './app/celery.ts'
export type { Remote, RemoteTask } from './app/remote.ts'
export type { ConfigOptions, Environment } from './conf/resolve.ts'
export type { Conf, Settings, SettingsInput } from './conf/settings.ts'
export type {
  BeatEntrySetting,
  BindingSetting,
  ExchangeSetting,
  QueueSetting,
  Route,
  RouteFunction,
  RouteOptions,
  TaskAnnotation,
  TaskAnnotations,
  TaskQueues,
  TaskRoutes,
} from './conf/structure.ts'

// tasks, and the run of one
export type { BoundFunction, PlainFunction, Task, TaskMaker } from './task/task.ts'
export type { ErrorMatcher, TaskHooks, TaskOptions } from './task/options.ts'
export type { RetryOptions, TaskContext, UpdateStateOptions } from './task/context.ts'
export type { DeliveryInfo, TaskRequest } from './task/request.ts'
export type { StandardSchema } from './task/standard-schema.ts'

// calls, and those not yet made
export type { CallOptions, Instant, Seconds, SignatureLike } from './task/sender.ts'
export { chain, chord, group, type ChordCall } from './task/compose.ts'
export type { Chunks } from './task/chunks.ts'
export type { Group } from './task/fit.ts'
export { Signature, type SetOptions, type SignatureOptions } from './task/signature.ts'
export type { SignatureMaker } from './task/signature-of.ts'
export type { StampingVisitor, StampOptions } from './canvas/stamp.ts'
export type { SignatureDict } from '../protocol/signature.ts'

// results and states
export { AsyncResult, type AsyncResultOptions } from './results/async-result.ts'
export { EagerResult, type EagerOutcome } from './results/eager-result.ts'
export { GroupResult, type GroupResultOptions } from './results/group-result.ts'
export { ResultSet, type IterateOptions, type ResultSetOptions } from './results/result-set.ts'
export type { Completed } from './results/join.ts'
export type { Collected, CollectOptions, Dependency, GraphOptions } from './results/dependencies.ts'
export { DependencyGraph, type GraphFormat } from './results/graph.ts'
export type {
  DependencyOptions,
  GetOptions,
  MaybeThrowOptions,
  UpdatesOptions,
} from './results/options.ts'
export type { ResultNode } from './results/tree.ts'
export type { RevokeOptions } from './results/source.ts'
export type { ResultBackend } from './results/backend.ts'
export type { ResultMeta } from '../protocol/result.ts'
export * as states from '../protocol/states.ts'
export type { TaskState } from '../protocol/states.ts'

// remote control
export type {
  BroadcastOptions,
  Control,
  PoolRestartCommandOptions,
  RevokeCommandOptions,
  TerminateCommandOptions,
  TimeLimitCommandOptions,
} from './control/control.ts'

// the worker
export { Worker, type WorkerOptions } from './worker/worker.ts'

// errors: what a task may throw, and what a caller may catch
export * from './errors.ts'

// values of Python that JavaScript has no type for
export { PlainDate, PlainTime, PythonDateTime } from '../protocol/python/datetime.ts'
export { Decimal } from '../protocol/python/decimal.ts'
export { Uuid } from '../protocol/python/uuid.ts'

// signals: connect to hear of what happens
export { afterTaskPublish, beforeTaskPublish, type PublishSignal } from './app/signals.ts'
export {
  taskFailure,
  taskInternalError,
  taskPostrun,
  taskPrerun,
  taskRetry,
  taskSuccess,
} from './task/signals.ts'
export {
  celerydAfterSetup,
  celerydInit,
  taskReceived,
  taskRejected,
  taskRevoked,
  taskUnknown,
  workerBeforeCreateProcess,
  workerInit,
  workerProcessInit,
  workerProcessShutdown,
  workerReady,
  workerShutdown,
  workerShuttingDown,
} from './worker/signals.ts'
export type { Receiver, Signal } from './runtime/signal.ts'

// the log
export {
  consoleLogger,
  LOG_LEVELS,
  SILENT,
  type ConsoleLoggerOptions,
  type Logger,
  type LogLevel,
} from './runtime/log.ts'
