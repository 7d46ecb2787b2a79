/** Runs a task here and now, without a message: through the tracer, or as a plain function. */

import { unchain } from '../canvas/chain.ts'
import { merge } from '../canvas/call.ts'
import { fromWireOptions } from '../../protocol/call-options.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { bodyOf, headerOf, tasksOf } from '../canvas/primitives.ts'
import { SUCCESS } from '../../protocol/states.ts'
import { ImproperlyConfigured, NotRegistered, Retry } from '../errors.ts'
import { EagerResult } from '../results/eager-result.ts'
import { sourceOf } from '../runtime/cancellation.ts'
import { secondsOf } from '../runtime/duration.ts'
import { callFunction } from './body.ts'
import { currentTask } from './current.ts'
import type { TaskHost } from './host.ts'
import { newId } from './id.ts'
import { localRequest, neverAborted } from './local-request.ts'
import { preciseNow } from './meta.ts'
import type { TaskDefinition } from './registry.ts'
import { replacementOf } from './replace.ts'
import type { TaskRequest } from './request.ts'
import { intentOf } from './retry.ts'
import { Run, type RunEnvironment } from './run.ts'
import type { CallOptions } from './sender.ts'
import { trace, type Traced } from './trace.ts'
import { dictsOf } from './wire.ts'

export interface ApplyOptions extends CallOptions {
  /** Reject with what the task throws. @default taskEagerPropagates */
  readonly throw?: boolean
}

/** This process stands in for a worker. */
const HERE: RunEnvironment = {
  hostname: 'localhost',
  pid: process.pid,
  now: preciseNow,
  random: Math.random,
}

/**
 * Runs a task through the tracer. Retries follow at once, whatever their countdown; nothing is stored
 * unless `taskStoreEagerResult`.
 *
 * @throws NotRegistered
 * @see celery 5.6, app/task.py, `Task.apply`
 */
export async function applyTask<R>(
  host: TaskHost,
  name: string,
  args: readonly unknown[],
  options: ApplyOptions = {},
): Promise<EagerResult<R>> {
  if (!host.tasks.has(name)) throw new NotRegistered(name)
  const request = eagerRequest(name, args, options)
  const traced = await trace(host, HERE, request, sourceOf(options.signal ?? neverAborted()))
  const intent = traced.retval instanceof Retry ? intentOf(traced.retval) : undefined
  if (intent !== undefined) {
    const { throw: propagates, signal } = options
    const kept = { ...intent.options, ...(propagates === undefined ? {} : { throw: propagates }) }
    return applyTask(host, name, intent.args, signal === undefined ? kept : { ...kept, signal })
  }
  const replacement = replacementOf(traced.retval)
  if (replacement !== undefined) return applySignature(host, replacement, [], options)
  return eagerResult<R>(request.id, traced, options.throw ?? host.conf.taskEagerPropagates)
}

function eagerResult<R>(
  id: string,
  { outcome, retval }: Traced,
  propagates: boolean,
): EagerResult<R> {
  if (outcome.state === 'INTERNAL_ERROR') throw retval
  if (outcome.state === 'FAILURE' && propagates) throw retval
  const traceback = 'traceback' in outcome ? outcome.traceback : null
  return new EagerResult<R>(id, { state: outcome.state, result: retval, traceback })
}

function eagerRequest(task: string, args: readonly unknown[], options: ApplyOptions): TaskRequest {
  const parent = currentTask()?.request
  const id = options.taskId ?? newId()
  const { exchange = '', routingKey = '', priority = null, headers = {}, stamps = {} } = options
  return localRequest({
    task,
    args,
    id,
    stamps,
    headers,
    kwargs: options.kwargs ?? {},
    custom: headers,
    parentId: parent?.id ?? null,
    rootId: parent?.rootId ?? id,
    retries: options.retries ?? 0,
    isEager: true,
    ignoreResult: options.ignoreResult ?? null,
    replacedTaskNesting: options.replacedTaskNesting ?? 0,
    timeLimit: secondsOf(options.timeLimit) ?? null,
    softTimeLimit: secondsOf(options.softTimeLimit) ?? null,
    deliveryInfo: { exchange, routingKey, priority, redelivered: false },
    embed: {
      callbacks: listOrNull(dictsOf(options.link)),
      errbacks: listOrNull(dictsOf(options.linkError)),
      chain: options.chain ?? null,
      chord: options.chord ?? null,
    },
  })
}

function listOrNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list
}

/**
 * Runs a signature here and now: of a chain each task with the result of the one before, of a group one
 * after another, whose results are those of a chord's header. What a task throws rejects, where another
 * was to follow it.
 *
 * @see celery 5.6, canvas.py, `_chain.apply`, `group.apply` and `_chord.apply`
 */
export async function applySignature<R>(
  host: TaskHost,
  signature: SignatureDict,
  args: readonly unknown[],
  options: ApplyOptions = {},
): Promise<EagerResult<R>> {
  let given = args
  let result: EagerResult<R> | undefined
  for (const step of unchain(signature)) {
    result = await applyStep<R>(host, step, given, result === undefined ? options : shared(options))
    given = [await result.get()]
  }
  if (result === undefined) throw new ImproperlyConfigured('a chain without tasks cannot be run')
  return result
}

async function applyStep<R>(
  host: TaskHost,
  step: SignatureDict,
  args: readonly unknown[],
  options: ApplyOptions,
): Promise<EagerResult<R>> {
  if (step.subtask_type === 'group') {
    const values = await applyMembers(host, step, [...args, ...step.args], options)
    return new EagerResult<R>(newId(), { state: SUCCESS, result: values })
  }
  if (step.subtask_type === 'chord') {
    const values = await applyMembers(host, headerOf(step), [...args, ...step.args], options)
    return await applySignature<R>(host, bodyOf(step), [values], options)
  }
  const { kwargs = {}, ...rest } = options
  const complete = merge(step, { args, kwargs, options: {} })
  const own = fromWireOptions(complete.options) as CallOptions
  const all = { ...own, ...rest, kwargs: complete.kwargs }
  return await applyTask<R>(host, step.task, complete.args, all)
}

async function applyMembers(
  host: TaskHost,
  group: SignatureDict,
  args: readonly unknown[],
  options: ApplyOptions,
): Promise<readonly unknown[]> {
  const values: unknown[] = []
  for (const member of tasksOf(group)) {
    values.push(await (await applySignature(host, member, args, shared(options))).get())
  }
  return values
}

/** Arguments by name are the first task's, and the id is one task's alone. */
function shared({ kwargs: _kwargs, taskId: _id, ...rest }: ApplyOptions): ApplyOptions {
  return rest
}

/** Calls a task as a function: Python's `__call__`. No message, no state, no retry. */
export async function callTask<R>(
  host: TaskHost,
  task: TaskDefinition,
  args: readonly unknown[],
): Promise<R> {
  const request = localRequest({ task: task.name, args, kwargs: {}, calledDirectly: true })
  return (await callFunction(new Run(host, HERE, task, request, sourceOf(neverAborted())))) as R
}
