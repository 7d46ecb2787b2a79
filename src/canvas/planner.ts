/** Signature in, plan out; ties the primitives together. */

import { CeleryError } from '../../protocol/errors.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { call } from './call.ts'
import { chain } from './chain.ts'
import { chord } from './chord.ts'
import { group } from './group.ts'
import type { Kind, Recursion } from './kind.ts'
import {
  NOTHING_GIVEN,
  type FreezeOptions,
  type Frozen,
  type Given,
  type Plan,
  type PlanEnvironment,
} from './plan.ts'

/** By `subtask_type`; map, starmap and chunks are sent as plain tasks. */
const KINDS = new Map<string, Kind>([
  ['chain', chain],
  ['group', group],
  ['chord', chord],
])

/** Which messages to send for a signature, with which ids. */
export function plan(
  signature: SignatureDict,
  environment: PlanEnvironment,
  given: Given = NOTHING_GIVEN,
): Plan {
  return recursion(environment).plan(signature, given)
}

/** A signature with its ids, not sent yet. */
export function freeze(
  signature: SignatureDict,
  environment: PlanEnvironment,
  options: FreezeOptions = {},
): Frozen {
  return recursion(environment).freeze(signature, options)
}

function recursion(environment: PlanEnvironment): Recursion {
  const self: Recursion = {
    environment,
    freeze: (signature, options) => kindOf(signature).freeze(signature, options, self),
    plan: (signature, given) => kindOf(signature).plan(signature, given, self),
  }
  return self
}

function kindOf({ subtask_type: type, task }: SignatureDict): Kind {
  if (type === null || type === undefined) return call
  const kind = KINDS.get(type)
  if (kind !== undefined) return kind
  throw new CeleryError(
    'ERR_NOT_SUPPORTED',
    `'${task}' is a signature of the unknown type '${type}': register its type with the worker that sends it`,
  )
}
