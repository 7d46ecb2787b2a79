/** The results that a plan will make: as handles, and as the tuples that Celery makes of them. */

import type { ResultTuple } from '../../protocol/result.ts'
import type { PlannedResult } from '../canvas/plan.ts'
import { NotSupported } from '../errors.ts'
import { AsyncResult } from '../results/async-result.ts'
import { GroupResult } from '../results/group-result.ts'
import type { ResultSource } from '../results/source.ts'
import type { ResultNode } from '../results/tree.ts'
import type { TaskHost } from './host.ts'
import { newId } from './id.ts'

/**
 * The handle to a result to come, with what runs before it: of a group a GroupResult, else an AsyncResult.
 *
 * @param sent what sending gave: it knows what nobody will store, and what was run here and now
 */
export function resultOf(
  host: TaskHost,
  planned: PlannedResult,
  sent: readonly AsyncResult[] = [],
): ResultNode {
  const known = new Map(sent.map((result) => [result.id, result]))
  const source = host.resultSource ?? {
    get backend() {
      return host.backend
    },
  }
  return nodeOf(planned, source, known)
}

/** A long chain is a long line of parents: too long to call oneself for each. */
function nodeOf(
  planned: PlannedResult,
  source: ResultSource,
  known: ReadonlyMap<string, AsyncResult>,
): ResultNode {
  let node: ResultNode | undefined
  for (const { id, members } of lineOf(planned)) {
    const parent = node
    const sent = known.get(id)
    if (members !== undefined) {
      const results = members.map((member) => nodeOf(member, source, known))
      node = new GroupResult(id, results, { parent, source })
    } else if (sent !== undefined && parent === undefined) node = sent
    else node = new AsyncResult(id, source, { parent, ignored: sent?.ignored })
  }
  return node as ResultNode
}

/** What runs before it, the first one first, and itself. */
function lineOf(planned: PlannedResult): readonly PlannedResult[] {
  const line: PlannedResult[] = []
  for (let at: PlannedResult | null = planned; at !== null; at = at.parent) line.push(at)
  return line.toReversed()
}

/** @see celery 5.6, result.py, `as_tuple` */
export function tupleOf(planned: PlannedResult): ResultTuple {
  return lineOf(planned).reduce<ResultTuple | null>(
    (parent, { id, members }) => [[id, parent], members?.map(tupleOf) ?? null],
    null,
  ) as ResultTuple
}

/** What an empty group gives that belongs to no app. */
export function nothingSent(): GroupResult {
  const source: ResultSource = {
    get backend(): never {
      throw new NotSupported('the result of an empty group has no result backend')
    },
  }
  return new GroupResult(newId(), [], { source })
}
