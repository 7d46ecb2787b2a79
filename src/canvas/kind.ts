/** What each primitive can do, freeze itself and plan itself; and the door through which they reach each other. */

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
