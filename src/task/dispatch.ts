/** From a signature to the sender: plans it, and sends what the plan says, as a child of the running task. */

import { fromWireOptions } from '../../protocol/call-options.ts'
import { CeleryError } from '../../protocol/errors.ts'
import type { ResultTuple } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { Given, Plan, PlanEnvironment, PlannedCall, PlannedChord } from '../canvas/plan.ts'
import { plan } from '../canvas/planner.ts'
import { NotSupported } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { ChordStore } from '../results/backend.ts'
import type { ResultNode } from '../results/tree.ts'
import { currentTask, inherit, noteChild } from './current.ts'
import type { TaskHost } from './host.ts'
import { newId } from './id.ts'
import type { TaskOptions } from './options.ts'
import { resultOf, tupleOf } from './result-of.ts'
import { doAll, sendAll } from './send-all.ts'
import type { CallOptions } from './sender.ts'
import { dictsOf } from './wire.ts'

/** Sends one call by name. The task's own options are its defaults, when it is known here. */
export async function send<R>(
  host: TaskHost,
  task: string,
  args: readonly unknown[],
  options: CallOptions,
): Promise<AsyncResult<R>> {
  const known = host.tasks.get(task)?.options
  const { link, linkError } = options
  const result = await host.sender.send<R>(task, args, {
    ...inherit({ ...known?.calls, ...options }),
    ...(known?.shadowName === undefined ? {} : shadowOf(known.shadowName, args, options)),
    ...(link === undefined ? {} : { link: dictsOf(link) }),
    ...(linkError === undefined ? {} : { linkError: dictsOf(linkError) }),
  })
  noteChild(result.id, options)
  return result
}

/** @see celery 5.6, app/task.py, `Task.shadow_name` */
function shadowOf(
  shadowName: NonNullable<TaskOptions['shadowName']>,
  args: readonly unknown[],
  options: CallOptions,
): Pick<CallOptions, 'shadow'> {
  const shadow = options.shadow ?? shadowName(args, options.kwargs ?? {}, options)
  return shadow ? { shadow } : {}
}

/** Plans a signature and sends it; the result is that of its last task, of a group the group's. */
export async function sendSignature<Res = AsyncResult>(
  host: TaskHost,
  signature: SignatureDict,
  given: Partial<Given> = {},
  signal?: AbortSignal,
): Promise<Res> {
  const applied = applyInstead(host, signature, given, signal)
  if (applied !== undefined) return (await applied) as Res
  const planned = planFor(host, signature, given)
  const sent = await sendPlan(host, planned, signal)
  return resultOf(host, planned.result, sent) as Res
}

/** A canvas is run here and now as the whole that it is. @see celery 5.6, canvas.py, `task_always_eager` */
function applyInstead(
  host: TaskHost,
  signature: SignatureDict,
  { args = [], kwargs = {}, options = {} }: Partial<Given>,
  signal?: AbortSignal,
): Promise<ResultNode> | undefined {
  if (signature.subtask_type === null || host.sender.apply === undefined) return undefined
  const given = fromWireOptions(options) as CallOptions
  const local = signal === undefined ? {} : { signal }
  const keywords = Object.keys(kwargs).length === 0 ? {} : { kwargs }
  return host.sender.apply(signature, args, { ...given, ...keywords, ...local })
}

/** The same; gives the tuple of the result, as a task returns it. */
export async function startSignature(
  host: TaskHost,
  signature: SignatureDict,
  given: Partial<Given> = {},
): Promise<ResultTuple> {
  const applied = applyInstead(host, signature, given)
  if (applied !== undefined) return (await applied).asTuple()
  const planned = planFor(host, signature, given)
  await sendPlan(host, planned)
  return tupleOf(planned.result)
}

/** What waits for others to end is known to the backend before the first of them is sent. */
async function sendPlan(
  host: TaskHost,
  planned: Plan,
  signal?: AbortSignal,
): Promise<readonly AsyncResult[]> {
  if (planned.chords !== undefined) await openChords(host, planned.chords)
  else if (planned.calls.some(leadsToChord)) void host.backend.groups
  const local = signal === undefined ? {} : { signal }
  const sent = await sendAll(planned.calls, (call) => sendCall(host, call, local))
  if (planned.started !== undefined) currentTask()?.addTrail(tupleOf(planned.started))
  return sent
}

/** The first to send a chain is told when its end could never be reached. */
function leadsToChord({ options: { chain } }: PlannedCall): boolean {
  return Array.isArray(chain) && chain.some((step: SignatureDict) => step.subtask_type === 'chord')
}

/** @throws NotSupported when the backend keeps no groups */
async function openChords(host: TaskHost, planned: readonly PlannedChord[]): Promise<void> {
  const { groups, chords } = host.backend
  void groups
  const open = ({ size, header, body }: PlannedChord): Promise<unknown> =>
    chords === undefined
      ? sendUnlock(host, tupleOf(header), body)
      : chords.open({ size, header: tupleOf(header) })
  await doAll(planned, open)
}

/** @throws NotSupported when the backend does not count the parts of a chord by itself */
export function chordsOf({ backend }: TaskHost): ChordStore {
  const { chords } = backend
  if (chords !== undefined) return chords
  throw new NotSupported(`the result backend ${backend.address} cannot count the parts of a chord`)
}

/**
 * Where nothing counts, a task looks again and again whether the header is ready; it goes where the
 * body goes. It is nobody's child: it ends without a result.
 *
 * @see celery 5.6, backends/base.py, `fallback_chord_unlock`
 */
function sendUnlock(
  host: TaskHost,
  header: ResultTuple,
  body: SignatureDict,
): Promise<AsyncResult> {
  const [[id], members] = header
  const calls = host.tasks.get(body.task)?.options.calls
  const queue = body.options['queue'] ?? calls?.queue ?? host.queueFor?.(body.task)
  const priority = body.options['priority'] ?? calls?.priority
  return send(host, 'celery.chord_unlock', [id, body], {
    kwargs: { interval: null, max_retries: null, result: members ?? [] },
    countdown: 1,
    priority: typeof priority === 'number' ? priority : 0,
    addToParent: false,
    ...(typeof queue === 'string' ? { queue } : {}),
  })
}

function sendCall(
  host: TaskHost,
  { task, args, kwargs, options }: PlannedCall,
  local: CallOptions,
): Promise<AsyncResult> {
  const ours = { ...(fromWireOptions(options) as CallOptions), ...local }
  return send(host, task, args, Object.keys(kwargs).length === 0 ? ours : { ...ours, kwargs })
}

/** @throws NotSupported for what this release cannot send */
function planFor(host: TaskHost, signature: SignatureDict, given: Partial<Given>): Plan {
  try {
    return plan(signature, environmentOf(host), { args: [], kwargs: {}, options: {}, ...given })
  } catch (error) {
    throw asNotSupported(error)
  }
}

/** Canvas stands below the errors that users catch. */
export function asNotSupported(error: unknown): unknown {
  if (!(error instanceof CeleryError) || error.code !== 'ERR_NOT_SUPPORTED') return error
  return error instanceof NotSupported ? error : new NotSupported(error.message)
}

export function environmentOf(host: TaskHost): PlanEnvironment {
  const { taskProtocol, taskAllowErrorCbOnChordHeader: errbacksOnHeader } = host.conf
  return { nextId: newId, replyTo: host.oid, useLink: taskProtocol === 1, errbacksOnHeader }
}
