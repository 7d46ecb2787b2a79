/** Groups that were saved, as handles to their members. */

import { DecodeError } from '../../protocol/errors.ts'
import { resultFromTuple } from './async-result.ts'
import { GroupResult } from './group-result.ts'
import type { ResultSource } from './source.ts'

/**
 * Undefined when nobody saved it.
 *
 * @throws DecodeError when what was saved is no group
 * @throws NotSupported when the backend keeps no groups
 * @see celery 5.6, backends/base.py, `restore_group`
 */
export async function restoreGroup(
  id: string,
  source: ResultSource,
): Promise<GroupResult | undefined> {
  const tuple = await source.backend.groups.restore(id)
  if (tuple === undefined) return undefined
  const result = resultFromTuple(tuple, source)
  if (result instanceof GroupResult) return result
  throw new DecodeError(`what was saved as the group ${id} is no group`)
}
