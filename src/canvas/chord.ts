/** A group, then a body: each task of the header carries the body, which is sent when the last has ended. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { mergeOptions, textOption } from './call.ts'
import { alone, freezeMembers, planMembers } from './group.ts'
import type { Kind, Recursion } from './kind.ts'
import { withCallbacks, withErrbacks } from './links.ts'
import { withAncestor, type Frozen, type Given, type Plan } from './plan.ts'
import { bodyOf, endsOf, headerOf, tasksOf } from './primitives.ts'

export const chord: Kind = {
  /** The chord stands for its body; its own id is that of its header. @see celery 5.6, canvas.py, `_chord.freeze` */
  freeze(signature, options, recursion) {
    const { rootId, parentId, ...rest } = options
    const body = recursion.freeze(bodyOf(signature), { ...rest, rootId })
    const header = recursion.freeze(headerOf(signature), {
      parentId,
      rootId,
      chord: body.signature,
    })
    return {
      signature: {
        ...signature,
        kwargs: { ...signature.kwargs, header: header.signature, body: body.signature },
        options: { ...signature.options, task_id: header.result.id },
      },
      result: withAncestor(body.result, header.result),
    }
  },

  /**
   * The options are those of the body, and of each task of the header, but for what only one of them
   * can have. Without a header the body is sent at once.
   *
   * @see celery 5.6, canvas.py, `_chord.apply_async` and `run`
   */
  plan(signature, given, recursion) {
    const { environment } = recursion
    const all = mergeOptions(signature.options, given.options)
    const { task_id: _id, link, link_error: linkError, ...options } = all
    const header = headerOf(signature)
    const id = textOption(header.options, 'task_id') ?? environment.nextId()
    const plain = bodyOf(signature)
    const merged = { ...plain, options: bodyOptions(plain, options) }
    const linked = withErrbacks(withCallbacks(merged, link), linkError, environment)
    const rootId = textOption(linked.options, 'root_id')
    const taskId = bodyId(signature, header, given)
    const body = recursion.freeze(linked, { taskId, groupId: id, rootId })
    const parts = { groupId: id, rootId, chord: body.signature }
    const members = freezeMembers(tasksOf(header), parts, recursion)
    if (members.length === 0) return bodyAlone(id, body, recursion)
    const plan = planMembers(parts, members, headerGiven(signature, given, options), recursion)
    const size = members.reduce((sum, member) => sum + endsOf(member.signature).length, 0)
    if (size === 0) return bodyAtOnce(plan, body, recursion)
    return {
      calls: plan.calls,
      result: withAncestor(body.result, alone(plan.result)),
      chords: [{ size, header: plan.result, body: body.signature }, ...(plan.chords ?? [])],
      ...(options['add_to_parent'] === false ? {} : { started: alone(plan.result) }),
    }
  },
}

/** Where the chord is told of a group to be in, its body is. */
function bodyOptions(body: SignatureDict, options: Given['options']): Given['options'] {
  const groupId = textOption(options, 'group_id')
  const all = mergeOptions(body.options, options)
  return groupId === undefined ? all : { ...all, group_id: groupId }
}

/** A frozen chord bears the id of its header: that is not meant for the body, which has its own. */
function bodyId(signature: SignatureDict, header: SignatureDict, given: Given): string | undefined {
  const own = textOption(signature.options, 'task_id')
  const isHeaders = own !== undefined && own === textOption(header.options, 'task_id')
  return textOption(given.options, 'task_id') ?? (isHeaders ? undefined : own)
}

/**
 * What follows the body does not follow the header; its tasks are parts of this chord, not of an outer
 * one. A countdown that is given is the body's alone, one that is set is for all.
 *
 * @see celery 5.6, canvas.py, `_chord.run`, whose own parameter `countdown` is
 */
function headerGiven(
  signature: SignatureDict,
  given: Given,
  { chain: _chain, chord: _chord, group_id: _id, group_index: _index, ...all }: Given['options'],
): Given {
  const { header: _header, body: _body, kwargs: inner, ...outer } = signature.kwargs
  const args = signature.immutable ? signature.args : [...given.args, ...signature.args]
  const { countdown: _countdown, ...rest } = all
  const set = signature.options['countdown']
  const options = set === undefined ? rest : { ...rest, countdown: set }
  return { args, kwargs: { ...(inner as object), ...outer, ...given.kwargs }, options }
}

/** A header of chains that end in nothing has no part to wait for. */
function bodyAtOnce(header: Omit<Plan, 'started'>, body: Frozen, recursion: Recursion): Plan {
  const sent = bodyAlone(header.result.id, body, recursion)
  const chords = [...(header.chords ?? []), ...(sent.chords ?? [])]
  return {
    ...sent,
    calls: [...header.calls, ...sent.calls],
    result: withAncestor(body.result, header.result),
    ...(chords.length === 0 ? {} : { chords }),
  }
}

function bodyAlone(id: string, body: Frozen, recursion: Recursion): Plan {
  const sent = recursion.plan(body.signature, { args: [[]], kwargs: {}, options: {} })
  return { ...sent, result: withAncestor(sent.result, { id, parent: null, members: [] }) }
}
