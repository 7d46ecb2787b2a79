/** A signature for people to read, as Python's `repr()` has it: `tasks.add(2, 2) | mul(4)`. */

import { isPlainObject, own } from '../../protocol/plain.ts'
import { repr } from '../../protocol/python/repr.ts'
import type { SignatureDict } from '../../protocol/signature.ts'
import { bodyOf, chainOf, headerOf, tasksOf } from '../canvas/primitives.ts'

/** Of the items of a map so much is shown. */
const MAX_ITEMS_TEXT = 100

/** @see celery 5.6, canvas.py, `__repr__` of `Signature`, `_chain`, `group`, `_chord` and `xmap` */
export function signatureRepr(signature: SignatureDict): string {
  const { task, args, kwargs, subtask_type: type } = signature
  if (type === 'chain') return chainRepr(signature)
  if (type === 'group') return groupRepr(signature)
  if (type === 'chord') return chordRepr(signature)
  if (task === 'celery.map') return mapRepr(kwargs, 'x')
  if (task === 'celery.starmap') return mapRepr(kwargs, '*x')
  return callRepr(task, args, kwargs)
}

function chainRepr(chain: SignatureDict): string {
  const tasks = tasksOf(chain)
  const [first] = tasks
  if (first === undefined) return '<chain: empty>'
  return shortened(first.task, tasks.map(signatureRepr).join(' | '))
}

function groupRepr(group: SignatureDict): string {
  const tasks = tasksOf(group)
  const [first] = tasks
  return first === undefined
    ? 'group(<empty>)'
    : shortened(first.task, `group(${valueRepr(tasks)})`)
}

/** The header is shown as the first argument of the body, which it will be. */
function chordRepr(chord: SignatureDict): string {
  const header = tasksOf(headerOf(chord))
  const body = bodyOf(chord)
  const withHeader = ({ task, args, kwargs }: SignatureDict): string =>
    callRepr(task, [header, ...args], kwargs)
  if (body.subtask_type !== 'chain') return `%${shortened(body.task, withHeader(body))}`
  const [first, ...rest] = tasksOf(body)
  if (first === undefined) return `%${chainRepr(body)}`
  const parts = [withHeader(first), ...(rest.length === 0 ? [] : [chainRepr(chainOf(rest))])]
  return shortened(first.task, `%(${parts.join(' | ')})`)
}

function mapRepr(kwargs: Readonly<Record<string, unknown>>, x: string): string {
  const inner = own(kwargs, 'task')
  const name = isPlainObject(inner) ? String(own(inner, 'task')) : '?'
  const items = repr(own(kwargs, 'it'))
  const cut = items.length < MAX_ITEMS_TEXT ? items : `${wordsOf(items)}...`
  return `[${name}(${x}) for x in ${cut}]`
}

/** Cut after the last whole word. @see celery 5.6, utils/text.py, `truncate` */
function wordsOf(text: string): string {
  const head = text.slice(0, MAX_ITEMS_TEXT)
  const space = head.lastIndexOf(' ')
  return space < 0 ? head : head.slice(0, space)
}

function callRepr(
  task: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): string {
  const named = Object.entries(kwargs).map(([name, value]) => `${name}=${valueRepr(value)}`)
  return `${task}(${[...args.map(valueRepr), ...named].join(', ')})`
}

function valueRepr(value: unknown): string {
  if (isSignature(value)) return signatureRepr(value)
  if (!Array.isArray(value) || !value.every(isSignature)) return repr(value)
  return `[${value.map(signatureRepr).join(', ')}]`
}

function isSignature(value: unknown): value is SignatureDict {
  return isPlainObject(value) && Object.hasOwn(value, 'subtask_type')
}

/** The module of the task is shown once. @see celery 5.6, utils/text.py, `remove_repeating_from_task` */
function shortened(task: string, text: string): string {
  const dot = task.lastIndexOf('.')
  const module = task.slice(0, dot + 1)
  const end = text.indexOf(module) + module.length
  if (dot < 0 || end < module.length) return text
  return text.slice(0, end) + text.slice(end).replaceAll(module, '')
}
