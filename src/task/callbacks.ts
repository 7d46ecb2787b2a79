/** After a run: its callbacks, the next of its chain, its part of a chord, or its errbacks. */

import type { ChordPart } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { TaskState } from '../../protocol/states.ts'
import { groupOf } from '../canvas/primitives.ts'
import { returnPart, returnUnsent } from './chord.ts'
import { sendSignature } from './dispatch.ts'
import { callErrbacks as callErrbacksIn } from './errbacks.ts'
import { newId } from './id.ts'
import { patienceOf } from './patience.ts'
import type { Run } from './run.ts'

/**
 * Sends what follows a success: the callbacks, then the next of the chain with the rest of it.
 * This is before the result is stored, so that they are among its children.
 *
 * @see celery 5.6, app/trace.py, `trace_task`
 */
export async function sendSuccessors(run: Run, result: unknown): Promise<void> {
  const { callbacks, chain } = run.request.embed
  if (callbacks !== null && callbacks.length > 0) await sendCallbacks(run, callbacks, result)
  const next = chain?.at(-1)
  if (chain === null || next === undefined) return
  await sendSignature(run.host, next, {
    args: [result],
    options: { ...lineage(run), chain: chain.slice(0, -1) },
  })
}

/** One is sent as it is; of several, the groups one by one, and the others as a group of their own. */
async function sendCallbacks(
  run: Run,
  callbacks: readonly SignatureDict[],
  result: unknown,
): Promise<void> {
  const given = { args: [result], options: lineage(run) }
  const isGroup = (callback: SignatureDict): boolean => callback.subtask_type === 'group'
  const [only] = callbacks
  if (callbacks.length === 1 && only !== undefined) {
    await sendSignature(run.host, only, given)
    return
  }
  for (const group of callbacks.filter(isGroup)) await sendSignature(run.host, group, given)
  const others = callbacks.filter((callback) => !isGroup(callback))
  if (others.length > 0) await sendSignature(run.host, groupOf(others), given)
}

function lineage({ lineage: { rootId, parentId, priority } }: Run): Record<string, unknown> {
  const wire = { root_id: rootId, parent_id: parentId }
  return priority === undefined ? wire : { ...wire, priority }
}

/** Counts it as a part of its chord: ask only when it has a body. `result` must be ready for the wire. */
export async function returnChordPart(run: Run, state: TaskState, result: unknown): Promise<void> {
  const { embed, group, groupIndex, id: taskId, deliveryInfo } = run.request
  if (embed.chord === null) return
  const takesOver = run.standsIn || deliveryInfo.redelivered
  const ended = { taskId, state, result, ...(takesOver ? {} : { run: newId() }) }
  const part = { ...ended, group, groupIndex, chord: embed.chord }
  await returnPart(run.host, part, patienceOf(run))
}

/** The same, and for those that would have followed in its chain: they never run. */
export async function endUnrun(run: Run, ended: Omit<ChordPart, 'taskId'>): Promise<void> {
  const { chord, chain } = run.request.embed
  if (chord !== null) await returnChordPart(run, ended.state, ended.result)
  for (const successor of chain ?? []) {
    await returnUnsent(run.host, successor, ended, patienceOf(run))
  }
}

/** Runs or sends its errbacks. */
export async function callErrbacks(run: Run, error: unknown, traceback: string): Promise<void> {
  const { request, host } = run
  const failed = { request, lineage: lineage(run), error, traceback }
  await callErrbacksIn(host, request.embed.errbacks ?? [], failed)
}
