/** A task in the place of another: with its id, its callbacks, its group and the rest of its chain. */

import { withLinks } from '../canvas/call.ts'
import { unchain } from '../canvas/chain.ts'
import { freeze } from '../canvas/planner.ts'
import { tasksOf } from '../canvas/kind.ts'
import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { Ignore, ImproperlyConfigured, NotSupported } from '../errors.ts'
import { dictOf, environmentOf, sendSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import type { TaskRequest } from './request.ts'
import type { SignatureLike } from './sender.ts'

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
): Promise<Ignore> {
  const replacement = replacementFor(host, request, dictOf(by))
  const error = new Ignore('Replaced by new task')
  if (request.isEager) replacements.set(error, replacement)
  else await sendSignature(host, replacement)
  return error
}

/** The replacement as it is sent: one task, or a chain that ends as the replaced one did. */
function replacementFor(host: TaskHost, request: TaskRequest, by: SignatureDict): SignatureDict {
  refuse(by)
  const nesting = { replaced_task_nesting: request.replacedTaskNesting + 1 }
  const own = withCallbacks(unchain(by), request)
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
  if (tasks.length === 1 && only !== undefined) return only
  return makeSignature('celery.chain', [], { tasks }, { subtask_type: 'chain' })
}

function refuse(by: SignatureDict): void {
  if (Object.hasOwn(by.options, 'chord')) {
    throw new ImproperlyConfigured('A signature replacing a task must not be part of a chord')
  }
  if (by.subtask_type === 'chain' && tasksOf(by).length === 0) {
    throw new ImproperlyConfigured('Cannot replace with an empty chain')
  }
  if (by.subtask_type === 'group' || by.subtask_type === 'chord') {
    throw new NotSupported(
      `a task cannot be replaced by a ${by.subtask_type} in this release: replace it by a task or a chain`,
    )
  }
}

/** The callbacks of the replaced task go to the last, its errbacks to all. */
function withCallbacks(
  parts: readonly SignatureDict[],
  { embed }: TaskRequest,
): readonly SignatureDict[] {
  const guarded = parts.map((part) => withLinks(part, 'link_error', embed.errbacks))
  return guarded.map((part, index) =>
    index === parts.length - 1 ? withLinks(part, 'link', embed.callbacks) : part,
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
