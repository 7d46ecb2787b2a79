/** Runs a task here and now, without a message: through the tracer, or as a plain function. */

import { unchain } from '../canvas/chain.ts'
import { listOf, merge } from '../canvas/call.ts'
import { fromWireOptions } from '../../protocol/call-options.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { withCallbacks, withErrbacks } from '../canvas/links.ts'
import { bodyOf, headerOf, tasksOf, unrolled } from '../canvas/primitives.ts'
import { ImproperlyConfigured, NotRegistered, Retry } from '../errors.ts'
import { EagerResult } from '../results/eager-result.ts'
import { GroupResult } from '../results/group-result.ts'
import type { ResultNode } from '../results/tree.ts'
import { sourceOf } from '../runtime/cancellation.ts'
import { secondsOf } from '../runtime/duration.ts'
import { callFunction } from './body.ts'
import { currentTask } from './current.ts'
import { environmentOf } from './dispatch.ts'
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
  parent?: ResultNode,
): Promise<EagerResult<R>> {
  if (!host.tasks.has(name)) throw new NotRegistered(name)
  const request = eagerRequest(name, args, options)
  const traced = await trace(host, HERE, request, sourceOf(options.signal ?? neverAborted()))
  const { throw: propagates = host.conf.taskEagerPropagates, signal } = options
  const kept = { throw: propagates, ...(signal === undefined ? {} : { signal }) }
  const intent = traced.retval instanceof Retry ? intentOf(traced.retval) : undefined
  if (intent !== undefined) {
    return applyTask(host, name, intent.args, { ...intent.options, ...kept }, parent)
  }
  const replacement = replacementOf(traced.retval)
  if (replacement === undefined) return eagerResult<R>(request.id, traced, propagates, parent)
  return (await applySignature(host, replacement, [], kept, parent)) as EagerResult<R>
}

function eagerResult<R>(
  id: string,
  { outcome, retval }: Traced,
  propagates: boolean,
  parent: ResultNode | undefined,
): EagerResult<R> {
  if (outcome.state === 'INTERNAL_ERROR') throw retval
  if (outcome.state === 'FAILURE' && propagates) throw retval
  const traceback = 'traceback' in outcome ? outcome.traceback : null
  return new EagerResult<R>(id, { state: outcome.state, result: retval, traceback, parent })
}

function eagerRequest(task: string, args: readonly unknown[], options: ApplyOptions): TaskRequest {
  const parent = currentTask()?.request
  const id = options.taskId ?? newId()
  const { exchange = '', routingKey = '', priority = null, headers = {}, stamps } = options
  return localRequest({
    task,
    args,
    id,
    ...stampsOf(stamps),
    headers,
    kwargs: options.kwargs ?? {},
    custom: headers,
    parentId: parent?.id ?? null,
    rootId: parent?.rootId ?? id,
    retries: options.retries ?? 0,
    isEager: true,
    ignoreResult: options.ignoreResult ?? null,
    group: options.groupId ?? null,
    groupIndex: options.groupIndex ?? null,
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

/** @see celery 5.6, app/task.py, `Task.apply` */
function stampsOf(
  stamps: CallOptions['stamps'] = {},
): Pick<TaskRequest, 'stampedHeaders' | 'stamps'> {
  const names = Object.keys(stamps)
  if (names.length === 0) return { stampedHeaders: null, stamps }
  const lists = names.map((name) => [name, listOf(stamps[name])] as const)
  return { stampedHeaders: names, stamps: Object.fromEntries(lists) }
}

function listOrNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list
}

/**
 * Runs a signature here and now: of a chain each task with the result of the one before, of a group one
 * after another. What a task throws rejects, where another was to follow it.
 *
 * @see celery 5.6, canvas.py, `_chain.apply`, `group.apply` and `_chord.apply`
 */
export async function applySignature(
  host: TaskHost,
  signature: SignatureDict,
  args: readonly unknown[],
  options: ApplyOptions = {},
  parent?: ResultNode,
): Promise<ResultNode> {
  const { link, linkError, kwargs, taskId, ...rest } = options
  const guarded = withErrbacks(signature, dictsOf(linkError), environmentOf(host))
  const steps = unchain(withCallbacks(guarded, dictsOf(link))).map(unrolled)
  let given = args
  let result = parent
  for (const [index, step] of steps.entries()) {
    const own = {
      ...rest,
      ...(index === 0 && kwargs !== undefined ? { kwargs } : {}),
      ...(index === steps.length - 1 && taskId !== undefined ? { taskId } : {}),
    }
    result = await applyStep(host, step, given, own, result)
    if (index < steps.length - 1) given = [await result.get()]
  }
  if (result !== undefined && steps.length > 0) return result
  throw new ImproperlyConfigured('a chain without tasks cannot be run')
}

function applyStep(
  host: TaskHost,
  step: SignatureDict,
  args: readonly unknown[],
  options: ApplyOptions,
  parent: ResultNode | undefined,
): Promise<ResultNode> {
  if (step.subtask_type === 'chain') return applySignature(host, step, args, options, parent)
  if (step.subtask_type === 'group') return applyGroup(host, step, args, options, parent)
  if (step.subtask_type === 'chord') return applyChord(host, step, args, options, parent)
  const { kwargs = {}, ...rest } = options
  const complete = merge(step, { args, kwargs, options: {} })
  const own = fromWireOptions(complete.options) as CallOptions
  const all = { ...own, ...rest, kwargs: complete.kwargs }
  return applyTask(host, step.task, complete.args, all, parent)
}

/** The results that failed stand in the group: only who asks for them gets the error. */
async function applyGroup(
  host: TaskHost,
  group: SignatureDict,
  args: readonly unknown[],
  { taskId, ...options }: ApplyOptions,
  parent: ResultNode | undefined,
): Promise<GroupResult> {
  const { task_id: own, ...groups } = group.options
  const id = taskId ?? (typeof own === 'string' ? own : newId())
  const shared = { ...(fromWireOptions(groups) as CallOptions), ...options, groupId: id }
  const members = group.immutable ? group.args : [...args, ...group.args]
  const results: ResultNode[] = []
  for (const [groupIndex, task] of tasksOf(group).flatMap(ungrouped).entries()) {
    const result = await applySignature(host, task, members, { ...shared, groupIndex })
    results.push(result)
  }
  const [only] = results
  if (results.length === 1 && only instanceof GroupResult) return only
  return new GroupResult(id, results, { parent })
}

/** Groups in a group are part of it. */
function ungrouped(task: SignatureDict): readonly SignatureDict[] {
  return task.subtask_type === 'group' ? tasksOf(task).flatMap(ungrouped) : [task]
}

/** The body has the header for its parent, as when it is sent. */
async function applyChord(
  host: TaskHost,
  chord: SignatureDict,
  args: readonly unknown[],
  { taskId, kwargs, ...options }: ApplyOptions,
  parent: ResultNode | undefined,
): Promise<ResultNode> {
  const { link, link_error: linkError } = chord.options
  const given = chord.immutable ? chord.args : [...args, ...chord.args]
  const keywords = kwargs === undefined ? options : { ...options, kwargs }
  const header = await applyGroup(host, headerOf(chord), given, keywords, parent)
  const guarded = withErrbacks(bodyOf(chord), linkError, environmentOf(host))
  const body = withCallbacks(guarded, link)
  const own = taskId === undefined ? options : { ...options, taskId }
  return await applySignature(host, body, [await header.get()], own, header)
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
