/** AMQP basic properties and headers: captures of Celery byte for byte, what py-amqp reads, what is hostile. */

import { expect } from 'chai'
import fc from 'fast-check'
import { readdirSync, readFileSync } from 'node:fs'
import type { Message } from '../../../protocol/message.ts'
import { DecodeError, EncodeError, LimitExceeded } from '../../../src/errors.ts'
import { readProperties, writeProperties } from '../../../src/transports/amqp/properties.ts'
import { Reader } from '../../../src/transports/amqp/reader.ts'
import { Writer } from '../../../src/transports/amqp/writer.ts'

const FIXTURES = new URL('../../../fixtures/', import.meta.url)

function encode(message: Omit<Message, 'body'>): Buffer {
  const writer = new Writer(131_072)
  writeProperties(writer, { ...message, body: Buffer.alloc(0) })
  return Buffer.from(writer.buffer.subarray(0, writer.offset))
}

function table(value: object): Buffer {
  const writer = new Writer(131_072)
  writer.table(value)
  return Buffer.from(writer.buffer.subarray(0, writer.offset))
}

function untable(bytes: Buffer): Record<string, unknown> {
  return new Reader(bytes).table()
}

/** A table of one header `k`, from the bytes of its value. */
function header(...value: number[]): Buffer {
  const entry = Buffer.from([1, 0x6b, ...value])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(entry.length)
  return Buffer.concat([size, entry])
}

const EXCUSED = 'a lone surrogate, which UTF-8 cannot carry and Node replaces'

describe('AMQP properties', () => {
  describe('of every capture', () => {
    for (const file of readdirSync(FIXTURES).filter((name) => /\.amqp\./.test(name))) {
      const text = readFileSync(new URL(file, FIXTURES), 'utf8')
      const captured = [...text.matchAll(/"raw_properties_hex": "([0-9a-f]+)"/g)]
      if (captured.length === 0) continue
      const excuse = file.includes('lone-surrogate') ? ` but for ${EXCUSED}` : ''
      it(`${file}: are read, and written again as the same bytes${excuse}`, () => {
        for (const [, hex = ''] of captured) {
          const bytes = Buffer.from(hex, 'hex')
          const content = readProperties(new Reader(bytes))
          if (excuse === '') expect(encode(content).toString('hex')).to.equal(hex)
          else expect(encode(content).length).to.be.greaterThan(bytes.length - 1)
        }
      })
    }
  })

  it('may be absent altogether', () => {
    expect(readProperties(new Reader(Buffer.alloc(2)))).to.deep.equal({
      contentType: '',
      contentEncoding: '',
      headers: {},
      properties: {},
    })
  })

  it('come back as they were sent, each of them', () => {
    const message = {
      contentType: 'a',
      contentEncoding: 'b',
      headers: { c: 1 },
      properties: {
        correlationId: 'd',
        replyTo: 'e',
        deliveryMode: 1,
        priority: 255,
        expiration: '0',
        messageId: 'f',
        timestamp: 1_700_000_000,
        type: 'g',
        userId: 'h',
        appId: 'i',
      },
    } as const
    expect(readProperties(new Reader(encode(message)))).to.deep.equal(message)
  })

  it('that AMQP cannot carry are refused', () => {
    const plain = { contentType: '', contentEncoding: '', headers: {} }
    const long = 'x'.repeat(256)
    for (const properties of [
      { replyTo: long },
      { priority: 256 },
      { priority: -1 },
      { timestamp: 0.5 },
    ]) {
      expect(() => encode({ ...plain, properties })).to.throw(EncodeError)
    }
    expect(() => encode({ ...plain, headers: { [long]: 1 }, properties: {} })).to.throw(EncodeError)
  })

  it('that are cut off at any place are refused', () => {
    const headers = { a: 'text', n: 1, big: 2 ** 40, list: [1, { x: null }], d: 0.5 }
    const properties = { correlationId: 'id', deliveryMode: 2, priority: 1 } as const
    const bytes = encode({ contentType: 'a/b', contentEncoding: 'c', headers, properties })
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => readProperties(new Reader(bytes.subarray(0, end))), String(end)).to.throw(
        DecodeError,
      )
    }
  })
})

describe('an AMQP header table', () => {
  it('holds integers only as I and L, which py-amqp reads with their sign', () => {
    const types = (value: unknown): string => String.fromCharCode(table({ k: value })[6] ?? 0)
    expect([0, -1, 127, 300, -70_000, 2 ** 31 - 1].map(types).join('')).to.equal('IIIIII')
    expect([2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 2n ** 60n].map(types).join('')).to.equal('LLLL')
    expect([0.5, -0, 1e300, Number.NaN].map(types).join('')).to.equal('dddd')
    expect([true, null, 'x', [], {}, new Date(0)].map(types).join('')).to.equal('tVSAFT')
  })

  it('gives integers beyond 2^53 as bigint, and all others as numbers', () => {
    const integers = { a: 2n ** 53n + 1n, b: -(2n ** 63n), c: 2 ** 53 - 1, d: 5n }
    expect(untable(table(integers))).to.deep.equal({ ...integers, d: 5 })
  })

  it('is read with the types of other clients', () => {
    expect(untable(header(0x62, 0xff))).to.deep.equal({ k: -1 })
    expect(untable(header(0x42, 0xff))).to.deep.equal({ k: 255 })
    expect(untable(header(0x73, 0x01, 0x2c))).to.deep.equal({ k: 300 })
    expect(untable(header(0x75, 0xff, 0xff))).to.deep.equal({ k: 65_535 })
    expect(untable(header(0x69, 0xff, 0xff, 0xff, 0xff))).to.deep.equal({ k: 4_294_967_295 })
    expect(untable(header(0x6c, 0, 0, 0, 1, 0, 0, 0, 0))).to.deep.equal({ k: 2 ** 32 })
    expect(untable(header(0x66, 0x3f, 0, 0, 0))).to.deep.equal({ k: 0.5 })
    expect(untable(header(0x44, 2, 0, 0, 1, 0x2c))).to.deep.equal({ k: 3 })
    expect(untable(header(0x54, 0, 0, 0, 0, 0, 0, 0, 1))).to.deep.equal({ k: new Date(1000) })
    expect(() => untable(header(0x7a, 0))).to.throw(DecodeError)
  })

  it('keeps hostile names as own keys, and the prototype as it was', () => {
    const read = untable(
      table(JSON.parse('{"__proto__": {"task": "x"}, "constructor": 1}') as object),
    )
    expect(Object.keys(read)).to.deep.equal(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(read)).to.equal(Object.prototype)
    expect(read['task']).to.equal(undefined)
  })

  it('of too many levels or values is refused, both ways', () => {
    let deep: object = {}
    for (let level = 0; level < 40; level += 1) deep = { deep }
    expect(() => table(deep)).to.throw(LimitExceeded)
    expect(() => table({ list: Array(1001).fill(0) })).to.throw(LimitExceeded)
    let nested = Buffer.from(header(0x56))
    for (let level = 0; level < 7000; level += 1) {
      nested = Buffer.concat([header(0x46).subarray(4), nested])
      const size = Buffer.alloc(4)
      size.writeUInt32BE(nested.length)
      nested = Buffer.concat([size, nested])
    }
    expect(() => untable(nested)).to.throw(LimitExceeded)
    expect(() => untable(table({ list: Array(999).fill(0) }))).to.not.throw()
  })

  it('larger than a frame is refused with advice', () => {
    expect(() => table({ argsrepr: 'x'.repeat(200_000) })).to.throw(LimitExceeded, 'argsrepr')
  })

  it('refuses what is not plain data', () => {
    for (const value of [() => 1, Symbol('s'), new Map(), 2n ** 64n]) {
      expect(() => table({ value })).to.throw(EncodeError)
    }
  })

  it('comes back as it was sent, whatever it holds', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt(2n ** 53n, 2n ** 63n - 1n),
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('tree'), { maxLength: 5 }),
        fc.dictionary(fc.string({ maxLength: 20 }), tie('tree'), {
          maxKeys: 5,
          noNullPrototype: true,
        }),
      ),
    }))
    const headers = fc.dictionary(fc.string({ maxLength: 20 }), tree, { noNullPrototype: true })
    fc.assert(
      fc.property(headers, (value) => {
        expect(untable(table(value))).to.deep.equal(value)
      }),
      { numRuns: 300 },
    )
  })
})
