/** A task for each item of a list: one by one in one run, or in chunks of their own. */

import { readSignature, type SignatureDict } from '../../../protocol/signature.ts'
import { chunksOf } from '../../canvas/chunks.ts'
import { NotRegistered } from '../../errors.ts'
import { startSignature } from '../dispatch.ts'
import { callTask } from '../eager.ts'
import type { Run } from '../run.ts'
import { argumentsOf, listOfAny } from './arguments.ts'

/** @see celery 5.6, app/builtins.py */
export const MAPS = {
  map: (run: Run): Promise<readonly unknown[]> => forEach(run, (item) => [item]),

  starmap: (run: Run): Promise<readonly unknown[]> =>
    forEach(run, (item) => listOfAny(run, 'it', item)),

  /** Sends a group of starmaps, and gives its result. @see celery 5.6, canvas.py, `chunks.group` */
  chunks: (run: Run): Promise<unknown> => {
    const { task, items } = mapped(run)
    const { n } = argumentsOf(run, ['task', 'it', 'n'])
    if (!Number.isInteger(n) || (n as number) < 1) {
      throw new TypeError(`${run.name} needs a whole number above 0 in its argument 'n'`)
    }
    return startSignature(run.host, chunksOf(task, items, n as number))
  },
} as const

/** Runs the inner task's function for each item, in this very run: one result for all. */
async function forEach(
  run: Run,
  argsOf: (item: unknown) => readonly unknown[],
): Promise<readonly unknown[]> {
  const { task: inner, items } = mapped(run)
  const task = run.host.tasks.get(inner.task)
  if (task === undefined) throw new NotRegistered(inner.task)
  const results: unknown[] = []
  for (const item of items) results.push(await callTask(run.host, task, argsOf(item)))
  return results
}

function mapped(run: Run): { readonly task: SignatureDict; readonly items: readonly unknown[] } {
  const { task, it } = argumentsOf(run, ['task', 'it'])
  return { task: readSignature(task, 'task'), items: listOfAny(run, 'it', it) }
}
