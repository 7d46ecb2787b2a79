/** One part more for a chord that runs: `self.addToChord()`. */

import type { SignatureDict } from '../../protocol/signature.ts'
import { freeze } from '../canvas/planner.ts'
import { endsOf } from '../canvas/primitives.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import { environmentOf, chordsOf, sendSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import type { TaskRequest } from './request.ts'
import type { SignatureLike } from './sender.ts'
import { dictOf } from './wire.ts'

/**
 * It is counted before it is sent, so that it cannot end uncounted; when it cannot be sent, the chord
 * waits for it no more.
 *
 * @see celery 5.6, app/task.py, `Task.add_to_chord`
 */
export async function addToChord(
  host: TaskHost,
  request: TaskRequest,
  added: SignatureLike,
): Promise<AsyncResult> {
  const signature = await countIn(host, request, added)
  try {
    return await sendSignature(host, signature)
  } catch (error) {
    await chordsOf(host).addToChord(request.group ?? '', -endsOf(signature).length)
    throw error
  }
}

/** The same, but who asked sends it: gives it as a part of the chord, which waits for it. */
export async function countIn(
  host: TaskHost,
  { group, groupIndex, rootId, embed }: TaskRequest,
  added: SignatureLike,
): Promise<SignatureDict> {
  if (embed.chord === null || group === null) {
    throw new ImproperlyConfigured('Current task is not member of any chord')
  }
  const { signature } = freeze(dictOf(added), environmentOf(host), {
    groupId: group,
    groupIndex: groupIndex ?? undefined,
    rootId: rootId ?? undefined,
    chord: embed.chord,
  })
  await chordsOf(host).addToChord(group, endsOf(signature).length)
  return signature
}
