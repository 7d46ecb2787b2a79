/** The signature dict: a call not yet made, as plain data on the wire. */

import { InvalidTaskError } from './errors.ts'
import { isPlainObject, own, type PlainObject } from './plain.ts'

/** Member order is the order on the wire. @see celery 5.6, canvas.py, `Signature` */
export interface SignatureDict {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** `apply_async` options under their wire names: `task_id`, `link`, `countdown`, … */
  readonly options: Readonly<Record<string, unknown>>
  /** `chain`, `group`, `chord`; null for a plain task. */
  readonly subtask_type: string | null
  /** Whether the result of the one before is left out of the arguments. */
  readonly immutable: boolean
}

/** How deep signatures may stand in one another: a chord in a chain in a group, and so on. */
export const MAX_SIGNATURE_DEPTH = 32

/** A signature with every member; what is not given is empty. */
export function signature(
  task: string,
  args: readonly unknown[] = [],
  kwargs: Readonly<Record<string, unknown>> = {},
  rest: Partial<Pick<SignatureDict, 'options' | 'subtask_type' | 'immutable'>> = {},
): SignatureDict {
  const { options = {}, subtask_type = null, immutable = false } = rest
  return { task, args, kwargs, options, subtask_type, immutable }
}

/**
 * Reads a signature, and checks those that stand in it. `subtask_type` and `immutable` may be missing.
 *
 *     {task, args, kwargs, options, [subtask_type], [immutable]}
 *
 * @param where what it is, for the error: `callbacks`, `chain`, `chord`, …
 * @throws InvalidTaskError
 */
export function readSignature(value: unknown, where = 'signature'): SignatureDict {
  return read(value, where, 1)
}

function read(value: unknown, where: string, depth: number): SignatureDict {
  if (depth > MAX_SIGNATURE_DEPTH) {
    throw invalid(where, `holds signatures more than ${MAX_SIGNATURE_DEPTH} deep`)
  }
  if (!isPlainObject(value)) throw invalid(where, 'is not a signature')
  const task = own(value, 'task')
  const args = own(value, 'args')
  const kwargs = own(value, 'kwargs')
  const options = own(value, 'options')
  const type = own(value, 'subtask_type') ?? null
  if (typeof task !== 'string' || task === '') throw invalid(where, 'has no task name')
  if (!Array.isArray(args)) throw invalid(where, 'has args that are not a list')
  if (!isPlainObject(kwargs)) throw invalid(where, 'has kwargs that are not an object')
  if (!isPlainObject(options)) throw invalid(where, 'has options that are not an object')
  if (type !== null && typeof type !== 'string') throw invalid(where, 'has no text as subtask_type')
  for (const inner of innerOf(task, kwargs, options, type)) read(inner, where, depth + 1)
  const immutable = Boolean(own(value, 'immutable'))
  return { task, args, kwargs, options, subtask_type: type, immutable }
}

/** Where a primitive keeps the signatures that it is made of; a plain task has none in its arguments. */
const PARTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['chain', ['tasks']],
  ['group', ['tasks']],
  ['chord', ['header', 'body']],
  ['celery.map', ['task']],
  ['celery.starmap', ['task']],
  ['celery.chunks', ['task']],
])

const LINKS = ['link', 'link_error', 'chord'] as const

function* innerOf(
  task: string,
  kwargs: PlainObject,
  options: PlainObject,
  type: string | null,
): Generator {
  for (const name of PARTS.get(type ?? task) ?? []) yield* listed(own(kwargs, name))
  for (const name of LINKS) yield* listed(own(options, name))
}

/** `.set(link=sig)` leaves a bare signature where `.link(sig)` leaves a list: both are right. */
function listed(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}

function invalid(where: string, what: string): InvalidTaskError {
  return new InvalidTaskError(`${where} ${what}`, { field: where })
}
