/** The options of a task: Celery's task attributes, checked and completed. */

import type { SignatureDict } from '../../protocol/signature.ts'
import type { TaskState } from '../../protocol/states.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { secondsOf } from '../runtime/duration.ts'
import { hint } from '../runtime/nearest.ts'
import { perSecond } from '../runtime/rate.ts'
import type { RetryOptions, TaskContext } from './context.ts'
import type { CallOptions, Seconds } from './sender.ts'
import type { StandardSchema } from './standard-schema.ts'

/** A class of errors, or a function that tells whether an error is meant. */
export type ErrorMatcher = (new (...args: never) => Error) | ((error: unknown) => boolean)

/**
 * What runs around the body; each may be async. An error in `beforeStart` fails the run; the others come
 * when its result is stored: an error in them is logged, and changes nothing.
 */
export interface TaskHooks {
  readonly beforeStart?: (self: TaskContext) => unknown
  readonly onSuccess?: (self: TaskContext, result: unknown) => unknown
  readonly onFailure?: (self: TaskContext, error: unknown, traceback: string) => unknown
  readonly onRetry?: (self: TaskContext, error: unknown, traceback: string) => unknown
  /** After SUCCESS and FAILURE; not after a retry. */
  readonly afterReturn?: (self: TaskContext, state: TaskState, result: unknown) => unknown
  /** Before what replaces the task is sent; an error in it fails the run. */
  readonly onReplace?: (self: TaskContext, signature: SignatureDict) => unknown
}

/** @see celery 5.6, app/task.py, `Task` */
export interface TaskOptions extends TaskHooks {
  /** Pass the running task as the first argument, `self`. @default false */
  readonly bind?: boolean
  /** The names of the arguments, so that they may come as keywords; `'amount?'` may be left out. */
  readonly params?: readonly string[]
  /**
   * Checks the arguments, and replaces them by what it makes of them. It is given the list of them,
   * or, with `params`, an object by name.
   */
  readonly input?: StandardSchema
  /** Acknowledge after the run instead of before. @default taskAcksLate */
  readonly acksLate?: boolean
  /** With `acksLate`: acknowledge also what failed. @default taskAcksOnFailureOrTimeout */
  readonly acksOnFailureOrTimeout?: boolean
  /** With `acksLate`: run again when the process that ran it died. @default taskRejectOnWorkerLost */
  readonly rejectOnWorkerLost?: boolean
  /** Store the state STARTED. @default taskTrackStarted */
  readonly trackStarted?: boolean
  /** Store nothing. @default taskIgnoreResult */
  readonly ignoreResult?: boolean
  /** @default taskStoreErrorsEvenIfIgnored */
  readonly storeErrorsEvenIfIgnored?: boolean
  /** null is without end. @default 3 */
  readonly maxRetries?: number | null
  /** @default 180 */
  readonly defaultRetryDelay?: Seconds
  /** Retry by itself when one of these is thrown. @default [] */
  readonly autoretryFor?: readonly ErrorMatcher[]
  /** Except these. @default [] */
  readonly dontAutoretryFor?: readonly ErrorMatcher[]
  /** For the retries that it makes by itself. */
  readonly retryKwargs?: RetryOptions
  /** Wait 1, 2, 4, … seconds between those; a number is the factor. @default false */
  readonly retryBackoff?: boolean | number
  /** The longest of those waits. @default 600 */
  readonly retryBackoffMax?: Seconds
  /** Wait a random time up to that. @default true */
  readonly retryJitter?: boolean
  /** Such as `10/m`; a number is per second. @default taskDefaultRateLimit */
  readonly rateLimit?: string | number | null
  /** Seconds until a run is ended. */
  readonly timeLimit?: Seconds
  /** Seconds until a run is told to end. */
  readonly softTimeLimit?: Seconds
  /** Errors that are expected: logged as information. @default [] */
  readonly throws?: readonly ErrorMatcher[]
  /** Check the number of arguments, when called and when run. @default true */
  readonly typing?: boolean
  /** Keep the tasks that it sends as the children of its result. @default true */
  readonly trail?: boolean
  /** Tell monitors of it. @default true */
  readonly sendEvents?: boolean
  /** More of the result's repr than this is cut in logs and events. @default 1024 */
  readonly resultreprMaxsize?: number
  /** The name to show in logs and monitors in place of the task's, for a call that has none of its own. */
  readonly shadowName?: (
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    options: CallOptions,
  ) => string | null | undefined
  /** The rest are the defaults of its calls; a call's own options win. */
  readonly expires?: Seconds
  readonly priority?: number
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  readonly serializer?: string
  readonly compression?: string
  readonly deliveryMode?: 1 | 2
}

/** The settings that stand in for what a task does not say. Members of the app's `conf`. */
export interface TaskSettings {
  readonly taskAcksLate: boolean
  readonly taskAcksOnFailureOrTimeout: boolean
  readonly taskRejectOnWorkerLost: boolean
  readonly taskTrackStarted: boolean
  readonly taskIgnoreResult: boolean
  readonly taskStoreErrorsEvenIfIgnored: boolean
  readonly taskStoreEagerResult: boolean
  readonly taskDefaultRateLimit?: string | number | null | undefined
}

/** The options of a call that a task may have defaults for. */
interface CallDefaults {
  readonly expires?: number
  readonly priority?: number
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  readonly serializer?: string
  readonly compression?: string
  readonly deliveryMode?: 1 | 2
  readonly timeLimit?: number
  readonly softTimeLimit?: number
  readonly ignoreResult?: true
}

/** With every default filled in; times are seconds. */
export interface ResolvedTaskOptions extends TaskHooks {
  readonly bind: boolean
  readonly params: readonly string[] | undefined
  readonly input: StandardSchema | undefined
  readonly acksLate: boolean
  readonly acksOnFailureOrTimeout: boolean
  readonly rejectOnWorkerLost: boolean
  readonly trackStarted: boolean
  readonly ignoreResult: boolean
  readonly storeErrorsEvenIfIgnored: boolean
  readonly storeEagerResult: boolean
  readonly maxRetries: number | null
  readonly defaultRetryDelay: number
  readonly autoretryFor: readonly ErrorMatcher[]
  readonly dontAutoretryFor: readonly ErrorMatcher[]
  readonly retryKwargs: RetryOptions
  /** 0 is off. */
  readonly retryBackoff: number
  readonly retryBackoffMax: number
  readonly retryJitter: boolean
  readonly rateLimit: string | number | null
  readonly timeLimit: number | undefined
  readonly softTimeLimit: number | undefined
  readonly throws: readonly ErrorMatcher[]
  readonly typing: boolean
  readonly trail: boolean
  readonly sendEvents: boolean
  readonly resultreprMaxsize: number
  readonly shadowName: TaskOptions['shadowName']
  readonly calls: CallDefaults
}

type Check = (value: unknown) => boolean

const isBoolean: Check = (value) => typeof value === 'boolean'
const isText: Check = (value) => typeof value === 'string' && value !== ''
const isFunction: Check = (value) => typeof value === 'function'
const isSeconds: Check = (value) => secondsOf(value) !== undefined
const isList =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const isCount: Check = (value) => Number.isInteger(value) && (value as number) >= 0
const isObject: Check = (value) => typeof value === 'object' && value !== null
const isSchema: Check = (value) => isObject(Object(value)['~standard'])
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)

/** Every option, with what it must be. */
const CHECKS: { readonly [Name in keyof Required<TaskOptions>]: readonly [Check, string] } = {
  bind: [isBoolean, 'true or false'],
  params: [isList(isText), 'a list of names'],
  input: [isSchema, 'a Standard Schema, such as one of zod, valibot or arktype'],
  acksLate: [isBoolean, 'true or false'],
  acksOnFailureOrTimeout: [isBoolean, 'true or false'],
  rejectOnWorkerLost: [isBoolean, 'true or false'],
  trackStarted: [isBoolean, 'true or false'],
  ignoreResult: [isBoolean, 'true or false'],
  storeErrorsEvenIfIgnored: [isBoolean, 'true or false'],
  maxRetries: [orNull(isCount), 'a whole number, or null for no limit'],
  defaultRetryDelay: [isSeconds, 'seconds'],
  autoretryFor: [isList(isFunction), 'a list of error classes or of functions that take an error'],
  dontAutoretryFor: [isList(isFunction), 'a list of error classes or of functions'],
  retryKwargs: [isObject, 'an object of options of retry()'],
  retryBackoff: [(value) => isBoolean(value) || isSeconds(value), 'true, false or a factor'],
  retryBackoffMax: [isSeconds, 'seconds'],
  retryJitter: [isBoolean, 'true or false'],
  rateLimit: [
    (value) => perSecond(value) !== undefined,
    "a text such as '10/m' (a unit is s, m or h), a number per second, or null",
  ],
  timeLimit: [isSeconds, 'seconds'],
  softTimeLimit: [isSeconds, 'seconds'],
  throws: [isList(isFunction), 'a list of error classes or of functions'],
  typing: [isBoolean, 'true or false'],
  trail: [isBoolean, 'true or false'],
  sendEvents: [isBoolean, 'true or false'],
  resultreprMaxsize: [isCount, 'a number of characters'],
  expires: [isSeconds, 'seconds'],
  priority: [isCount, 'a number from 0 to 255'],
  queue: [isText, 'the name of a queue'],
  exchange: [(value) => typeof value === 'string', 'the name of an exchange'],
  routingKey: [(value) => typeof value === 'string', 'a routing key'],
  serializer: [isText, 'the name of a serializer'],
  compression: [isText, 'the name of a compression'],
  deliveryMode: [(value) => value === 1 || value === 2, '1 or 2'],
  beforeStart: [isFunction, 'a function'],
  onSuccess: [isFunction, 'a function'],
  onFailure: [isFunction, 'a function'],
  onRetry: [isFunction, 'a function'],
  afterReturn: [isFunction, 'a function'],
  onReplace: [isFunction, 'a function'],
  shadowName: [isFunction, 'a function'],
}

/** @throws ImproperlyConfigured for an unknown option, naming the nearest, and for a wrong value */
export function checkOptions(name: string, options: TaskOptions): void {
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, option)) {
      const nearest = hint(option, Object.keys(CHECKS))
      throw new ImproperlyConfigured(`task '${name}' has an unknown option '${option}'${nearest}`)
    }
    const [check, wanted] = CHECKS[option as keyof TaskOptions]
    if (value !== undefined && !check(value)) {
      throw new ImproperlyConfigured(`option '${option}' of task '${name}' must be ${wanted}`)
    }
  }
  checkTimeLimits(name, options)
}

/** Celery refuses it too: the task could never be told before it is ended. */
function checkTimeLimits(name: string, { timeLimit, softTimeLimit }: TaskOptions): void {
  if ((secondsOf(softTimeLimit) ?? 0) > (secondsOf(timeLimit) ?? Infinity)) {
    throw new ImproperlyConfigured(`softTimeLimit of task '${name}' must not exceed its timeLimit`)
  }
}

/** Fills in the settings and Celery's defaults. */
export function resolveOptions(options: TaskOptions, conf: TaskSettings): ResolvedTaskOptions {
  const { beforeStart, onSuccess, onFailure, onRetry, afterReturn, onReplace } = options
  const hooks = present({ beforeStart, onSuccess, onFailure, onRetry, afterReturn, onReplace })
  const ignoreResult = options.ignoreResult ?? conf.taskIgnoreResult
  return {
    ...hooks,
    bind: options.bind ?? false,
    params: options.params,
    input: options.input,
    acksLate: options.acksLate ?? conf.taskAcksLate,
    acksOnFailureOrTimeout: options.acksOnFailureOrTimeout ?? conf.taskAcksOnFailureOrTimeout,
    rejectOnWorkerLost: options.rejectOnWorkerLost ?? conf.taskRejectOnWorkerLost,
    trackStarted: options.trackStarted ?? conf.taskTrackStarted,
    ignoreResult,
    storeErrorsEvenIfIgnored: options.storeErrorsEvenIfIgnored ?? conf.taskStoreErrorsEvenIfIgnored,
    storeEagerResult: conf.taskStoreEagerResult,
    ...resolveRetries(options),
    rateLimit: options.rateLimit ?? conf.taskDefaultRateLimit ?? null,
    timeLimit: secondsOf(options.timeLimit),
    softTimeLimit: secondsOf(options.softTimeLimit),
    throws: options.throws ?? [],
    typing: options.typing ?? true,
    trail: options.trail ?? true,
    sendEvents: options.sendEvents ?? true,
    resultreprMaxsize: options.resultreprMaxsize ?? 1024,
    shadowName: options.shadowName,
    calls: callDefaults(options, ignoreResult),
  }
}

function resolveRetries(
  options: TaskOptions,
): Pick<
  ResolvedTaskOptions,
  | 'maxRetries'
  | 'defaultRetryDelay'
  | 'autoretryFor'
  | 'dontAutoretryFor'
  | 'retryKwargs'
  | 'retryBackoff'
  | 'retryBackoffMax'
  | 'retryJitter'
> {
  return {
    maxRetries: options.maxRetries === undefined ? 3 : options.maxRetries,
    defaultRetryDelay: secondsOf(options.defaultRetryDelay) ?? 180,
    autoretryFor: options.autoretryFor ?? [],
    dontAutoretryFor: options.dontAutoretryFor ?? [],
    retryKwargs: options.retryKwargs ?? {},
    retryBackoff: Number(options.retryBackoff ?? false),
    retryBackoffMax: secondsOf(options.retryBackoffMax) ?? 600,
    retryJitter: options.retryJitter ?? true,
  }
}

/** @see celery 5.6, app/task.py, `extract_exec_options` */
function callDefaults(options: TaskOptions, ignoreResult: boolean): CallDefaults {
  const { priority, queue, exchange, routingKey, serializer, compression, deliveryMode } = options
  return present({
    priority,
    queue,
    exchange,
    routingKey,
    serializer,
    compression,
    deliveryMode,
    expires: secondsOf(options.expires),
    timeLimit: secondsOf(options.timeLimit),
    softTimeLimit: secondsOf(options.softTimeLimit),
    ignoreResult: ignoreResult ? (true as const) : undefined,
  })
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the members that are undefined. */
function present<T extends object>(value: T): Present<T> {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries) as Present<T>
}

/** Whether an error is of one of the classes, or one of the functions says so. */
export function matches(error: unknown, matchers: readonly ErrorMatcher[]): boolean {
  return matchers.some((matcher) =>
    isErrorClass(matcher) ? error instanceof matcher : matcher(error),
  )
}

function isErrorClass(matcher: ErrorMatcher): matcher is new (...args: never) => Error {
  const prototype: unknown = matcher.prototype
  return matcher === Error || prototype instanceof Error
}
