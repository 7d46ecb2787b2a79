/** Canvases that Python's Celery recorded, and the same made by us, in a shape that can be compared. */

import { isPlainObject, type PlainObject } from '../../protocol/plain.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { Given, PlanEnvironment, PlannedCall, PlannedResult } from '../../src/canvas/plan.ts'
import { capture } from '../protocol/captures.ts'

/** `[[id, parent], members]` */
export type Tuple = readonly [readonly [string, Tuple | null], readonly Tuple[] | null]

export interface Step {
  readonly signature: SignatureDict
  readonly given: Given
  readonly error?: string
  readonly sent: readonly unknown[]
  readonly sizes: readonly (readonly [string, number])[]
  readonly result: Tuple | null
}

export interface Stamping {
  readonly stamps: Readonly<Record<string, unknown>> | null
  readonly append: boolean
}

export interface Case {
  readonly name: string
  readonly how: string
  readonly error?: string
  readonly errbacksOnHeader?: boolean
  readonly pipes: readonly (readonly [SignatureDict, SignatureDict, SignatureDict])[]
  readonly stamped: readonly (readonly [SignatureDict, Stamping, SignatureDict])[]
  readonly frozen?: { readonly signature: unknown; readonly result: Tuple; readonly error?: string }
  readonly steps: readonly Step[]
}

/** The cases of a capture, whole again. */
export function recorded(name: string): readonly Case[] {
  const cases = capture(name)['cases'] as readonly { shared?: readonly unknown[] }[]
  return cases.map((one) => {
    const { shared: _, ...made } = unpack(one, one.shared ?? []) as Record<string, unknown>
    const steps = (made['steps'] ?? []) as readonly Record<string, unknown>[]
    return {
      pipes: [],
      stamped: [],
      ...made,
      steps: steps.map((step) => ({ ...step, given: givenOf(step['given']) })),
    } as unknown as Case
  })
}

/** Puts what is told once where it stands, and defaults where nothing does. */
function unpack(value: unknown, shared: readonly unknown[]): unknown {
  if (Array.isArray(value)) return value.map((one) => unpack(one, shared))
  if (!isPlainObject(value)) return value
  if (typeof value['$'] === 'number') return unpack(shared[value['$']], shared)
  const entries = Object.entries(value).map(([key, one]) => [key, unpack(one, shared)])
  const made = Object.fromEntries(entries) as Record<string, unknown>
  return typeof made['task'] === 'string' ? { ...DEFAULTS, ...made } : made
}

const DEFAULTS = { args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }

function givenOf(given: unknown): Given {
  const { args, options } = given as { args: readonly unknown[]; options: Record<string, unknown> }
  const { kwargs = {}, ...rest } = options
  return { args, kwargs: kwargs as Record<string, unknown>, options: rest }
}

/** Hands out `#1`, `#2`, …, or from another number on. */
export function numbers(more: Partial<PlanEnvironment> = {}, from = 1): PlanEnvironment {
  let next = from
  return { nextId: () => `#${next++}`, replyTo: 'oid', ...more }
}

export function tupleOf({ id, parent, members }: PlannedResult): Tuple {
  return [[id, parent === null ? null : tupleOf(parent)], members?.map(tupleOf) ?? null]
}

/** What is sent, without what stays with the sender. */
export function callOf(call: unknown): unknown {
  const { task, args, kwargs, options } = call as PlannedCall
  const { add_to_parent: _, ...sent } = options
  return { task, args, kwargs, options: sent }
}

/**
 * Ids by their first appearance, members by name, and none that is null: null is not given. What is not
 * the same in two runs of Celery, the order of the names of stamps, is sorted.
 */
export function normal(value: unknown): unknown {
  const ids = new Map<string, string>()
  return tidy(value, (id) => {
    if (!ids.has(id)) ids.set(id, `#${ids.size + 1}`)
    return ids.get(id)
  })
}

/** Python's clone of an errback notes in its options that it is immutable, where nobody looks. */
function isStray(key: string, value: PlainObject): boolean {
  return key === 'immutable' && typeof value['task'] !== 'string'
}

function tidy(value: unknown, idOf: (id: string) => unknown, done = false): unknown {
  if (typeof value === 'string') return /^#\d+$/.test(value) ? idOf(value) : value
  if (Array.isArray(value)) return value.map((one) => tidy(one, idOf))
  if (!isPlainObject(value)) return value
  if (value['subtask_type'] === 'chain' && !done) return tidy(withoutId(value), idOf, true)
  const entries = Object.keys(value)
    .toSorted()
    .filter((key) => value[key] !== null && value[key] !== undefined && !isStray(key, value))
    .map((key) => [key, tidy(sorted(key, value[key]), idOf)])
  return Object.fromEntries(entries) as unknown
}

function sorted(key: string, value: unknown): unknown {
  return key === 'stamped_headers' ? (value as string[]).toSorted() : value
}

/** The number from which on no id is in the value. */
export function fresh(value: unknown): number {
  const used = JSON.stringify(value).match(/(?<="#)\d+(?=")/g) ?? []
  return Math.max(0, ...used.map(Number)) + 1
}

/** A chain that is frozen bears no id in Celery, but null; we write that of its last task, which is its own. */
function withoutId(chain: PlainObject): PlainObject {
  const { task_id: _, ...options } = chain['options'] as Record<string, unknown>
  return { ...chain, options }
}

/**
 * Whether a line of results, from the last to the first, is in another, which may have more in between.
 * The ids of groups are compared in the calls: Celery's results of inner ones have ids that it gave up.
 */
export function isLineWithin(line: Tuple | null, other: Tuple | null): boolean {
  if (line === null || other === null) return line === other
  const [[id, before], members] = line
  const [[otherId, otherBefore], others] = other
  const isTask = members === null
  if ((isTask && id !== otherId) || members?.length !== others?.length) return false
  const areIn = (members ?? []).every((one, at) => isLineWithin(one, others?.[at] ?? null))
  if (!areIn) return false
  if (before === null) return true
  const earlier = lineOf(otherBefore)
  return earlier.some((one) => isLineWithin(before, one))
}

function lineOf(tuple: Tuple | null): readonly Tuple[] {
  return tuple === null ? [] : [tuple, ...lineOf(tuple[0][1])]
}
