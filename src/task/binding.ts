/** From the arguments of a message to those of a function, with the errors that Python would raise. */

import type { ResolvedTaskOptions } from './options.ts'
import type { StandardIssue } from './standard-schema.ts'

/** How many arguments a function takes, `self` not counted. */
export interface Arity {
  readonly required: number
  /** Infinity when its text does not tell. */
  readonly max: number
}

/** What must be known of a task to bind its arguments. */
export interface Bindable {
  readonly name: string
  readonly run: (...args: never) => unknown
  readonly arity: Arity
  readonly options: Pick<ResolvedTaskOptions, 'params' | 'input' | 'typing'>
}

type Kwargs = Readonly<Record<string, unknown>>

/**
 * Reads a function's arity. What may be left out stands after the first default, and is counted in
 * its text; a rest parameter, `arguments`, or no text at all means no upper bound.
 */
export function arityOf(run: (...args: never) => unknown, bound: boolean): Arity {
  const self = bound ? 1 : 0
  const required = Math.max(0, run.length - self)
  const text = Function.prototype.toString.call(run)
  if (/\barguments\b|\[native code\]/.test(text)) return { required, max: Infinity }
  const params = parametersOf(text)
  const open = params.some((param) => param.startsWith('...'))
  return { required, max: open ? Infinity : Math.max(required, params.length - self) }
}

/** Strings and comments, in which a comma or a bracket means nothing. */
const OPAQUE = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[^]*?\*\/|\/\/[^\n]*/g

/** What stands between a function's own parentheses, split at its commas. */
function parametersOf(text: string): readonly string[] {
  const plain = text.replace(OPAQUE, '""')
  const start = plain.indexOf('(')
  const arrow = plain.indexOf('=>')
  if (start === -1 || (arrow !== -1 && arrow < start)) return ['']
  const params = ['']
  let depth = 0
  for (const letter of plain.slice(start)) {
    if (')]}'.includes(letter)) depth -= 1
    if (depth === 0 && letter === ')') break
    if (depth === 1 && letter === ',') params.push('')
    else if (depth > 0) params.push(`${params.pop() ?? ''}${letter}`)
    if ('([{'.includes(letter)) depth += 1
  }
  return params.map((param) => param.trim()).filter((param) => param !== '')
}

/**
 * The arguments in the order of the function's own.
 *
 * @throws TypeError as Python words it
 */
export function bindArguments(
  task: Bindable,
  args: readonly unknown[],
  kwargs: Kwargs,
): readonly unknown[] {
  const names = Object.keys(kwargs)
  const { params, typing } = task.options
  if (params !== undefined) return bindByName(task, params, args, kwargs)
  if (names.length > 0) throw undeclared(task, names)
  if (typing) checkCount(task, args.length)
  return args
}

function bindByName(
  task: Bindable,
  params: readonly string[],
  args: readonly unknown[],
  kwargs: Kwargs,
): readonly unknown[] {
  const names = params.map((param) => param.replace(/\?$/, ''))
  const bound = [...args]
  for (const [name, value] of Object.entries(kwargs)) {
    const index = names.indexOf(name)
    if (index === -1) throw typeError(task, `got an unexpected keyword argument '${name}'`)
    if (index < args.length) throw typeError(task, `got multiple values for argument '${name}'`)
    bound[index] = value
  }
  const required = params.filter(
    (param, index) => !param.endsWith('?') && index < task.arity.required,
  )
  if (args.length > names.length) throw tooMany(task, required.length, names.length, args.length)
  const missing = required.filter((name) => !has(bound, names.indexOf(name)))
  if (missing.length > 0) throw typeError(task, missingText(missing))
  return bound
}

/** Holes are what nobody gave. */
function has(bound: readonly unknown[], index: number): boolean {
  return Object.hasOwn(bound, index)
}

function checkCount(task: Bindable, given: number): void {
  const { required, max } = task.arity
  if (given > max) throw tooMany(task, required, max, given)
  if (given < required) {
    const count = required - given
    throw typeError(task, `missing ${count} required positional ${plural(count)}`)
  }
}

/** @see CPython, Python/ceval.c, `too_many_positional` */
function tooMany(task: Bindable, required: number, max: number, given: number): TypeError {
  const takes = required < max ? `from ${required} to ${max}` : String(max)
  const were = given === 1 ? 'was' : 'were'
  return typeError(task, `takes ${takes} positional ${plural(max)} but ${given} ${were} given`)
}

/** @see CPython, Python/ceval.c, `format_missing` */
function missingText(missing: readonly string[]): string {
  const quoted = missing.map((name) => `'${name}'`)
  const last = quoted.at(-1) ?? ''
  const text =
    quoted.length < 3 ? quoted.join(' and ') : `${quoted.slice(0, -1).join(', ')}, and ${last}`
  return `missing ${missing.length} required positional ${plural(missing.length)}: ${text}`
}

function plural(count: number): string {
  return count === 1 ? 'argument' : 'arguments'
}

function undeclared(task: Bindable, names: readonly string[]): TypeError {
  const given = names.map((name) => `'${name}'`).join(', ')
  return typeError(
    task,
    `got keyword arguments ${given}: declare the names of its arguments in the option 'params' of task '${task.name}'`,
  )
}

function typeError(task: Bindable, text: string): TypeError {
  return new TypeError(`${functionName(task)}() ${text}`)
}

/** The function's own name, else the last word of the task's. */
function functionName({ name, run }: Bindable): string {
  return run.name || name.slice(name.lastIndexOf('.') + 1)
}

/**
 * Has the `input` schema check bound arguments: as a list, or by name with `params`.
 *
 * @throws TypeError with the paths that were wrong
 */
export async function validateArguments(
  task: Bindable,
  args: readonly unknown[],
): Promise<readonly unknown[]> {
  const { input, params } = task.options
  if (input === undefined) return args
  const names = params?.map((param) => param.replace(/\?$/, ''))
  const value = names === undefined ? args : byName(names, args)
  const result = await input['~standard'].validate(value)
  if (result.issues !== undefined) {
    throw typeError(task, `got invalid arguments: ${result.issues.map(issueText).join('; ')}`)
  }
  return names === undefined ? listFrom(task, result.value) : inOrder(task, names, result.value)
}

function byName(names: readonly string[], args: readonly unknown[]): Record<string, unknown> {
  const entries = names.map((name, index) => [name, args[index]] as const)
  return Object.fromEntries(entries.filter((_, index) => has(args, index)))
}

function listFrom(task: Bindable, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw typeError(task, 'has an input schema that gives no list of arguments')
}

function inOrder(task: Bindable, names: readonly string[], value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) {
    throw typeError(task, 'has an input schema that gives no object of arguments by name')
  }
  const args = names.map((name): unknown =>
    Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined,
  )
  const last = names.findLastIndex((name) => Object.hasOwn(value, name))
  return args.slice(0, last + 1)
}

/** `items[0].qty: expected a number`. */
function issueText({ message, path }: StandardIssue): string {
  const keys = (path ?? []).map((part) => (typeof part === 'object' ? part.key : part))
  const text = keys.reduce<string>((shown, key) => {
    if (typeof key === 'number') return `${shown}[${key}]`
    return shown === '' ? String(key) : `${shown}.${String(key)}`
  }, '')
  return text === '' ? message : `${text}: ${message}`
}
