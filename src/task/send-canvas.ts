/** Sends a canvas; when only some of it could be sent, sees to it that nobody waits for the rest. */

import { encodeException, formatTraceback } from '../../protocol/python/exception.ts'
import { isoformat } from '../../protocol/python/datetime.ts'
import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { FAILURE } from '../../protocol/states.ts'
import { listOf, textOption } from '../canvas/call.ts'
import type { Given, PlannedCall } from '../canvas/plan.ts'
import { endsOf, isPart } from '../canvas/primitives.ts'
import { returnUnsent } from './chord.ts'
import { sendSignature } from './dispatch.ts'
import type { TaskHost } from './host.ts'
import { preciseNow } from './meta.ts'
import { AT_ONCE } from './patience.ts'
import { unsentOf } from './send-all.ts'

/**
 * Celery raises, and leaves a chord waiting for parts that were never sent. Here they fail as if they
 * had run, so that the body fails when those have ended that were sent.
 *
 * @throws PartiallySentError when some of it was sent
 */
export async function sendCanvas<Res>(
  host: TaskHost,
  signature: SignatureDict,
  given: Partial<Given>,
  signal?: AbortSignal,
): Promise<Res> {
  try {
    return await sendSignature<Res>(host, signature, given, signal)
  } catch (error) {
    const parts = unsentOf(error).filter(({ options: { chord, chain } }) => isPart(chord, chain))
    if (parts.length > 0) await failParts(host, parts, error)
    throw error
  }
}

/** What cannot be stored is said in the log: who called gets the error that began it. */
async function failParts(
  host: TaskHost,
  parts: readonly PlannedCall[],
  error: unknown,
): Promise<void> {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const meta = {
    status: FAILURE,
    result: encodeException(cause),
    traceback: formatTraceback(cause),
    children: [],
    dateDone: isoformat(preciseNow()),
  }
  try {
    for (const part of parts) {
      for (const end of endsOfCall(part)) {
        const taskId = textOption(end.options, 'task_id')
        if (taskId !== undefined) await host.backend.store({ ...meta, taskId })
        await returnUnsent(host, end, { state: FAILURE, result: meta.result }, AT_ONCE)
      }
    }
  } catch (failed) {
    const why = failed instanceof Error ? failed.message : String(failed)
    host.log.error(`The parts of a chord that could not be sent could not be failed: ${why}`)
  }
}

/** The tasks that it would have ended with. */
function endsOfCall({ task, args, kwargs, options }: PlannedCall): readonly SignatureDict[] {
  const [last] = listOf(options['chain']) as readonly SignatureDict[]
  return endsOf(last ?? makeSignature(task, args, kwargs, { options }))
}
