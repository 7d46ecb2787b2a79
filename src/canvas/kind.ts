/** What each primitive can do, freeze itself and plan itself; and the door through which they reach each other. */

import { CeleryError } from '../../protocol/errors.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { FreezeOptions, Frozen, Given, Plan, PlanEnvironment } from './plan.ts'

/** Handed to each primitive, so that a chain can hold groups that hold chains. */
export interface Recursion {
  readonly environment: PlanEnvironment
  freeze(signature: SignatureDict, options: FreezeOptions): Frozen
  plan(signature: SignatureDict, given: Given): Plan
}

export interface Kind {
  freeze(signature: SignatureDict, options: FreezeOptions, recursion: Recursion): Frozen
  plan(signature: SignatureDict, given: Given, recursion: Recursion): Plan
}

/** A primitive that this release cannot send. */
export function notSupported(what: string): CeleryError {
  return new CeleryError(
    'ERR_NOT_SUPPORTED',
    `${what} cannot be sent by this release: send its tasks one by one, or as a chain`,
  )
}

/** The tasks of a chain or a group, wherever they stand. */
export function tasksOf(signature: SignatureDict): readonly SignatureDict[] {
  const tasks = signature.kwargs['tasks']
  if (!Array.isArray(tasks)) {
    throw new CeleryError(
      'ERR_INVALID_TASK',
      `a ${String(signature.subtask_type)} signature has its tasks in kwargs.tasks; there are none`,
    )
  }
  return tasks as readonly SignatureDict[]
}
