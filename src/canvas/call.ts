/** One task: how a partial is completed, how it gets its id, and the one message that it is. */

import { stampNames, type WireOptions } from '../../protocol/call-options.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { Kind } from './kind.ts'
import type { FreezeOptions, Frozen, Given, PlanEnvironment } from './plan.ts'

export const call: Kind = {
  freeze: (signature, options, { environment }) => freezeCall(signature, options, environment),

  plan(signature, given, { environment }) {
    const { task, args, kwargs, options } = merge(signature, given)
    const id = textOption(options, 'task_id') ?? environment.nextId()
    return {
      calls: [{ task, args, kwargs, options: { ...options, task_id: id } }],
      result: { id, parent: null },
    }
  },
}

/**
 * Gives a signature its id and what goes with it; what it has already stays. Options are written in
 * Celery's order, so that the bytes are the same.
 *
 * @see celery 5.6, canvas.py, `Signature.freeze`
 */
function freezeCall(
  signature: SignatureDict,
  { taskId, rootId, parentId, groupId, groupIndex, chord }: FreezeOptions,
  environment: PlanEnvironment,
): Frozen {
  const old = signature.options
  const id = textOption(old, 'task_id') ?? taskId ?? environment.nextId()
  const options: Record<string, unknown> = { ...old, task_id: id }
  if (rootId !== undefined) options['root_id'] = rootId
  if (parentId !== undefined) options['parent_id'] = parentId
  if (!Object.hasOwn(old, 'reply_to')) options['reply_to'] = environment.replyTo
  if (groupId !== undefined && !Object.hasOwn(old, 'group_id')) options['group_id'] = groupId
  if (chord !== undefined) options['chord'] = chord
  if (groupIndex !== undefined) options['group_index'] = groupIndex
  return { signature: { ...signature, options }, result: { id, parent: null } }
}

/**
 * Completes a partial: given arguments go before the stored ones, given keywords and options win; an
 * immutable signature keeps its arguments.
 *
 * @see celery 5.6, canvas.py, `Signature._merge`
 */
export function merge(signature: SignatureDict, given: Given): SignatureDict {
  const options = mergeOptions(signature.options, given.options)
  if (signature.immutable) return { ...signature, options }
  return {
    ...signature,
    args: [...given.args, ...signature.args],
    kwargs: { ...signature.kwargs, ...given.kwargs },
    options,
  }
}

/** A group id and stamps stay once they are set: others wait for them. Null means not given. */
export function mergeOptions(stored: WireOptions, given: WireOptions): WireOptions {
  const kept = new Set(['group_id', 'stamped_headers', ...stampNames(stored)])
  const winning = Object.entries(given).filter(
    ([name, value]) =>
      value !== null && value !== undefined && !(kept.has(name) && Object.hasOwn(stored, name)),
  )
  return { ...stored, ...Object.fromEntries(winning) }
}

/** Adds to `link` or `link_error`, which may be a bare signature; one that is there is not added twice. */
export function withLinks(
  signature: SignatureDict,
  option: 'link' | 'link_error',
  callbacks: unknown,
): SignatureDict {
  const links = listOf(signature.options[option])
  const added = listOf(callbacks).filter((callback) => !links.some((link) => same(link, callback)))
  if (added.length === 0) return signature
  return { ...signature, options: { ...signature.options, [option]: [...links, ...added] } }
}

/** Null is none, one stands for a list of one. @see celery.utils.functional, `maybe_list` */
export function listOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

export function textOption(options: WireOptions, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export function indexOption(options: WireOptions, name: string): number | undefined {
  const value = options[name]
  return typeof value === 'number' ? value : undefined
}

/** Python compares dicts by value. */
function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return false
  }
  const entries = Object.entries(one)
  return (
    entries.length === Object.keys(other).length &&
    entries.every(
      ([key, value]) => Object.hasOwn(other, key) && same(value, Reflect.get(other, key)),
    )
  )
}
