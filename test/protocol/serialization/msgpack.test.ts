/** Msgpack: round trips, limits, and the bytes that Python writes. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { Decimal } from '../../../protocol/python/decimal.ts'
import { msgpack } from '../../../protocol/serialization/msgpack.ts'
import { amqpMessages } from '../captures.ts'

const encode = (value: unknown): string => msgpack.encode(value).toString('hex')
const decode = (bytes: Buffer | string): unknown =>
  msgpack.decode(typeof bytes === 'string' ? Buffer.from(bytes, 'hex') : bytes, DEFAULT_LIMITS)

describe('msgpack', () => {
  for (const version of ['562', '526']) {
    for (const name of ['serializer-msgpack', 'serializer-msgpack-bytes']) {
      it(`reads and writes the body of ${version}.amqp.${name}`, () => {
        const messages = amqpMessages(`${version}.amqp.${name}`)
        expect(messages).to.have.length(1)
        for (const { body, contentType } of messages) {
          expect(contentType).to.equal(msgpack.contentType)
          expect(encode(decode(body))).to.equal(body.toString('hex'))
        }
      })
    }
  }

  it('writes integers beyond 32 bits as integers', () => {
    expect(encode(2 ** 40)).to.equal('cf0000010000000000')
    expect(encode(-(2 ** 40))).to.equal('d3ffffff0000000000')
    expect(encode(Number.MAX_SAFE_INTEGER)).to.equal('cf001fffffffffffff')
    expect(encode(2n ** 64n - 1n)).to.equal('cfffffffffffffffff')
    expect(encode([5, -5, 2 ** 32 - 1, 1.5])).to.equal('9405fbceffffffffcb3ff8000000000000')
  })

  it('refuses integers that msgpack cannot hold', () => {
    for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) {
      expect(() => encode({ n: [value] })).to.throw(EncodeError, 'out of range')
    }
  })

  it('refuses what Python cannot pack, and says where it is', () => {
    for (const value of [new Date(0), new Decimal('1'), new Map(), new Set(), () => 1, '\ud83d']) {
      expect(() => encode([{ x: value }])).to.throw(EncodeError, '(at [0].x)')
    }
  })

  it('keeps bytes apart from text', () => {
    expect(encode(Buffer.from('a'))).to.equal('c40161')
    expect(encode('a')).to.equal('a161')
    const [bytes, text] = decode('92c40161a161') as unknown[]
    expect(Buffer.isBuffer(bytes)).to.equal(true)
    expect(text).to.equal('a')
  })

  const refused: readonly (readonly [why: string, hex: string])[] = [
    ['nothing', ''],
    ['an array that claims more than there is', 'ddffffffff'],
    ['a map that claims more than there is', 'dfffffffff'],
    ['a string that claims more than there is', 'dbffffffff61'],
    ['bytes that claim more than there are', 'c6ffffffff61'],
    ['bytes after the value', 'c0c0'],
    ['the byte that is never used', 'c1'],
    ['a cut integer', 'cf0000'],
    ['a key that is no string', '8101c0'],
    ['a key that is bytes', '81c40161c0'],
    ['a key __proto__', '81a95f5f70726f746f5f5f81a9697341646d696ec3'],
  ]
  for (const [why, hex] of refused) {
    it(`refuses ${why}`, () => {
      expect(() => decode(hex)).to.throw(DecodeError)
    })
  }

  it('refuses every extension type', () => {
    for (let type = 0; type < 256; type += 1) {
      const id = type.toString(16).padStart(2, '0')
      expect(() => decode(`d4${id}00`)).to.throw(DecodeError, 'extension')
      expect(() => decode(`c701${id}00`)).to.throw(DecodeError, 'extension')
    }
  })

  it('refuses to nest deeper than the limit', () => {
    const nested = (depth: number): Buffer => Buffer.from([...Array(depth).fill(0x91), 0xc0])
    expect(decode(nested(64))).to.be.an('array')
    expect(() => decode(nested(65))).to.throw(LimitExceeded)
    expect(() => decode(Buffer.alloc(2_000_000, 0x91))).to.throw(LimitExceeded)
  })

  it('gives back every value that both sides have', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(msgpack.encode(value))).to.deep.equal(value)
      }),
    )
  })

  it('throws nothing but a CeleryError on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decode(Buffer.from(bytes))
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
    fc.double().filter((number) => !Object.is(number, -0)),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie('values'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('values'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}))
