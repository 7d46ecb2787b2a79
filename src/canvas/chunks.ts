/** Many calls of one task in few messages: a group of starmaps, each with its share of the items. */

import { signature as make, type SignatureDict } from '../../protocol/signature.ts'
import { groupOf } from './primitives.ts'

/**
 * What is sent for `celery.chunks`, which itself never is but from within other signatures.
 *
 * @param size how many items a message has, 1 or more; the last may have fewer
 * @see celery 5.6, canvas.py, `chunks.group`
 */
export function chunksOf(
  task: SignatureDict,
  items: readonly unknown[],
  size: number,
): SignatureDict {
  const count = Math.ceil(items.length / size)
  const shares = Array.from({ length: count }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
  return groupOf(shares.map((it) => starmapOf(task, it)))
}

/** The task is called for each item, which is the list of its arguments, in one run. */
function starmapOf(task: SignatureDict, it: readonly unknown[]): SignatureDict {
  return make('celery.starmap', [], { task, it }, { immutable: true })
}
