/** Sends the calls of a plan: many at a time, in their order, and none any more once one could not be sent. */

import type { PlannedCall } from '../canvas/plan.ts'
import { PartiallySentError } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'

/** So many messages wait for the broker at the same time: enough to fill its connection. */
const WINDOW = 500

/** The calls that were not sent, by the error that says so. */
const unsentCalls = new WeakMap<object, readonly PlannedCall[]>()

/** Empty for any other error. */
export function unsentOf(error: unknown): readonly PlannedCall[] {
  return typeof error === 'object' && error !== null ? (unsentCalls.get(error) ?? []) : []
}

/**
 * @throws PartiallySentError when some were sent
 * @throws what sending throws when none was
 */
export async function sendAll(
  calls: readonly PlannedCall[],
  send: (call: PlannedCall) => Promise<AsyncResult>,
): Promise<readonly AsyncResult[]> {
  const results: (AsyncResult | undefined)[] = calls.map(() => undefined)
  try {
    await doAll(calls, async (call, index) => {
      results[index] = await send(call)
    })
  } catch (error) {
    throw failureOf(calls, results, error)
  }
  return results as readonly AsyncResult[]
}

/** Begun in their order, many at a time; none any more after one has failed. @throws what the first threw */
export async function doAll<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  const failures: unknown[] = []
  const entries = items.entries()
  const lane = async (): Promise<void> => {
    for (const [index, item] of entries) {
      await work(item, index).catch((error: unknown) => failures.push(error))
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(WINDOW, items.length) }, lane))
  if (failures.length > 0) throw failures[0]
}

function failureOf(
  calls: readonly PlannedCall[],
  results: readonly (AsyncResult | undefined)[],
  cause: unknown,
): unknown {
  const sent = results.flatMap((result) => result?.id ?? [])
  const unsent = calls.filter((_, index) => results[index] === undefined)
  const error = sent.length === 0 ? cause : new PartiallySentError(sent, unsent.map(idOf), cause)
  if (typeof error === 'object' && error !== null) unsentCalls.set(error, unsent)
  return error
}

/** Every planned call has its id. */
function idOf({ options }: PlannedCall): string {
  return String(options['task_id'])
}
