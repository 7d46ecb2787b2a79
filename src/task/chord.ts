/** The end of a part of a chord: it is counted, and with the last one the body is sent, or fails. */

import { exceptionRepr } from '../../protocol/python/exception.ts'
import type { ChordPart, ResultTuple } from '../../protocol/result.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { PROPAGATE_STATES } from '../../protocol/states.ts'
import { endsOf } from '../canvas/primitives.ts'
import { ChordError } from '../errors.ts'
import { AsyncResult } from '../results/async-result.ts'
import type { ReturnedPart } from '../results/backend.ts'
import { remoteError } from '../results/remote-error.ts'
import { oneLine } from '../runtime/log.ts'
import { failUnsent } from './chord-error.ts'
import { sendSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import { AT_ONCE, type Keep } from './patience.ts'

/** A task of a header that has ended. */
export interface EndedPart extends ChordPart, Pick<ReturnedPart, 'run'> {
  /** Null when its message named none: then it is no part. */
  readonly group: string | null
  readonly groupIndex: number | null
  /** The body. */
  readonly chord: SignatureDict
}

/** More of a name than this is not logged: it comes from others. */
const MAX_NAME = 256

/**
 * Where `celery.chord_unlock` looks after the chord there is nothing to do; where nobody can, the body
 * would never run: that is said aloud.
 *
 * @see celery 5.6, backends/redis.py, `on_chord_part_return`
 */
export async function returnPart(
  host: TaskHost,
  part: EndedPart,
  keep: Keep = AT_ONCE,
): Promise<void> {
  const { group: groupId, groupIndex, chord: body } = part
  if (groupId === null) return
  const { backend } = host
  const { chords } = backend
  if (chords === undefined) {
    if (!backend.capabilities.persistent) host.log.error(uncounted(host, part))
    return
  }
  const { groups } = backend
  const { taskId, state, result, run } = part
  const ended = { groupId, groupIndex, taskId, state, result }
  const returned = run === undefined ? ended : { ...ended, run }
  const parts = await keep('the part in a chord', () => chords.onChordPartReturn(returned))
  if (parts === undefined) return
  const join = async (): Promise<readonly unknown[]> => {
    const group = await keep('the end of a chord', () => groups.restore(groupId))
    return group === undefined ? valuesOf(parts) : await joined(host, group, parts)
  }
  const sent = await completeChord(host, groupId, body, join, keep)
  await keep('the end of a chord', () => chords.endChord(groupId, !sent))
}

/**
 * Sends the body with the results of the header, or has it fail with what is wrong with them.
 *
 * @returns whether it was sent
 */
export async function completeChord(
  host: TaskHost,
  groupId: string,
  body: SignatureDict,
  join: () => Promise<readonly unknown[]>,
  keep: Keep = AT_ONCE,
): Promise<boolean> {
  const fail = async (error: ChordError): Promise<false> => {
    const id = groupId.slice(0, MAX_NAME)
    host.log.error(oneLine(`Chord '${id}' raised: ${exceptionRepr(error)}`))
    await failUnsent(host, body, error, (end, result) => endWith(host, end, result, keep), keep)
    return false
  }
  let values: readonly unknown[]
  try {
    values = await join()
  } catch (error) {
    return await fail(asChordError('Join error', error))
  }
  try {
    await sendSignature(host, body, { args: [values] })
    return true
  } catch (error) {
    return await fail(asChordError('Callback error', error))
  }
}

/** A task of a body that will not run may be a part of an outer chord, which must not wait for it. */
async function endWith(
  host: TaskHost,
  { options }: SignatureDict,
  ended: Omit<ChordPart, 'taskId'>,
  keep: Keep,
): Promise<void> {
  const { task_id: taskId, group_id: group, group_index: index, chord } = options
  if (typeof taskId !== 'string' || typeof group !== 'string' || !isBody(chord)) return
  const groupIndex = typeof index === 'number' ? index : null
  await returnPart(host, { ...ended, taskId, group, groupIndex, chord }, keep)
}

/** The same for a signature that will not run because one before it failed. */
export async function returnUnsent(
  host: TaskHost,
  signature: SignatureDict,
  ended: Omit<ChordPart, 'taskId'>,
  keep: Keep,
): Promise<void> {
  for (const end of endsOf(signature)) await endWith(host, end, ended, keep)
}

function isBody(value: unknown): value is SignatureDict {
  return typeof value === 'object' && value !== null
}

/** @throws ChordError for the first part that failed */
function valuesOf(parts: readonly ChordPart[]): readonly unknown[] {
  const failed = parts.find(({ state }) => PROPAGATE_STATES.has(state))
  if (failed === undefined) return parts.map(({ result }) => result)
  throw dependencyError(failed)
}

/** @see celery 5.6, backends/redis.py, `_unpack_chord_result` */
export function dependencyError({ taskId, state, result }: ChordPart): ChordError {
  const meta = { taskId, status: state, result, traceback: null, children: null, dateDone: null }
  const cause = remoteError(meta)
  return new ChordError(`Dependency ${taskId} raised ${exceptionRepr(cause)}`, { cause })
}

/** The results in the form of the saved group, where groups may stand in groups. */
async function joined(
  host: TaskHost,
  group: ResultTuple,
  parts: readonly ChordPart[],
): Promise<readonly unknown[]> {
  const known = new Map(parts.map((part) => [part.taskId, part]))
  const timeout = host.conf.resultChordJoinTimeout
  const valueOf = async ([[id], members]: ResultTuple): Promise<unknown> => {
    if (members !== null) return await Promise.all(members.map(valueOf))
    const part = known.get(id)
    if (part === undefined) return await new AsyncResult(id, host).get({ timeout })
    if (!PROPAGATE_STATES.has(part.state)) return part.result
    throw dependencyError(part).cause
  }
  return (await valueOf(group)) as readonly unknown[]
}

function asChordError(what: string, error: unknown): ChordError {
  if (error instanceof ChordError) return error
  return new ChordError(`${what}: ${exceptionRepr(error)}`, { cause: error })
}

function uncounted({ backend }: TaskHost, { taskId, state, group, chord }: EndedPart): string {
  const body = chord.task.slice(0, MAX_NAME)
  return oneLine(
    `Task ${taskId.slice(0, MAX_NAME)} ended as ${state} in the header of the chord ${group?.slice(0, MAX_NAME)}, ` +
      `whose body '${body}' will not run: the result backend ${backend.address} cannot count its parts`,
  )
}
