/** A JavaScript stack as a Python traceback: most recent call last, causes first. */

import {
  exceptionArgs,
  exceptionMessage,
  exceptionType,
  isError,
  JAVASCRIPT,
  read,
} from './exception-type.ts'
import { repr } from './repr.ts'
import { itemAt } from './shape.ts'

/** Characters of the whole text. */
const MAX_TEXT = 64 * 1024
const MAX_MESSAGE = 16 * 1024
const MAX_STACK = 256 * 1024
const MAX_FRAMES = 100
const MAX_CAUSES = 10
const MAX_MEMBERS = 20
const HEADER = 'Traceback (most recent call last):\n'
const BECAUSE = '\nThe above exception was the direct cause of the following exception:\n\n'

/**
 *     Traceback (most recent call last):
 *       File "/app/shop.js", line 12, in charge
 *     ValueError: boom
 *
 * The `cause` chain comes first, as Python shows `raise … from …`. Frames inside Node are left out
 * unless there are no others, and so are those of this package that led to a task. Never throws, and
 * never longer than 64 KiB.
 */
export function formatTraceback(error: unknown): string {
  const blocks: string[] = []
  const seen = new Set<unknown>()
  let current = error
  while (blocks.length < MAX_CAUSES && !seen.has(current)) {
    seen.add(current)
    blocks.unshift(formatOne(current))
    current = read(current, 'cause')
    if (!isError(current)) break
  }
  return cutMiddle(blocks.join(BECAUSE), MAX_TEXT)
}

interface Frame {
  readonly file: string
  readonly line: string
  readonly name: string
}

function formatOne(error: unknown): string {
  const frames = framesOf(error)
  const lines = frames.map(({ file, line, name }) => `  File "${file}", line ${line}, in ${name}\n`)
  const head = lines.length === 0 ? '' : HEADER + lines.toReversed().join('')
  return `${head}${lastLine(error)}\n${members(error)}`
}

/** `ValueError: boom`, the module in front unless it is a built-in. */
function lastLine(error: unknown): string {
  const { type, module } = exceptionType(error)
  const plain = module === null || module === 'builtins' || module === JAVASCRIPT
  const name = plain ? type : `${module}.${type}`
  const message = cutMiddle(messageOf(error), MAX_MESSAGE)
  return message === '' ? name : `${name}: ${message}`
}

function messageOf(error: unknown): string {
  if (isError(error)) return exceptionMessage(error)
  const [value] = exceptionArgs(error)
  return typeof value === 'string' ? value : repr(value)
}

/** The errors of an AggregateError, a line each. */
function members(error: unknown): string {
  const errors = read(error, 'errors')
  if (!isError(error) || !Array.isArray(errors)) return ''
  const count = Math.min(errors.length, MAX_MEMBERS)
  const lines = Array.from({ length: count }, (_, index) => {
    return `  [${index + 1}/${errors.length}] ${lastLine(itemAt(errors, index))}\n`
  })
  return lines.join('')
}

/** Node's order: most recent first. */
function framesOf(error: unknown): Frame[] {
  const stack = isError(error) ? read(error, 'stack') : undefined
  if (typeof stack !== 'string') return []
  const frames = withoutMessage(stack, error)
    .slice(0, MAX_STACK)
    .split('\n')
    .map(parseFrame)
    .filter((frame) => frame !== undefined)
  const outside = frames.filter(({ file }) => !file.startsWith('node:'))
  const task = outside.findIndex(({ file }) => !isOwn(file))
  const shown = outside.filter(({ file }, index) => index < task || task === -1 || !isOwn(file))
  return (shown.length > 0 ? shown : frames).slice(0, MAX_FRAMES)
}

/** A message may hold lines that look like frames. */
function withoutMessage(stack: string, error: unknown): string {
  const message = exceptionMessage(error)
  const at = message === '' ? -1 : stack.indexOf(message)
  return at === -1 ? stack : stack.slice(at + message.length)
}

/**
 *     at charge (file:///app/shop.js:12:9)
 *     at async Worker.run (/app/worker.js:3:5)
 *     at /app/shop.js:1:2
 */
const FRAME = /^ {4}at (?:async )?(?:(.{0,500}?) \()?(.{1,2000}?):(\d{1,9}):\d{1,9}\)?$/

function parseFrame(text: string): Frame | undefined {
  if (text.length > 2500) return undefined
  const match = FRAME.exec(text)
  if (match === null) return undefined
  const [, name, file = '', line = '0'] = match
  return { file: pathOf(file), line, name: name ?? '<module>' }
}

function pathOf(file: string): string {
  const path = file.startsWith('file://') ? file.slice('file://'.length) : file
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const OWN_ROOMS = ownRooms(import.meta.url)

function isOwn(file: string): boolean {
  return OWN_ROOMS.some((room) => file.startsWith(room))
}

/**
 * The folders of this package's code by the URL of this file: `protocol/` and `src/`, and where they
 * were compiled from when this is `dist/`, as a source map says. None when a bundler has moved this file.
 */
export function ownRooms(url: string): readonly string[] {
  const root = /^(file:.*\/)protocol\/python\/traceback\.[jt]s$/.exec(url)?.[1]
  if (root === undefined) return []
  return [root, root.replace(/\/dist\/$/, '/')].flatMap((folder) =>
    ['protocol/', 'src/'].map((room) => pathOf(folder + room)),
  )
}

const HALVES = /^[\udc00-\udfff]|[\ud800-\udbff]$/g

/** Keeps the beginning and the end, where the most is said. */
function cutMiddle(text: string, most: number): string {
  if (text.length <= most) return text
  const half = Math.floor(most / 2) - 40
  const parts = [text.slice(0, half), text.slice(-half)].map((part) => part.replace(HALVES, ''))
  return parts.join(`\n... (${text.length - 2 * half} characters cut) ...\n`)
}
