/** Workers in the mind: they run what a plan says, and what follows it, until nothing is left. */

import { readSignature, type SignatureDict } from '../../protocol/signature.ts'
import { listOf } from '../../src/canvas/call.ts'
import type { Given, PlanEnvironment, PlannedCall, PlannedResult } from '../../src/canvas/plan.ts'
import { plan } from '../../src/canvas/planner.ts'
import { groupOf } from '../../src/canvas/primitives.ts'

export interface Chord {
  readonly size: number
  readonly values: unknown[]
  times: number
}

export interface Outcome {
  readonly ran: readonly PlannedCall[]
  readonly chords: ReadonlyMap<string, Chord>
  readonly results: readonly PlannedResult[]
}

const MOST = 5_000

/** Runs a signature and all that follows; every message goes over the wire in between. */
export function runAll(signature: SignatureDict, environment: PlanEnvironment): Outcome {
  const ran: PlannedCall[] = []
  const queue: PlannedCall[] = []
  const chords = new Map<string, Chord>()
  const results: PlannedResult[] = []

  const apply = (of: SignatureDict, given: Given): void => {
    const made = plan(of, environment, given)
    for (const { header, size } of made.chords ?? []) {
      if (chords.has(header.id)) throw new Error(`the chord ${header.id} was opened twice`)
      chords.set(header.id, { size, values: [], times: 0 })
    }
    results.push(made.result)
    queue.push(...(JSON.parse(JSON.stringify(made.calls)) as PlannedCall[]))
  }

  const endPart = ({ task, options }: PlannedCall): void => {
    const chord = chords.get(String(options['group_id']))
    if (chord === undefined) throw new Error(`${task} is part of a chord that nobody opened`)
    chord.values.push(task)
    if (chord.values.length !== chord.size) return
    chord.times += 1
    apply(readSignature(options['chord']), { args: [chord.values], kwargs: {}, options: {} })
  }

  apply(signature, { args: [], kwargs: {}, options: {} })
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (ran.push(next) > MOST) throw new Error('it never ends')
    for (const { of, chain } of followersOf(next)) apply(of, givenBy(next, chain))
    if (listOf(next.options['chain']).length === 0 && next.options['chord']) endPart(next)
  }
  return { ran, chords, results }
}

interface Follower {
  readonly of: SignatureDict
  readonly chain?: readonly unknown[]
}

/** @see celery 5.6, app/trace.py, `trace_task` */
function followersOf({ options }: PlannedCall): readonly Follower[] {
  const links = listOf(options['link']).map((link) => readSignature(link))
  const chain = listOf(options['chain'])
  const of = chain.at(-1)
  const rest = { of: readSignature(of ?? groupOf([])), chain: chain.slice(0, -1) }
  return [...links.map((link) => ({ of: link })), ...(of === undefined ? [] : [rest])]
}

function givenBy({ task, options }: PlannedCall, chain: readonly unknown[] | undefined): Given {
  const id = options['task_id']
  const line = { parent_id: id, root_id: options['root_id'] ?? id }
  return { args: [task], kwargs: {}, options: chain === undefined ? line : { ...line, chain } }
}
