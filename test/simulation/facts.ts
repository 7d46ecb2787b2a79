/** What is known of a task and of a worker process while a history goes on. */

import { READY_STATES } from '../../protocol/states.ts'
import type { Copy } from './copy.ts'
import { KINDS, type TaskSpec } from './load.ts'
import type { Actor } from './world.ts'

export type Phase = 'running' | 'warm' | 'cold' | 'warmEnd' | 'coldEnd' | 'crashed'

/** What the checker knows of a worker process. */
export interface Watched {
  readonly actor: Actor
  /** Consumes at most so many, without those that wait for their eta; 0 is no limit. */
  readonly prefetchCount: number
  /** When deliveries with an eta came, by their tags. */
  readonly etas: Map<number, number>
  /** Whether it runs, or has been asked to end, and how. */
  phase: Phase
  /** Whether a connection of it, or a lease, was ever lost. */
  shaken: boolean
  readonly revoked: Set<string>
}

/** What is known of one task. */
export interface Facts {
  readonly spec: TaskSpec
  /** The task that sends it when it has succeeded. */
  sender: Facts | undefined
  /** Whether who sent it was told that the broker has it. */
  confirmed: boolean
  /** How often it entered the broker, by its number of retries. */
  readonly entered: number[]
  /** How often a run was begun. */
  starts: number
  handed: number
  /** How often by its number of retries; more than once is a run beside, or after, another of the same. */
  readonly handedBy: number[]
  rerun: boolean
  /** Its messages that are in the broker now. */
  readonly copies: Set<Copy>
  status: string | undefined
  /** Whether an end of it was ever stored. */
  told: boolean
  /** It is legitimately over without a result. */
  over: boolean
  /** Its message was acked early by those who run it now; with the number of that try. */
  readonly owed: Map<Watched, number>
  /** Lost as Celery loses it: acked early, then its worker died. */
  lost: boolean
  /** The backend gave up on something of it. */
  unstored: boolean
  revoked: boolean
}

const ENDED: ReadonlySet<Phase> = new Set(['warmEnd', 'coldEnd', 'crashed'])

export function factsOf(spec: TaskSpec): Facts {
  return {
    spec,
    sender: undefined,
    confirmed: false,
    entered: [],
    starts: 0,
    handed: 0,
    handedBy: [],
    rerun: false,
    copies: new Set(),
    status: undefined,
    told: false,
    over: false,
    owed: new Map(),
    lost: false,
    unstored: false,
    revoked: false,
  }
}

/** Whether somebody alive has taken it upon himself. */
export function isOwed(facts: Facts): boolean {
  for (const watched of facts.owed.keys()) {
    if (watched.phase === 'crashed' || watched.phase === 'coldEnd') facts.lost = true
    if (ENDED.has(watched.phase)) facts.owed.delete(watched)
  }
  return facts.owed.size > 0
}

export function isOpen(facts: Facts): boolean {
  if (facts.copies.size > 0) return true
  if (isDone(facts)) return false
  return facts.owed.size > 0 || (facts.confirmed && !facts.lost)
}

/**
 * Whether it has its end: told, or none to tell. A run whose message was given to another, and ended
 * there, may still say RETRY or STARTED over that end, as in Celery.
 */
export function isDone({ spec, status, told, rerun, over, unstored, revoked }: Facts): boolean {
  if (over || unstored || (status !== undefined && READY_STATES.has(status))) return true
  if (told && rerun) return true
  const discarded = revoked || spec.options.expires !== undefined
  const limited = spec.options.timeLimit !== undefined || spec.options.softTimeLimit !== undefined
  return !KINDS[spec.task].stores && (discarded || limited)
}

/** States that a task may end in. */
export function allowed({ ending, options, next }: TaskSpec, revoked: boolean): readonly string[] {
  const states = [ending === 'failure' || ending === 'giveUp' ? 'FAILURE' : 'SUCCESS']
  if (revoked || options.expires !== undefined) states.push('REVOKED')
  if (options.timeLimit !== undefined || options.softTimeLimit !== undefined) states.push('FAILURE')
  // the next try, or what follows, could not be sent
  if (ending === 'retry' || next !== undefined) states.push('FAILURE')
  return states
}

export function retriesOf({ message }: Copy): number {
  return Number(message.headers['retries'] ?? 0)
}
