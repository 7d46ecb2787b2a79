/** `repr()` as Python spells it, whole or cut to a length: `argsrepr` and `kwargsrepr`. */

import { isUtf8 } from 'node:buffer'
import { exceptionArgs, exceptionType } from './exception-type.ts'
import { itemAt, primitiveText, shapeOf, type Container } from './shape.ts'

/** Containers below this depth are shown as `[...]`. @see celery 5.6, utils/saferepr.py, `maxlevels` */
const MAX_LEVELS = 3
/** How deep `repr` follows before it writes `...`: far beyond what is readable. */
const MAX_DEPTH = 100
/** How many members it shows in all. */
const MAX_PARTS = 100_000

/**
 * Text of a bounded length for people to read. Depth first, token by token; when the length is used
 * up, `, ...` and the brackets that are still open. Strings escape only the quote. Never throws.
 *
 * @param maxLength in characters as Python counts them; `Infinity` for no bound
 * @see celery 5.6, utils/saferepr.py: `_saferepr` spends the length, `reprstream` makes the tokens
 */
export function saferepr(value: unknown, maxLength = 1024): string {
  const writer = new Writer(maxLength)
  writer.write(value, 0)
  return writer.text
}

/** Positional arguments as the tuple that they are in Python: `(1,)`. */
export function reprArgs(args: readonly unknown[], maxLength = 1024): string {
  const writer = new Writer(maxLength)
  const close = args.length === 1 ? ',)' : ')'
  writer.writeContainer({ kind: 'list', open: '(', close, items: args, keys: [] }, args, 0)
  return writer.text
}

export function reprKwargs(kwargs: Readonly<Record<string, unknown>>, maxLength = 1024): string {
  return saferepr(kwargs, maxLength)
}

class Writer {
  text = ''
  #left: number
  #cut = false
  readonly #ancestors: object[] = []

  constructor(maxLength: number) {
    this.#left = maxLength
  }

  write(value: unknown, level: number): void {
    if (typeof value === 'string') return this.#put(quoted, value)
    if (typeof value !== 'object' || value === null)
      return this.#put(truncate, primitiveText(value))
    const shape = shapeOf(value, this.#left)
    if (shape.kind === 'leaf') return this.#put(truncate, shape.text)
    if (shape.kind === 'bytes') return this.#put(bytesText, shape.bytes)
    if (shape.kind === 'error') return this.#put(truncate, exceptionRepr(value))
    if (shape.kind === 'set' && shape.items.length === 0) return this.#put(truncate, 'set()')
    this.writeContainer(shape, value, level)
  }

  writeContainer(container: Container, self: object, level: number): void {
    const { kind, open, close } = container
    if (level >= MAX_LEVELS) return this.#put(truncate, `${open}...${close}`)
    if (this.#ancestors.includes(self)) return this.#put(truncate, `<Recursion on ${kind}>`)
    this.#ancestors.push(self)
    this.#literal(open)
    if (!this.#cut) this.#writeItems(container, level + 1)
    this.#ancestors.pop()
    // What was cut inside still closes; what is cut at the bracket itself does not.
    if (this.#cut) this.text += close
    else this.#literal(close)
  }

  #writeItems({ kind, items, keys }: Container, level: number): void {
    for (let index = 0; index < items.length && !this.#cut; index += 1) {
      if (index > 0) this.#literal(', ')
      if (kind === 'dict') {
        // A key is a repr of its own within what is left.
        this.#put(saferepr, keys[index])
        this.#literal(': ')
      }
      if (!this.#cut) this.write(itemAt(items, index), level)
    }
  }

  #literal(text: string): void {
    if (this.#hasRoom()) this.#append(text)
  }

  /** One token, spelled within what is left. */
  #put<T>(spell: (value: T, left: number) => string, value: T): void {
    if (this.#hasRoom()) this.#append(spell(value, this.#left))
  }

  #append(text: string): void {
    this.text += text
    this.#left -= lengthOf(text)
  }

  #hasRoom(): boolean {
    if (this.#cut) return false
    if (this.#left > 0) return true
    this.text += ', ...'
    this.#cut = true
    return false
  }
}

/**
 * The whole value as Python's own `repr()` writes it, every character that does not print escaped.
 * Never throws.
 */
export function repr(value: unknown): string {
  return reprIn(value, { ancestors: [], errors: 0, parts: MAX_PARTS })
}

/** `ValueError('boom')`: how Python shows an exception. */
export function exceptionRepr(error: unknown): string {
  return errorText(error, { ancestors: [], errors: 0, parts: MAX_PARTS })
}

interface Walk {
  readonly ancestors: object[]
  /** How many errors we are within: their arguments may be errors again. */
  errors: number
  /** How many parts may still be shown: a few lines of code can make a thousand million. */
  parts: number
}

function errorText(error: unknown, walk: Walk): string {
  const args = exceptionArgs(error)
  const { type } = exceptionType(error)
  if (walk.errors > MAX_LEVELS) return `${type}(...)`
  walk.errors += 1
  const shown = Array.from({ length: Math.min(args.length, MAX_DEPTH) }, (_, index) => {
    return reprIn(itemAt(args, index), walk)
  })
  walk.errors -= 1
  return `${type}(${shown.join(', ')})`
}

function reprIn(value: unknown, walk: Walk): string {
  if (typeof value === 'string') return stringRepr(value)
  if (typeof value !== 'object' || value === null) return primitiveText(value)
  const shape = shapeOf(value, walk.parts)
  if (shape.kind === 'leaf') return shape.text
  if (shape.kind === 'bytes') return `b${quote(Buffer.from(shape.bytes).toString('latin1'), BYTE)}`
  if (shape.kind === 'error') return errorText(value, walk)
  if (shape.kind === 'set' && shape.items.length === 0) return 'set()'
  const { ancestors } = walk
  if (ancestors.includes(value) || ancestors.length >= MAX_DEPTH) {
    return `${shape.open}...${shape.close}`
  }
  ancestors.push(value)
  const text = containerText(shape, walk)
  ancestors.pop()
  return text
}

function containerText({ kind, open, close, items, keys }: Container, walk: Walk): string {
  const parts: string[] = []
  for (let index = 0; index < items.length; index += 1) {
    walk.parts -= 1
    if (walk.parts < 0) {
      parts.push('...')
      break
    }
    const item = reprIn(itemAt(items, index), walk)
    parts.push(kind === 'dict' ? `${reprIn(keys[index], walk)}: ${item}` : item)
  }
  return open + parts.join(', ') + close
}

/** Characters that Python's `str.isprintable` denies, beside the backslash. */
const UNPRINTABLE = /[\\]|(?! )[\p{C}\p{Z}]/gu
const BYTE = /[\\]|[^\x20-\x7e]/g
const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

function stringRepr(text: string): string {
  return quote(text, UNPRINTABLE)
}

/** Single quotes, unless that would need an escape and double quotes would not. */
function quote(text: string, odd: RegExp): string {
  const escaped = text.replace(odd, escape)
  if (!text.includes("'")) return `'${escaped}'`
  return text.includes('"') ? `'${escaped.replaceAll("'", "\\'")}'` : `"${escaped}"`
}

function escape(character: string): string {
  const short = SHORT_ESCAPES.get(character)
  if (short !== undefined) return short
  const code = character.codePointAt(0) ?? 0
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

/** @see celery 5.6, utils/saferepr.py, `_format_chars` */
function quoted(text: string, left: number): string {
  const cut = truncate(text, left)
  return cut.includes("'") ? `'${cut.replaceAll("'", "\\'")}'` : `'${cut}'`
}

/** UTF-8 as text, anything else as hex digits. @see celery 5.6, utils/saferepr.py, `_format_binary_bytes` */
function bytesText(bytes: Uint8Array, left: number): string {
  const cut = bytes.length > left
  const shown = Buffer.from(bytes.buffer, bytes.byteOffset, cut ? left : bytes.length)
  return `b'${shown.toString(isUtf8(shown) ? 'utf8' : 'hex')}${cut ? '...' : ''}'`
}

/** Cut at the last blank before the limit. @see kombu 5.6, utils/text.py and celery's, `truncate` */
function truncate(text: string, left: number): string {
  if (text.length < left) return text
  const head = firstCharacters(text, left)
  if (head === undefined) return text
  const blank = head.lastIndexOf(' ')
  return `${blank === -1 ? head : head.slice(0, blank)}...`
}

const SURROGATE = /[\ud800-\udbff]/

/** The first `count` characters as Python counts them, or undefined when there are fewer. */
function firstCharacters(text: string, count: number): string | undefined {
  const units = text.slice(0, count * 2)
  if (!SURROGATE.test(units)) return units.slice(0, count)
  const characters = Array.from(units)
  return characters.length < count ? undefined : characters.slice(0, count).join('')
}

/** In characters as Python counts them: a pair of surrogates is one. */
function lengthOf(text: string): number {
  return SURROGATE.test(text) ? Array.from(text).length : text.length
}
