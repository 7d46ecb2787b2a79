/** A task in the place of another: with its id, its callbacks, its group and the rest of its chain. */

import { unchain } from '../canvas/chain.ts'
import { withCallbacks, withErrbacks } from '../canvas/links.ts'
import { freeze } from '../canvas/planner.ts'
import { chainOf, chordOf, tasksOf } from '../canvas/primitives.ts'
import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { Ignore, ImproperlyConfigured } from '../errors.ts'
import { environmentOf, sendSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import type { TaskRequest } from './request.ts'
import type { SignatureLike } from './sender.ts'
import { dictOf } from './wire.ts'

/** What an eager run is to be replaced by: it is run here and now, by who started the run. */
const replacements = new WeakMap<Ignore, SignatureDict>()

export function replacementOf(error: unknown): SignatureDict | undefined {
  return error instanceof Ignore ? replacements.get(error) : undefined
}

/**
 * Sends the replacement, and gives the error that ends the run.
 *
 * @see celery 5.6, app/task.py, `Task.replace`
 */
export async function replaceBy(
  host: TaskHost,
  request: TaskRequest,
  by: SignatureLike,
  onReplace?: (signature: SignatureDict) => unknown,
): Promise<Ignore> {
  const replacement = replacementFor(host, request, dictOf(by))
  await onReplace?.(replacement)
  const error = new Ignore('Replaced by new task')
  if (request.isEager) replacements.set(error, replacement)
  else await sendSignature(host, replacement)
  return error
}

/**
 * The replacement as it is sent: one task, or a chain that ends as the replaced one did. A group at its
 * end becomes a chord, so that there is one task to take the id: its body gives the list of results.
 */
function replacementFor(host: TaskHost, request: TaskRequest, by: SignatureDict): SignatureDict {
  refuse(by)
  const nesting = { replaced_task_nesting: request.replacedTaskNesting + 1 }
  const own = withLinks(host, asChord(unchain(by)), request)
  const frozen = own.map((part, index) =>
    index === own.length - 1 ? asLast(host, part, request) : part,
  )
  const root = request.rootId === null ? {} : { root_id: request.rootId }
  const rest = (request.embed.chain ?? []).toReversed()
  const tasks = [
    ...frozen.map((part) => withOptions(part, { ...root, ...nesting })),
    ...rest.map((part) => withOptions(part, nesting)),
  ]
  const [only] = tasks
  return tasks.length === 1 && only !== undefined ? only : chainOf(tasks)
}

function refuse(by: SignatureDict): void {
  if (Object.hasOwn(by.options, 'chord')) {
    throw new ImproperlyConfigured('A signature replacing a task must not be part of a chord')
  }
  if (by.subtask_type === 'chain' && tasksOf(by).length === 0) {
    throw new ImproperlyConfigured('Cannot replace with an empty chain')
  }
}

function asChord(parts: readonly SignatureDict[]): readonly SignatureDict[] {
  const last = parts.at(-1)
  if (last?.subtask_type !== 'group') return parts
  return [
    ...parts.slice(0, -1),
    chordOf(last, makeSignature('celery.accumulate', [], { index: 0 })),
  ]
}

/** The callbacks of the replaced task go to the last, its errbacks to all. */
function withLinks(
  host: TaskHost,
  parts: readonly SignatureDict[],
  { embed }: TaskRequest,
): readonly SignatureDict[] {
  const environment = environmentOf(host)
  const guarded = parts.map((part) => withErrbacks(part, embed.errbacks, environment))
  return guarded.map((part, index) =>
    index === parts.length - 1 ? withCallbacks(part, embed.callbacks) : part,
  )
}

/** The last takes the id, so that those who wait get its result. */
function asLast(host: TaskHost, part: SignatureDict, request: TaskRequest): SignatureDict {
  const { task_id: _other, ...options } = part.options
  const { signature } = freeze({ ...part, options }, environmentOf(host), { taskId: request.id })
  const { embed, group, groupIndex } = request
  return withOptions(signature, { chord: embed.chord, group_id: group, group_index: groupIndex })
}

/** Null is not given. */
function withOptions(
  part: SignatureDict,
  options: Readonly<Record<string, unknown>>,
): SignatureDict {
  const given = Object.entries(options).filter(([, value]) => value !== null)
  return { ...part, options: { ...part.options, ...Object.fromEntries(given) } }
}
