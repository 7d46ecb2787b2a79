/** YAML: round trips, limits, and the text that Python writes. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { isoformat, PlainDate, PlainTime } from '../../../protocol/python/datetime.ts'
import { Decimal } from '../../../protocol/python/decimal.ts'
import { yaml } from '../../../protocol/serialization/yaml.ts'
import { amqpMessages } from '../captures.ts'

const encode = (value: unknown): string => yaml.encode(value).toString()
const decode = (text: string): unknown => yaml.decode(Buffer.from(text), DEFAULT_LIMITS)

describe('yaml', () => {
  for (const version of ['562', '526']) {
    it(`reads and writes the body of ${version}.amqp.serializer-yaml`, () => {
      const messages = amqpMessages(`${version}.amqp.serializer-yaml`)
      expect(messages).to.have.length(1)
      for (const { body } of messages) {
        expect(encode(decode(body.toString()))).to.equal(body.toString())
      }
    })
  }

  it('writes as yaml.safe_dump does', () => {
    const value = {
      b: [1, [2, []], {}],
      a: 'yes',
      c: ['1e3', '017', '1:30', '', 'é🎉', '2024-01-01'],
    }
    expect(encode(value)).to.equal(
      [
        "a: 'yes'",
        'b:',
        '- 1',
        '- - 2',
        '  - []',
        '- {}',
        'c:',
        '- 1e3',
        "- '017'",
        "- '1:30'",
        "- ''",
        '- "\\xE9\\U0001F389"',
        "- '2024-01-01'",
        '',
      ].join('\n'),
    )
    expect(encode([1e22, 1e-7, -0, Number.NaN, -Infinity, 2n ** 70n, 2 ** 53])).to.equal(
      '- 1.0e+22\n- 1.0e-07\n- -0.0\n- .nan\n- -.inf\n- 1180591620717411303424\n- 9007199254740992.0\n',
    )
    const dates = [new Date(1), new PlainDate(2024, 2, 29)]
    expect(encode(dates)).to.equal('- 1970-01-01 00:00:00.001000+00:00\n- 2024-02-29\n')
  })

  it('reads numbers as YAML 1.1, and keeps their digits', () => {
    expect(
      decode('[0x1F, 017, 0b11, 1_000, 1:30, 1e3, 9007199254740993, -0x1fffffffffffffff]'),
    ).to.deep.equal([31, 15, 3, 1000, 90, '1e3', 9007199254740993n, -0x1fffffffffffffffn])
  })

  it('reads dates with microseconds and offset', () => {
    const texts = decode(
      '[2024-02-29 1:02:03.123456 +5:30, 2024-02-29T01:02:03Z, 2024-2-9 01:02:03]',
    )
    expect((texts as Date[]).map(isoformat)).to.deep.equal([
      '2024-02-29T01:02:03.123456+05:30',
      '2024-02-29T01:02:03+00:00',
      '2024-02-09T01:02:03',
    ])
    expect(decode('2024-02-29')).to.deep.equal(new PlainDate(2024, 2, 29))
  })

  it('refuses what PyYAML refuses to write', () => {
    for (const value of [new Decimal('1'), new PlainTime(1), new Map(), Symbol('s')]) {
      expect(() => encode([value])).to.throw(EncodeError, '(at [0])')
    }
  })

  it('refuses tags that build objects, and duplicate documents', () => {
    for (const text of [
      '!!python/object/apply:os.system [ls]',
      '!!js/function x',
      '!x 1',
      '--- 1\n--- 2\n',
      '{{a: 1}: 2}',
    ]) {
      expect(() => decode(text), text).to.throw(DecodeError)
    }
  })

  it('refuses __proto__ as a key, and as a merged one', () => {
    for (const text of [
      '__proto__: {isAdmin: true}',
      '"__proto__": 1',
      'a: {<<: {__proto__: 1}}',
    ]) {
      expect(() => decode(text), text).to.throw(DecodeError)
    }
  })

  it('reads aliases, but not a thousand million of them', () => {
    expect(decode('a: &x [1]\nb: *x')).to.deep.equal({ a: [1], b: [1] })
    const laughs = ['a: &a0 [x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 10; level += 1) {
      laughs.push(
        `b${level}: &a${level} [${Array(9)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      )
    }
    expect(() => decode(laughs.join('\n'))).to.throw(LimitExceeded)
    expect(() => decode('&a [*a]')).to.throw(CeleryError)
  })

  it('refuses to nest deeper than the limit', () => {
    expect(() => decode('['.repeat(200) + ']'.repeat(200))).to.throw(CeleryError)
    expect(() => decode('- '.repeat(100_000))).to.throw(CeleryError)
  })

  it('tells the line of an error, and none of the text', () => {
    expect(() => decode('a: 1\nsecret: [hunter2'))
      .to.throw(DecodeError)
      .with.property('message')
      .that.does.not.include('hunter2')
  })

  it('reads nothing as null', () => {
    expect(decode('')).to.equal(null)
    expect(decode('null\n...\n')).to.equal(null)
  })

  it('gives back every value that both sides have', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = encode(value)
        expect(text).to.match(/^[\x20-\x7e\n]*$/)
        expect(decode(text)).to.deep.equal(value)
      }),
    )
  })

  it('throws nothing but a CeleryError on random text', () => {
    const yamlish = fc.string({
      unit: fc.constantFrom(...Array.from('[]{}&*!|>%@-:?#,\'"\n a1'), '<<', '\\x', '\0'),
    })
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string({ unit: 'binary' })), (text) => {
        try {
          decode(text)
        } catch (error) {
          expect(error).to.be.instanceOf(CeleryError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

const { values } = fc.letrec<{ values: unknown }>((tie) => ({
  values: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.string({
      unit: fc.constantFrom(
        ...Array.from('\n\t -:#?*&!|>%@`\'"~,[]{}0x1e.=<'),
        'yes',
        'null',
        '2024-01-01',
        '\u0085',
        '\u2028',
      ),
    }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie('values'), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
      tie('values'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}))
