/** Kombu's JSON against Python's own answers, and against hostile text. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { DateTime, Duration } from 'luxon'
import vm from 'node:vm'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { PlainDate, PlainTime, PythonDateTime } from '../../../protocol/python/datetime.ts'
import { Decimal } from '../../../protocol/python/decimal.ts'
import { repr } from '../../../protocol/python/repr.ts'
import { Uuid } from '../../../protocol/python/uuid.ts'
import { dumps, json, loads } from '../../../protocol/serialization/json.ts'
import { amqpMessages, capture, captureNames } from '../captures.ts'

interface Encoded {
  readonly json?: string
  readonly decoded_repr?: string
  readonly encode_error?: string
}

/** Values that JavaScript does not have, by the name of their vector; the rest must fit. */
const NO_SUCH_VALUE: ReadonlyMap<string, string> = new Map([
  ['timedelta', 'JavaScript has no timedelta; a luxon Duration is tested below'],
  ['bytearray', 'there is one kind of bytes in JavaScript, and it is written'],
  ['set', 'tested below with Set'],
  ['frozenset', 'there is no frozen Set'],
  ['complex', 'JavaScript has no complex numbers'],
  ['enum', 'JavaScript has no Enum'],
  ['bytes-key', 'the keys of an object are strings'],
  ['exception', 'tested below with Error'],
  ['bytes-ascii', '526 alone: kombu 5.2 cannot write bytes'],
  ['bytes-empty', '526 alone: kombu 5.2 cannot write bytes'],
  ['bytes-utf8', '526 alone: kombu 5.2 cannot write bytes'],
  ['bytes-binary', '526 alone: kombu 5.2 cannot write bytes'],
])

/** Where our answer differs from Python's, by version and text. */
const DECODED_OTHERWISE: ReadonlyMap<string, string> = new Map([
  ['562 -0', 'an integer zero has no sign in Python; in JavaScript -0 is a float'],
  ['562 1.0', 'JavaScript has one kind of number'],
  ['526 -0', 'as above'],
  ['526 1.0', 'as above'],
])

for (const version of ['562', '526']) {
  describe(`json against ${version}.vectors.kombu-json`, () => {
    const { encode, decode } = capture(`${version}.vectors.kombu-json`) as {
      encode: Record<string, Encoded>
      decode: Record<string, string>
    }

    for (const [name, vector] of Object.entries(encode)) {
      it(`reads and writes ${name}`, () => {
        if (vector.json === undefined) {
          expect(vector.encode_error).to.match(/not JSON serializable|keys must be/)
          expect(NO_SUCH_VALUE.has(name), name).to.equal(true)
          return
        }
        const value = loads(vector.json)
        expect(repr(value)).to.equal(vector.decoded_repr)
        expect(dumps(value)).to.equal(vector.json)
      })
    }

    for (const [text, expected] of Object.entries(decode)) {
      it(`reads ${text} as ${expected}`, () => {
        if (typed(version, text)) return
        if (expected.startsWith('ERR')) {
          expect(() => loads(text)).to.throw(DecodeError)
          return
        }
        const excuse = DECODED_OTHERWISE.get(`${version} ${text}`)
        const shown = repr(loads(text))
        if (excuse === undefined) expect(shown).to.equal(expected)
        else expect(Number(shown)).to.equal(Number(expected))
      })
    }
  })
}

/** kombu 5.2 knows no typed values; what looks like one means what kombu 5.3 says. */
function typed(version: string, text: string): boolean {
  return version === '526' && text.includes('__type__') && text.includes('__value__')
}

describe('json against the captures', () => {
  const names = captureNames().filter((name) => name.startsWith('562.amqp.'))

  it('writes every JSON body back to the byte, whole floats excused', () => {
    let bodies = 0
    for (const name of names) {
      for (const { body, contentType, headers } of amqpMessages(name)) {
        if (contentType !== 'application/json' || headers['compression'] !== undefined) continue
        bodies += 1
        const again = json.encode(json.decode(body, DEFAULT_LIMITS)).toString()
        // `1.0` is `1` in JavaScript; `0.0` likewise.
        expect(again, name).to.equal(
          body.toString().replaceAll(/(?<=[ [])(\d+)\.0(?=[,\]}])/g, '$1'),
        )
      }
    }
    expect(bodies).to.be.greaterThan(50)
  })
})

class Point {
  readonly x = 1
}

describe('dumps', () => {
  it('writes dates in UTC, microseconds left out when zero', () => {
    expect(dumps(new Date(Date.UTC(2024, 1, 29, 12, 30, 45, 120)))).to.equal(
      '{"__type__": "datetime", "__value__": "2024-02-29T12:30:45.120000+00:00"}',
    )
    expect(dumps(DateTime.fromISO('2024-02-29T12:30:45+02:00', { setZone: true }))).to.equal(
      '{"__type__": "datetime", "__value__": "2024-02-29T12:30:45+02:00"}',
    )
  })

  it('writes numbers as Python spells them', () => {
    const numbers = [
      1,
      -0,
      1.5,
      1e16,
      2 ** 53,
      1e21,
      1e22,
      1e-7,
      1.5e-10,
      0.0001,
      Number('123456789012345680'),
    ]
    expect(dumps(numbers)).to.equal(
      '[1, -0.0, 1.5, 1e+16, 9007199254740992.0, 1e+21, 1e+22, 1e-07, 1.5e-10, 0.0001, 1.2345678901234568e+17]',
    )
    expect(dumps([Number.NaN, Infinity, -Infinity, 2n ** 70n])).to.equal(
      '[NaN, Infinity, -Infinity, 1180591620717411303424]',
    )
  })

  it('writes ASCII alone', () => {
    expect(dumps('é\u007f\u2028🎉\ud83d"\\/\n\u001f')).to.equal(
      String.raw`"\u00e9\u007f\u2028\ud83c\udf89\ud83d\"\\/\n\u001f"`,
    )
  })

  it('leaves out undefined members, and keeps the place of undefined items', () => {
    expect(dumps({ a: undefined, b: [undefined], c: 1 })).to.equal('{"b": [null], "c": 1}')
    expect(dumps(undefined)).to.equal('null')
  })

  it('asks an object what to write, and takes one from another realm', () => {
    expect(dumps({ at: { toJSON: () => ({ from: 'toJSON' }) } })).to.equal(
      '{"at": {"from": "toJSON"}}',
    )
    expect(dumps(vm.runInNewContext('({ a: [1] })'))).to.equal('{"a": [1]}')
    expect(dumps(Object.assign(Object.create(null), { a: 1 }))).to.equal('{"a": 1}')
  })

  const refused: readonly (readonly [name: string, value: unknown])[] = [
    ['Set', new Set()],
    ['Map', new Map()],
    ['function', () => 1],
    ['symbol', Symbol('s')],
    ['Error', new Error('e')],
    ['Point', new Point()],
    ['Duration', Duration.fromMillis(1)],
    ['Float64Array', new Float64Array(1)],
    ['ArrayBuffer', new ArrayBuffer(1)],
  ]
  for (const [name, value] of refused) {
    it(`refuses a ${name}, and says where it is`, () => {
      expect(() => dumps([1, { args: [value] }])).to.throw(
        EncodeError,
        `Object of type ${name} is not JSON serializable (at [1].args[0])`,
      )
    })
  }

  it('refuses a circle, a date out of range and an object that throws', () => {
    const circle: unknown[] = []
    circle.push(circle)
    expect(() => dumps(circle)).to.throw(EncodeError, 'circular reference')
    expect(() => dumps(new Date(Number.NaN))).to.throw(EncodeError)
    const angry = {
      get a() {
        throw new Error('no')
      },
    }
    expect(() => dumps(angry))
      .to.throw(EncodeError)
      .with.property('cause')
  })
})

describe('loads', () => {
  it('keeps the text of a datetime to the microsecond', () => {
    const value = loads('{"__type__": "datetime", "__value__": "2024-02-29T12:30:45.123456+05:30"}')
    expect(value).to.be.instanceOf(PythonDateTime)
    expect((value as Date).toISOString()).to.equal('2024-02-29T07:00:45.123Z')
  })

  it('makes a bigint of an integer that a number cannot hold, and no other', () => {
    const text =
      '[9007199254740991, 9007199254740992, -9007199254740993, 1234567890123456.5, 0.1234567890123456]'
    expect(loads(text)).to.deep.equal([
      9007199254740991,
      9007199254740992n,
      -9007199254740993n,
      1234567890123456.5,
      0.1234567890123456,
    ])
  })

  it('reads NaN and infinities as bare words, and as text within strings', () => {
    expect(loads('{"NaN": "a \\"NaN\\\\", "b": [-Infinity, NaN, "Infinity"]}')).to.deep.equal({
      NaN: 'a "NaN\\',
      b: [-Infinity, Number.NaN, 'Infinity'],
    })
  })

  it('refuses what only looks like them', () => {
    for (const text of [
      '1NaN',
      'NaN1',
      '-NaN',
      '1Infinity',
      '+Infinity',
      'Infinity5',
      'xNaN',
      '"NaN',
    ]) {
      expect(() => loads(`[${text}]`), text).to.throw(DecodeError)
    }
  })

  it('finds a typed value behind escapes', () => {
    expect(loads('{"\\u005f_type__": "bytes", "__\\u0076alue__": "a"}')).to.deep.equal(
      Buffer.from('a'),
    )
  })

  it('decodes the innermost first', () => {
    const text = '{"__type__": "bytes", "__value__": {"__type__": "decimal", "__value__": "1"}}'
    expect(() => loads(text)).to.throw(DecodeError)
  })

  it('refuses a key __proto__, hidden or not, and leaves constructor alone', () => {
    for (const key of ['__proto__', '\\u005f_proto__', '__pr\\u006Fto__']) {
      expect(() => loads(`{"a": {"${key}": {"isAdmin": true}}}`), key).to.throw(DecodeError)
    }
    expect(loads('["__proto__"]')).to.deep.equal(['__proto__'])
    const value = loads('{"constructor": 1, "prototype": 2, "toString": 3}')
    expect(Object.keys(value as object)).to.deep.equal(['constructor', 'prototype', 'toString'])
    expect(({} as Record<string, unknown>)['isAdmin']).to.equal(undefined)
  })

  it('refuses hostile typed values', () => {
    const hostile: readonly (readonly [string, unknown])[] = [
      ['uuid', { hex: '1', version: 4 }],
      ['uuid', { int: -1 }],
      ['uuid', { int: 1.5 }],
      ['uuid', null],
      ['decimal', '1e'],
      ['decimal', '9'.repeat(20_000)],
      ['decimal', [1]],
      ['datetime', 5],
      ['datetime', '2024-02-30T00:00:00'],
      ['time', '25:00'],
      ['bytes', '\ud83d'],
      ['base64', 'A==='],
      ['constructor', 'x'],
      ['__proto__', 'x'],
      ['toString', 'x'],
    ]
    for (const [type, value] of hostile) {
      const text = JSON.stringify({ __type__: type, __value__: value })
      expect(() => loads(text), text.slice(0, 80)).to.throw(DecodeError)
    }
  })

  it('reads base64 as loosely as Python', () => {
    const read = [
      ['AP8=', '00ff'],
      ['A P\n8*=', '00ff'],
      ['AA==AAAA', '00'],
      ['AAAA====', '000000'],
      ['=AAAA', '000000'],
      ['====', ''],
    ]
    for (const [text, hex] of read) {
      const typedText = JSON.stringify({ __type__: 'base64', __value__: text })
      expect(loads(typedText), text).to.deep.equal(Buffer.from(hex ?? '', 'hex'))
    }
  })

  it('refuses to nest deeper than the limit, brackets in strings not counted', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(loads(nested(64))).to.be.an('array')
    expect(() => loads(nested(65))).to.throw(LimitExceeded)
    expect(() => loads('['.repeat(2_000_000))).to.throw(LimitExceeded)
    expect(loads(JSON.stringify('[{"\\'.repeat(1000)))).to.be.a('string')
    expect(() => loads(`["\\"]", ${nested(64)}]`)).to.throw(LimitExceeded)
  })

  it('says where the text broke without a word of it', () => {
    for (const text of ['{"secret": hunter2}', '["hunter2', '[12345678901234567, hunter2]', '']) {
      expect(() => loads(text))
        .to.throw(DecodeError)
        .with.property('message')
        .that.does.not.include('hunter')
    }
  })

  it('refuses bytes that are not UTF-8, a byte order mark and a giant integer', () => {
    const odd = [
      Buffer.from([0x22, 0xff, 0x22]),
      Buffer.from('\ufeff1'),
      Buffer.from('9'.repeat(5000)),
    ]
    for (const body of odd) {
      expect(() => json.decode(body, DEFAULT_LIMITS)).to.throw(DecodeError)
    }
    expect(json.decode(Buffer.from('"é"'), DEFAULT_LIMITS)).to.equal('é')
  })

  it('gives back every value that Python has too', () => {
    fc.assert(
      fc.property(value, (written) => {
        const text = dumps(written)
        expect(text).to.match(/^[\x20-\x7e]*$/)
        const read = loads(text)
        expect(repr(read)).to.equal(repr(written))
        expect(dumps(read)).to.equal(text)
      }),
    )
  })

  it('throws nothing but a CeleryError on random bytes', () => {
    const jsonish = fc.string({
      unit: fc.constantFrom(
        ...Array.from('[]{}",:\\u0N'),
        'NaN',
        '__type__',
        'é',
        '-Infinity',
        '1234567890123456',
      ),
    })
    const bodies = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      jsonish.map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(bodies, (body) => {
        try {
          json.decode(body, DEFAULT_LIMITS)
        } catch (error) {
          expect(error).to.be.instanceOf(CeleryError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

/** Lists and objects of everything that has a form of its own. Keys like `1` move: not here. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt().filter((number) => !Number.isSafeInteger(Number(number))),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.uuid().map((text) => new Uuid(text)),
    fc.integer().map((number) => new Decimal(`${number}.10`)),
    fc
      .date({ min: new Date(0), max: new Date('9998-01-01'), noInvalidDate: true })
      .map((date) => new PythonDateTime(date, { offset: 3600 })),
    fc.integer({ min: 1, max: 28 }).map((day) => new PlainDate(2024, 2, day)),
    fc.integer({ min: 0, max: 23 }).map((hour) => new PlainTime(hour, 1, 2, 3, 0)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().map((key) => `k${key}`),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}))
