/**
 * Reads Python's pickle as data: a machine with a stack and a memo, which calls nothing.
 *
 * A pickle is a program. Ours runs it as far as it builds values; what it would call is looked up in
 * the list of pickle-globals.ts. Its length is the number of the opcodes.
 *
 * @see CPython 3.13, Lib/pickle.py, `_Unpickler`; Lib/pickletools.py
 */

import { DecodeError, LimitExceeded } from '../errors.ts'
import { build, construct, Global } from './pickle-globals.ts'
import { ENTRY_WORDS, OBJECT_WORDS, PickledDict, PickledSet } from './pickle-values.ts'
import {
  integer,
  long,
  quoted,
  rawUnicode,
  readFloat,
  readInt,
  unicodeText,
} from './pickle-scalar.ts'

const MAX_LINE = 1_000_000
const LF = 10

class Machine {
  readonly #bytes: Buffer
  #at = 0
  readonly stack: unknown[] = []
  /** Where in the stack the open marks are. */
  readonly #marks: number[] = []
  readonly #memo = new Map<number, unknown>()
  /** Words of memory that are left: an opcode of one byte may take many. */
  #budget: number

  constructor(bytes: Buffer, budget: number) {
    this.#bytes = bytes
    this.#budget = budget
  }

  run(): unknown {
    for (;;) {
      this.spend(1)
      const code = this.uint(1)
      if (code === STOP) return this.pop()
      const operation = OPERATIONS.get(code)
      if (operation === undefined) {
        throw new DecodeError(`a pickle has an opcode that celeriac does not read: ${hex(code)}`)
      }
      operation(this)
    }
  }

  /** The next bytes, as many as are really there. */
  take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new DecodeError('a pickle ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  uint(width: 1 | 2 | 4 | 8): number {
    const bytes = this.take(width)
    return width === 8 ? Number(bytes.readBigUInt64LE()) : bytes.readUIntLE(0, width)
  }

  line(): string {
    const end = this.#bytes.indexOf(LF, this.#at)
    if (end === -1 || end - this.#at > MAX_LINE) throw new DecodeError('a pickle ends too early')
    const text = this.#bytes.toString('latin1', this.#at, end)
    this.#at = end + 1
    return text
  }

  push(value: unknown): void {
    if (typeof value === 'object' && value !== null) this.spend(OBJECT_WORDS)
    this.stack.push(value)
  }

  spend(words: number): void {
    this.#budget -= words
    if (this.#budget < 0) throw new LimitExceeded('the pickle holds more than is read of one')
  }

  pop(): unknown {
    // what lies below an open mark is out of reach
    if (this.stack.length <= (this.#marks.at(-1) ?? 0)) throw new DecodeError(CONFUSED)
    return this.stack.pop()
  }

  /** An open mark goes like a value. @see CPython, Lib/pickle.py, `load_pop` */
  discard(): void {
    if (this.#marks.at(-1) === this.stack.length) this.#marks.pop()
    else this.pop()
  }

  top(): unknown {
    const value = this.pop()
    this.push(value)
    return value
  }

  mark(): void {
    this.#marks.push(this.stack.length)
  }

  /** All that was pushed since the last mark. */
  popMark(): unknown[] {
    const mark = this.#marks.pop()
    if (mark === undefined) throw new DecodeError(CONFUSED)
    return this.stack.splice(mark)
  }

  put(index: number): void {
    this.spend(ENTRY_WORDS)
    this.#memo.set(index, this.top())
  }

  memoize(): void {
    this.put(this.#memo.size)
  }

  get(index: number): void {
    if (!this.#memo.has(index)) throw new DecodeError(CONFUSED)
    this.push(this.#memo.get(index))
  }
}

const CONFUSED = 'a pickle is not well formed'
const STOP = 0x2e

/**
 * What stands on the stack, left to be turned into plain values; at most about so many words of it.
 *
 * @throws DecodeError, LimitExceeded
 */
export function unpickle(bytes: Buffer, budget: number): unknown {
  return new Machine(bytes, budget).run()
}

type Operation = (machine: Machine) => void

const CODES: readonly (readonly [code: number | string, operation: Operation])[] = [
  [0x80, (m) => void m.uint(1)], // PROTO
  [0x95, (m) => void m.uint(8)], // FRAME
  ['(', (m) => m.mark()],
  ['0', (m) => m.discard()],
  ['1', (m) => void m.popMark()],
  ['2', (m) => m.push(m.top())],
  ['N', (m) => m.push(null)],
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  ['I', (m) => m.push(readInt(m.line()))],
  ['L', (m) => m.push(integer(m.line().replace(/L$/, '')))],
  ['J', (m) => m.push(m.take(4).readInt32LE())],
  ['K', (m) => m.push(m.uint(1))],
  ['M', (m) => m.push(m.uint(2))],
  [0x8a, (m) => m.push(long(m.take(m.uint(1))))], // LONG1
  [0x8b, (m) => m.push(long(m.take(m.uint(4))))], // LONG4
  ['F', (m) => m.push(readFloat(m.line()))],
  ['G', (m) => m.push(m.take(8).readDoubleBE())],
  ['S', (m) => m.push(quoted(m.line()))],
  ['T', (m) => m.push(m.take(m.uint(4)).toString('latin1'))],
  ['U', (m) => m.push(m.take(m.uint(1)).toString('latin1'))],
  ['V', (m) => m.push(rawUnicode(m.line()))],
  ['X', (m) => m.push(unicodeText(m.take(m.uint(4))))],
  [0x8c, (m) => m.push(unicodeText(m.take(m.uint(1))))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(unicodeText(m.take(m.uint(8))))], // BINUNICODE8
  ['B', (m) => m.push(m.take(m.uint(4)))],
  ['C', (m) => m.push(m.take(m.uint(1)))],
  [0x8e, (m) => m.push(m.take(m.uint(8)))], // BINBYTES8
  [0x96, (m) => m.push(m.take(m.uint(8)))], // BYTEARRAY8
  [']', (m) => m.push([])],
  [')', (m) => m.push([])],
  ['}', (m) => m.push(new PickledDict())],
  [0x8f, (m) => m.push(new PickledSet())], // EMPTY_SET
  ['l', (m) => m.push(m.popMark())],
  ['t', (m) => m.push(m.popMark())],
  ['d', (m) => m.push(new PickledDict().update(m.popMark()))],
  [0x91, (m) => m.push(new PickledSet(m.popMark()))], // FROZENSET
  [0x85, (m) => m.push(popTuple(m, 1))], // TUPLE1
  [0x86, (m) => m.push(popTuple(m, 2))], // TUPLE2
  [0x87, (m) => m.push(popTuple(m, 3))], // TUPLE3
  ['a', (m) => append(m, [m.pop()])],
  ['e', (m) => append(m, m.popMark())],
  ['s', (m) => setItems(m, popTuple(m, 2))],
  ['u', (m) => setItems(m, m.popMark())],
  [0x90, addItems], // ADDITEMS
  ['p', (m) => m.put(readIndex(m.line()))],
  ['q', (m) => m.put(m.uint(1))],
  ['r', (m) => m.put(m.uint(4))],
  [0x94, (m) => m.memoize()], // MEMOIZE
  ['g', (m) => m.get(readIndex(m.line()))],
  ['h', (m) => m.get(m.uint(1))],
  ['j', (m) => m.get(m.uint(4))],
  ['c', (m) => m.push(new Global(m.line(), m.line()))],
  [0x93, stackGlobal], // STACK_GLOBAL
  ['R', (m) => reduce(m, 2)],
  [0x81, (m) => reduce(m, 2)], // NEWOBJ
  [0x92, (m) => reduce(m, 3)], // NEWOBJ_EX
  ['i', (m) => call(m, new Global(m.line(), m.line()), m.popMark())],
  ['o', object],
  ['b', (m) => buildTop(m)],
]

const OPERATIONS: ReadonlyMap<number, Operation> = new Map(
  CODES.map(([code, operation]) => [
    typeof code === 'string' ? code.charCodeAt(0) : code,
    operation,
  ]),
)

function popTuple(m: Machine, length: number): unknown[] {
  const items: unknown[] = []
  for (let left = length; left > 0; left -= 1) items.unshift(m.pop())
  return items
}

function append(m: Machine, items: readonly unknown[]): void {
  const list = m.top()
  if (!Array.isArray(list)) throw new DecodeError(CONFUSED)
  for (const item of items) list.push(item)
}

function setItems(m: Machine, items: readonly unknown[]): void {
  const dict = m.top()
  // a subclass of dict whose items come after it was made
  if (!(dict instanceof PickledDict)) throw new DecodeError(CONFUSED)
  dict.update(items)
}

function addItems(m: Machine): void {
  const items = m.popMark()
  const set = m.top()
  if (!(set instanceof PickledSet)) throw new DecodeError(CONFUSED)
  for (const item of items) set.items.push(item)
}

function stackGlobal(m: Machine): void {
  const name = m.pop()
  const module = m.pop()
  if (typeof name !== 'string' || typeof module !== 'string') throw new DecodeError(CONFUSED)
  m.push(new Global(module, name))
}

/** `callable, args` or `class, args, kwargs` by what it stands for. */
function reduce(m: Machine, operands: 2 | 3): void {
  const kwargs = operands === 3 ? m.pop() : undefined
  const args = m.pop()
  const callable = m.pop()
  if (!Array.isArray(args)) throw new DecodeError(CONFUSED)
  if (kwargs instanceof PickledDict && kwargs.items.length > 0) throw new DecodeError(CONFUSED)
  call(m, callable, args)
}

function object(m: Machine): void {
  const [callable, ...args] = m.popMark()
  call(m, callable, args)
}

/** What is called copies its arguments, however often the memo gives the same ones. */
function call(m: Machine, callable: unknown, args: readonly unknown[]): void {
  for (const arg of args) m.spend(sizeOf(arg))
  m.push(construct(callable, args))
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || Buffer.isBuffer(value) || Array.isArray(value)) {
    return value.length
  }
  return value instanceof PickledDict ? value.items.length * ENTRY_WORDS : 1
}

function buildTop(m: Machine): void {
  const state = m.pop()
  const value = m.pop()
  m.push(build(value, state))
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`
}

function readIndex(line: string): number {
  const index = Number(line)
  if (!/^\d{1,10}$/.test(line)) throw new DecodeError(CONFUSED)
  return index
}
