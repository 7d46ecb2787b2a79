/** After a run: its callbacks, the next of its chain, its part of a chord, or its errbacks. */

import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import type { TaskState } from '../../protocol/states.ts'
import { oneLine } from '../runtime/log.ts'
import { bindArguments } from './binding.ts'
import { sendSignature } from './dispatch.ts'
import { newId } from './id.ts'
import type { TaskDefinition } from './registry.ts'
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

function groupOf(tasks: readonly SignatureDict[]): SignatureDict {
  return makeSignature('celery.group', [], { tasks }, { subtask_type: 'group' })
}

function lineage({ lineage: { rootId, parentId, priority } }: Run): Record<string, unknown> {
  const wire = { root_id: rootId, parent_id: parentId }
  return priority === undefined ? wire : { ...wire, priority }
}

/** More of a name than this is not logged: it comes from others. */
const MAX_NAME = 256

/**
 * Returns a part of a chord. No backend of this release counts them, so the body would never run:
 * that is said aloud, and the part's own result is stored all the same.
 */
export function returnChordPart(run: Run, state: TaskState): void {
  const { embed, group, id } = run.request
  if (embed.chord === null) return
  const body = embed.chord.task.slice(0, MAX_NAME)
  run.log.error(
    oneLine(
      `Task ${run.name}[${id}] ended as ${state} in the header of the chord ${group ?? '?'}, whose body ` +
        `'${body}' this worker cannot run: let a worker that knows chords have the header`,
    ),
  )
}

/**
 * Runs or sends the errbacks. A function of ours that takes more than one argument is called here,
 * with the request, the error and the traceback; any other is sent, with the id of the failed task.
 *
 * @see celery 5.6, backends/base.py, `_call_task_errbacks`
 */
export async function callErrbacks(run: Run, error: unknown, traceback: string): Promise<void> {
  const errbacks = run.request.embed.errbacks ?? []
  const sent: SignatureDict[] = []
  for (const errback of errbacks) {
    const task = run.host.tasks.get(errback.task)
    if (task === undefined || !isCalledInline(task)) sent.push(errback)
    else await callInline(run, task, errback, [run.request, error, traceback])
  }
  if (sent.length === 0) return
  const { id } = run.request
  await sendSignature(run.host, groupOf(sent), {
    args: [id],
    options: { ...lineage(run), task_id: newId() },
  })
}

function isCalledInline({ arity, options, takesRequest }: TaskDefinition): boolean {
  return !options.bind && takesRequest !== true && arity.max > 1
}

/** What it throws is logged: the task that failed has failed already. */
async function callInline(
  run: Run,
  task: TaskDefinition,
  { args, kwargs, immutable }: SignatureDict,
  facts: readonly unknown[],
): Promise<void> {
  try {
    const given = immutable ? args : [...facts, ...args]
    const bound = bindArguments(task, given, kwargs)
    await (task.run as (...args: readonly unknown[]) => unknown)(...bound)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const label = oneLine(`${run.name}[${run.request.id}]`)
    run.log.error(`Errback ${task.name} of ${label} raised: ${text}`)
  }
}
