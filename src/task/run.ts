/** One run of a task: `self` to the function that runs, the parent to what it sends. */

import { encodeException } from '../../protocol/python/exception.ts'
import type { ChordPart, ResultTuple } from '../../protocol/result.ts'
import { EXCEPTION_STATES, READY_STATES, type TaskState } from '../../protocol/states.ts'
import type { Retry } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { ResultBackend } from '../results/backend.ts'
import type { SignalSource } from '../runtime/cancellation.ts'
import type { Logger } from '../runtime/log.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { addToChord, countIn } from './add-to-chord.ts'
import { autoretryOptions } from './autoretry.ts'
import type { RetryOptions, UpdateStateOptions } from './context.ts'
import { runAs, type RunningTask } from './current.ts'
import type { TaskHost } from './host.ts'
import { metaOf, storable, storeOptionsOf } from './meta.ts'
import type { TaskDefinition } from './registry.ts'
import { replaceBy } from './replace.ts'
import type { TaskRequest } from './request.ts'
import { makeRetry } from './retry.ts'
import type { CallOptions, SignatureLike } from './sender.ts'

/** Where and when a run runs. */
export interface RunEnvironment {
  /** The node name, `celery@host`. */
  readonly hostname: string
  readonly pid: number
  readonly now: () => Date
  readonly random: () => number
}

/** Children beyond this are not noted: their list is stored with the result. */
const MAX_CHILDREN = 10_000
const NO_CHILDREN: readonly ResultTuple[] = []

export class Run implements RunningTask {
  readonly name: string
  readonly task: TaskDefinition
  readonly request: TaskRequest
  readonly host: TaskHost
  readonly environment: RunEnvironment
  readonly #source: SignalSource
  /** Made when the first is noted: most tasks send nothing. */
  #children: Map<string, ResultTuple> | undefined
  /** What the function returned, or what the run ended with instead. */
  retval: unknown = null
  /** What became of it is told: stored, or sent again. No later error may say otherwise. */
  decided = false
  /** What it stored of itself by `updateState`, when that was an end. */
  #told: Omit<ChordPart, 'taskId'> | undefined
  #replaced = false
  /** It only says what became of a run whose process was killed, or that never began. */
  standsIn = false
  /** It has ended; its function may still go on, but is heard no more. */
  over = false
  /** What `retry({ maxRetries })` said last. */
  #maxRetries: number | undefined

  constructor(
    host: TaskHost,
    environment: RunEnvironment,
    task: TaskDefinition,
    request: TaskRequest,
    source: SignalSource,
  ) {
    this.host = host
    this.environment = environment
    this.task = task
    this.name = task.name
    this.request = request
    this.#source = source
  }

  /** Made when it is asked for. */
  get signal(): AbortSignal {
    this.#source.within ??= (abort) => runAs(this, abort)
    return this.#source.signal
  }

  /** Whether it was told to end. */
  get aborted(): boolean {
    return this.#source.aborted
  }

  get log(): Logger {
    return this.host.log
  }

  get backend(): ResultBackend {
    return this.host.backend
  }

  get children(): readonly ResultTuple[] {
    return this.#children === undefined ? NO_CHILDREN : [...this.#children.values()]
  }

  get lineage(): Pick<CallOptions, 'rootId' | 'parentId' | 'priority'> {
    const { id, rootId, deliveryInfo } = this.request
    const { priority } = deliveryInfo
    return {
      rootId: rootId ?? id,
      parentId: id,
      ...(this.host.conf.taskInheritParentPriority && priority !== null ? { priority } : {}),
    }
  }

  /** The header of the message keeps a success from being stored, not a failure, as in Celery 5.6.2. */
  get storesSuccess(): boolean {
    return this.request.ignoreResult !== true && this.#stores(false)
  }

  get storesErrors(): boolean {
    return this.#stores(this.task.options.storeErrorsEvenIfIgnored)
  }

  /** @see celery 5.6, app/trace.py, `TraceInfo.handle_error_state` */
  #stores(evenIfIgnored: boolean): boolean {
    const { ignoreResult, storeEagerResult } = this.task.options
    if (ignoreResult) return evenIfIgnored
    return !this.request.isEager || storeEagerResult
  }

  addTrail(result: ResultTuple): boolean {
    const [[id]] = result
    this.#children ??= new Map()
    if (!this.task.options.trail || this.#children.has(id)) return false
    if (this.#children.size >= MAX_CHILDREN) return false
    this.#children.set(id, result)
    return true
  }

  retry(options: RetryOptions = {}): Retry {
    this.#maxRetries = options.maxRetries ?? this.#maxRetries
    const { maxRetries, defaultRetryDelay } = this.task.options
    const limits = { maxRetries: options.maxRetries ?? maxRetries, defaultRetryDelay }
    const error = makeRetry(this.name, this.request, limits, options)
    if (options.throw === false) return error
    throw error
  }

  /** The retry that the task makes by itself. @throws the error itself when there were enough */
  autoretry(error: unknown): Retry {
    const { options } = this.task
    const { random } = this.environment
    return this.retry(
      autoretryOptions(error, this.request.retries, options, this.#maxRetries, random),
    )
  }

  async updateState(
    state: TaskState,
    meta: unknown = null,
    { taskId }: UpdateStateOptions = {},
  ): Promise<void> {
    // a function that did not heed its signal must not put PROGRESS over its own FAILURE
    if (this.over && (taskId ?? this.request.id) === this.request.id) {
      return this.log.debug(`state ${state} of a run that has ended is not stored`)
    }
    const isError = EXCEPTION_STATES.has(state) && meta instanceof Error
    const result = isError ? encodeException(meta) : storable(meta)
    await this.store(state, result, null, taskId)
    if ((taskId ?? this.request.id) === this.request.id) this.#told = { state, result }
  }

  async replace(signature: SignatureLike): Promise<never> {
    const { onReplace } = this.task.options
    const error = await replaceBy(this.host, this.request, signature, (by) => onReplace?.(this, by))
    this.#replaced = true
    throw error
  }

  /** Whether another runs in its place, or it has sent itself again: then it has not come to its end. */
  get continued(): boolean {
    return this.#replaced || this.children.some(([[id]]) => id === this.request.id)
  }

  /** The end that it has stored of itself. */
  get told(): Omit<ChordPart, 'taskId'> | undefined {
    return this.#told !== undefined && READY_STATES.has(this.#told.state) ? this.#told : undefined
  }

  addToChord(signature: SignatureLike, options?: { readonly lazy?: false }): Promise<AsyncResult>
  addToChord(signature: SignatureLike, options: { readonly lazy: true }): Promise<SignatureDict>
  addToChord(
    signature: SignatureLike,
    { lazy = false }: { readonly lazy?: boolean } = {},
  ): Promise<AsyncResult | SignatureDict> {
    return lazy
      ? countIn(this.host, this.request, signature)
      : addToChord(this.host, this.request, signature)
  }

  /** Stores what became of this run; `result` must be ready for the wire. */
  store(
    status: TaskState,
    result: unknown,
    traceback: string | null,
    taskId: string = this.request.id,
    children: readonly ResultTuple[] = this.children,
  ): Promise<void> {
    const { host, environment } = this
    const { now } = environment
    const request = taskId === this.request.id ? this.request : { ...this.request, id: taskId }
    const extended = host.conf.resultExtended
    const meta = metaOf(request, { status, result, traceback, children, now, extended })
    return host.backend.store(meta, storeOptionsOf(request))
  }
}
