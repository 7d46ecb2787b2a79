/** Python's repr and Celery's saferepr against Python's own answers. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { PlainDate, PlainTime, PythonDateTime } from '../../../protocol/python/datetime.ts'
import { Decimal } from '../../../protocol/python/decimal.ts'
import {
  exceptionRepr,
  repr,
  reprArgs,
  reprKwargs,
  saferepr,
} from '../../../protocol/python/repr.ts'
import { Uuid } from '../../../protocol/python/uuid.ts'
import { capture } from '../captures.ts'

interface Vector {
  readonly top_level?: 'tuple' | 'list'
  readonly input: unknown
  readonly maxlen: number | null
  readonly output: string
}

/** JavaScript has no `1.0` beside `1`: the vectors with whole floats come out as integers. */
const EXCUSED_WHOLE_FLOATS = 12

for (const version of ['562', '526']) {
  describe(`saferepr against ${version}.vectors.saferepr`, () => {
    it('gives the text of each vector, whole floats excused', () => {
      const excused = vectors(version).filter((vector) => {
        const text = shown(vector)
        if (text === vector.output) return false
        expect(JSON.stringify(vector.input), vector.output).to.include('3.14159')
        return true
      })
      expect(excused.length).to.equal(EXCUSED_WHOLE_FLOATS)
    })
  })
}

function vectors(version: string): Vector[] {
  const { args_vectors, kwargs_vectors } = capture(`${version}.vectors.saferepr`)
  const all = [...(args_vectors as Vector[]), ...(kwargs_vectors as Vector[])]
  expect(all.length).to.equal(406)
  return all
}

function shown({ top_level, input, maxlen }: Vector): string {
  const value = withBigints(input)
  const length = maxlen ?? Infinity
  if (top_level === 'tuple') return reprArgs(value as unknown[], length)
  if (top_level === 'list') return saferepr(value, length)
  return reprKwargs(value as Record<string, unknown>, length)
}

function withBigints(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withBigints)
  const bigint: unknown = Reflect.get(value, '_bigint')
  if (typeof bigint === 'string') return BigInt(bigint)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withBigints(inner)]))
}

class Point {
  readonly x = 1
}

describe('saferepr', () => {
  it('escapes nothing in a string but the quote', () => {
    expect(saferepr(`it's\n"\\é`)).to.equal(`'it\\'s\n"\\é'`)
  })

  it('shows bytes as text when they are UTF-8, else as hex', () => {
    expect(reprArgs([Buffer.from('bytes-é'), Uint8Array.of(0, 255)])).to.equal(
      "(b'bytes-é', b'00ff')",
    )
    expect(saferepr(Buffer.alloc(5000, 'a'), 4)).to.equal("b'aaaa...'")
  })

  it('counts characters as Python does, not UTF-16 units', () => {
    expect(saferepr('🎉🎉🎉', 3)).to.equal("'🎉🎉🎉...'")
    expect(saferepr('🎉🎉🎉', 4)).to.equal("'🎉🎉🎉'")
    expect(saferepr('🎉🎉🎉🎉', 2)).to.equal("'🎉🎉...'")
  })

  it('shows the values that Python has classes for', () => {
    const datetime = new PythonDateTime(Date.UTC(2024, 1, 29, 12, 30, 45, 123), {
      microseconds: 456,
    })
    expect(saferepr(datetime)).to.equal('datetime.datetime(2024, 2, 29, 12, 30, 45, 123456)')
    expect(saferepr(new Date(Date.UTC(2024, 0, 1)))).to.equal(
      'datetime.datetime(2024, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)',
    )
    const west = new PythonDateTime(0, { offset: -19_800 })
    expect(saferepr(west)).to.equal(
      'datetime.datetime(1969, 12, 31, 18, 30, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=66600)))',
    )
    expect(saferepr(new PlainDate(2024, 2, 29))).to.equal('datetime.date(2024, 2, 29)')
    expect(saferepr(new PlainTime(1, 2, 3, 450_000))).to.equal('datetime.time(1, 2, 3, 450000)')
    expect(saferepr(new Decimal('3.140'))).to.equal("Decimal('3.140')")
    const hex = '12345678-1234-4678-9234-567812345678'
    expect(saferepr(new Uuid(hex))).to.equal(`UUID('${hex}')`)
  })

  it('shows maps as dicts, sets as sets, and undefined as None', () => {
    const map = new Map<unknown, unknown>([[1, new Set([2])]])
    expect(saferepr([map, new Set(), undefined, Number.NaN])).to.equal(
      '[{1: {2}}, set(), None, nan]',
    )
  })

  it('ends at a reference to itself', () => {
    const list: unknown[] = [1]
    list.push(list)
    expect(saferepr(list)).to.equal('[1, <Recursion on list>]')
  })

  it('shows two references to one object twice', () => {
    const shared = { a: 1 }
    expect(saferepr([shared, shared])).to.equal("[{'a': 1}, {'a': 1}]")
  })

  it('does not pay for what it does not show', () => {
    let reads = 0
    const endless = new Proxy(Array.from({ length: 1e6 }), { get: readOne })
    function readOne(target: unknown[], key: string | symbol): unknown {
      reads += 1
      return Reflect.get(target, key)
    }
    saferepr(endless, 40)
    expect(reads).to.be.lessThan(200)
  })

  it('never throws', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const angry = {
      get a() {
        throw new Error('no')
      },
    }
    for (const spell of [saferepr, repr]) {
      expect(spell([proxy, angry])).to.equal("[<Unrepresentable>, {'a': <Unrepresentable>}]")
      expect(spell(Symbol('s'))).to.equal('<Symbol(s)>')
      expect(spell(() => 1)).to.match(/^<function /)
      expect(spell(new Point())).to.equal('<Point object>')
      expect(spell(new Date(Number.NaN))).to.equal('<Invalid Date>')
    }
  })
})

describe('repr', () => {
  it('chooses the quote that needs no escape', () => {
    expect(repr("it's")).to.equal(`"it's"`)
    expect(repr(`both ' and "`)).to.equal(`'both \\' and "'`)
  })

  it('escapes what does not print', () => {
    expect(repr('\\ \n\t\u0000\u00a0\u200b\ud83dé🎉\u{e0001}')).to.equal(
      String.raw`'\\ \n\t\x00\xa0\u200b\ud83dé🎉\U000e0001'`,
    )
    expect(repr(Buffer.from([0, 65, 39, 255]))).to.equal(`b"\\x00A'\\xff"`)
  })

  it('closes a circle with dots', () => {
    const object: Record<string, unknown> = {}
    object['self'] = object
    expect(repr(object)).to.equal("{'self': {...}}")
  })

  it('survives any depth', () => {
    let deep: unknown = 0
    for (let level = 0; level < 100_000; level += 1) deep = [deep]
    expect(repr(deep).length).to.be.lessThan(1000)
    expect(saferepr(deep)).to.equal('[[[[...]]]]')
  })

  it('ends when every level holds the next one twice', () => {
    let wide: unknown = 0
    for (let level = 0; level < 64; level += 1) wide = [wide, wide]
    expect(repr(wide).length).to.be.lessThan(1_000_000)
  })

  it('takes any value', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true }), (value) => {
        expect(repr(value)).to.be.a('string')
        expect(saferepr(value, 40)).to.be.a('string')
      }),
    )
  })
})

describe('exceptionRepr', () => {
  it('shows the class and its arguments', () => {
    expect(exceptionRepr(new TypeError("can't"))).to.equal(`TypeError("can't")`)
    expect(exceptionRepr(new Error(''))).to.equal('Exception()')
    expect(exceptionRepr(Object.assign(new Error('m'), { args: ['a', 1] }))).to.equal(
      "Exception('a', 1)",
    )
    expect(exceptionRepr('thrown')).to.equal("Exception('thrown')")
  })

  it('ends when errors hold each other', () => {
    const error = Object.assign(new Error('m'), { args: [] as unknown[] })
    error.args.push(error)
    expect(exceptionRepr(error).length).to.be.lessThan(200)
  })
})
