/** Looks whether the header of a chord is done, again and again, where no backend counts: `celery.chord_unlock`. */

import { readResultTuple, type ResultMeta, type ResultTuple } from '../../../protocol/result.ts'
import { readSignature } from '../../../protocol/signature.ts'
import { PROPAGATE_STATES, READY_STATES } from '../../../protocol/states.ts'
import { CeleryError } from '../../errors.ts'
import { completeChord, dependencyError } from '../chord.ts'
import type { Run } from '../run.ts'
import { argumentsOf, listOfAny } from './arguments.ts'

/** How many results one look asks for: the first that is not ready ends it. */
const MAX_BATCH = 1000

/**
 * The sender names the results that it waits for. As long as one is missing, or cannot be read for now,
 * it retries; then it sends the body with them, or has it fail.
 *
 * @see celery 5.6, app/builtins.py, `add_unlock_chord_task`
 */
export async function unlockChord(run: Run): Promise<void> {
  const { group_id: id, callback } = argumentsOf(run, ['group_id', 'callback'])
  const body = readSignature(callback, 'callback')
  const result = run.request.kwargs['result'] ?? run.request.args[4]
  const tuples = listOfAny(run, 'result', result).map((tuple) => readResultTuple(tuple))
  const metas = await readyMetas(run, tuples)
  if (metas === undefined) throw run.retry(limits(run))
  await completeChord(run.host, String(id), body, async () => {
    if (metas instanceof CeleryError) throw metas
    return tuples.map((tuple) => valueOf(tuple, metas))
  })
}

/** Undefined when one is not ready; an error when what is stored of one will never be readable. */
async function readyMetas(
  run: Run,
  tuples: readonly ResultTuple[],
): Promise<ReadonlyMap<string, ResultMeta> | CeleryError | undefined> {
  const ids = tuples.flatMap(idsOf)
  const metas = new Map<string, ResultMeta>()
  for (let from = 0; from < ids.length; from += MAX_BATCH) {
    let some: readonly ResultMeta[]
    try {
      some = await run.backend.fetchMany(ids.slice(from, from + MAX_BATCH))
    } catch (error) {
      if (error instanceof CeleryError && LASTING.has(error.code) && !error.retryable) return error
      throw run.retry({ ...limits(run), exc: error })
    }
    if (!some.every(({ status }) => READY_STATES.has(status))) return undefined
    for (const meta of some) metas.set(meta.taskId, meta)
  }
  return metas
}

/** What another look would find again: Celery looks for ever, here the body fails. */
const LASTING: ReadonlySet<string> = new Set([
  'ERR_BACKEND',
  'ERR_CONTENT_DISALLOWED',
  'ERR_DECODE',
  'ERR_LIMIT_EXCEEDED',
])

function limits({ request: { args, kwargs } }: Run): { countdown?: number; maxRetries?: number } {
  const interval = kwargs['interval'] ?? args[2]
  const maxRetries = kwargs['max_retries'] ?? args[3]
  return {
    ...(typeof interval === 'number' ? { countdown: interval } : {}),
    ...(typeof maxRetries === 'number' ? { maxRetries } : {}),
  }
}

function idsOf([[id], members]: ResultTuple): readonly string[] {
  return members === null ? [id] : members.flatMap(idsOf)
}

/** @throws ChordError for the first that failed */
function valueOf([[id], members]: ResultTuple, metas: ReadonlyMap<string, ResultMeta>): unknown {
  if (members !== null) return members.map((member) => valueOf(member, metas))
  const meta = metas.get(id)
  if (meta === undefined || !PROPAGATE_STATES.has(meta.status)) return meta?.result ?? null
  throw dependencyError({ taskId: id, state: meta.status, result: meta.result })
}
