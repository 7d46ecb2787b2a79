/** The options of a call by their two names: `apply_async`'s on the wire, camelCase with us. */

/** @see celery 5.6, app/task.py, `Task.apply_async` and app/base.py, `Celery.send_task` */
const NAMES: readonly (readonly [wire: string, ours: string])[] = [
  ['countdown', 'countdown'],
  ['eta', 'eta'],
  ['expires', 'expires'],
  ['queue', 'queue'],
  ['exchange', 'exchange'],
  ['routing_key', 'routingKey'],
  ['priority', 'priority'],
  ['serializer', 'serializer'],
  ['compression', 'compression'],
  ['headers', 'headers'],
  ['task_id', 'taskId'],
  ['shadow', 'shadow'],
  ['ignore_result', 'ignoreResult'],
  ['time_limit', 'timeLimit'],
  ['soft_time_limit', 'softTimeLimit'],
  ['retries', 'retries'],
  ['reply_to', 'replyTo'],
  ['link', 'link'],
  ['link_error', 'linkError'],
  ['chain', 'chain'],
  ['chord', 'chord'],
  ['group_id', 'groupId'],
  ['group_index', 'groupIndex'],
  ['root_id', 'rootId'],
  ['parent_id', 'parentId'],
  ['replaced_task_nesting', 'replacedTaskNesting'],
  ['argsrepr', 'argsrepr'],
  ['kwargsrepr', 'kwargsrepr'],
  ['origin', 'origin'],
  ['delivery_mode', 'deliveryMode'],
  ['add_to_parent', 'addToParent'],
  ['retry', 'retry'],
  ['timeout', 'timeout'],
]

const OURS = new Map(NAMES)
const WIRE = new Map(NAMES.map(([wire, ours]) => [ours, wire] as const))

/**
 * What Python's `apply_async` keeps to itself, and the stray `immutable` that Celery 5.6 puts among
 * the options of a group's errbacks: never sent on.
 */
const LOCAL = new Set([
  'immutable',
  'producer',
  'publisher',
  'connection',
  'router',
  'route_name',
  'result_cls',
  'retry_policy',
  'confirm_timeout',
  'declare',
  'use_link',
])

/** Options as they stand in a signature dict. */
export type WireOptions = Readonly<Record<string, unknown>>

/**
 * Options under their wire names; stamps become options of their own, listed in `stamped_headers`.
 * Undefined ones are left out; `properties` are message properties, which Python spells as options.
 */
export function toWireOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const wire: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const wireName = WIRE.get(name)
    if (value !== undefined && wireName !== undefined) wire[wireName] = value
  }
  const { properties, stamps } = options
  if (isRecord(properties)) Object.assign(wire, properties)
  if (isRecord(stamps)) Object.assign(wire, stamps, { stamped_headers: Object.keys(stamps) })
  return wire
}

/** Options under our names; null ones are left out, as Celery does before it merges. */
export function fromWireOptions(wire: WireOptions): Record<string, unknown> {
  const ours: Record<string, unknown> = {}
  const stamped = stampNames(wire)
  const properties: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(wire)) {
    if (value === null || value === undefined) continue
    const known = OURS.get(name)
    if (known !== undefined) ours[known] = value
    else if (isProperty(name, stamped)) properties[name] = value
  }
  if (Object.keys(properties).length > 0) ours['properties'] = properties
  if (stamped.size > 0) ours['stamps'] = pick(wire, stamped)
  return ours
}

/** The options that are stamps, by `stamped_headers`. */
export function stampNames(wire: WireOptions): ReadonlySet<string> {
  const names = wire['stamped_headers']
  if (!Array.isArray(names)) return NO_NAMES
  return new Set(names.filter((name): name is string => typeof name === 'string'))
}

const NO_NAMES: ReadonlySet<string> = new Set()

function isProperty(name: string, stamped: ReadonlySet<string>): boolean {
  return name !== 'stamped_headers' && !stamped.has(name) && !LOCAL.has(name)
}

function pick(wire: WireOptions, names: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(
    [...names].filter((name) => Object.hasOwn(wire, name)).map((name) => [name, wire[name]]),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
