/** Records of deliveries in hand, and how they are marked when they go back. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { DecodeError } from '../../../protocol/errors.ts'
import { dumps } from '../../../protocol/serialization/json.ts'
import {
  countInHeader,
  decodeUnacked,
  encodePostponed,
  encodeUnacked,
  isPostponed,
  markRedelivered,
  type Count,
} from '../../../protocol/virtual/unacked.ts'
import { captureNames, commands } from '../captures.ts'

describe('the record of a delivery in hand', () => {
  it('is taken apart into the very text that was put in', () => {
    const record = {
      raw: '{"body": "a\\"],[", "n": [1, {"x": []}]}',
      exchange: 'é"',
      routingKey: '',
    }
    expect(decodeUnacked(encodeUnacked(record))).to.deep.equal(record)
    expect(encodeUnacked(record)).to.equal(`[${record.raw}, "\\u00e9\\"", ""]`)
  })

  it("says that the message is in nobody's hand, to us only", () => {
    const text = encodePostponed('{"a": 1.0}', 'é')
    expect(isPostponed(text)).to.equal(true)
    expect(isPostponed(encodeUnacked(decodeUnacked(text)))).to.equal(false)
    expect(decodeUnacked(text)).to.deep.equal({ raw: '{"a": 1.0}', exchange: '', routingKey: 'é' })
    expect(JSON.parse(text)).to.deep.equal([{ a: 1 }, '', 'é'])
  })

  it('may be written without blanks, or with more of them', () => {
    const record = { raw: '{"a":1}', exchange: 'x', routingKey: 'y' }
    expect(decodeUnacked('[{"a":1},"x","y"]')).to.deep.equal(record)
    expect(decodeUnacked(' [ {"a":1} ,\n"x" , "y" ] ')).to.deep.equal(record)
  })

  for (const text of [
    '',
    '[',
    '{}',
    '[]',
    '[{}]',
    '[{}, "x"]',
    '[{}, "x", "y", 1]',
    '[{}, 1, 2]',
    '[{, "x", "y"]',
    '[{}, "\\x", "y"]',
    'null',
  ]) {
    it(`is refused when it is '${text}'`, () => {
      expect(() => decodeUnacked(text)).to.throw(DecodeError)
    })
  }
})

describe('the count in an envelope', () => {
  const CASES: readonly [count: Count, before: string, after: string][] = [
    ['more', '{"headers": {}}', '{"headers": {"n": 1}}'],
    ['more', '{"headers": {"a": 1.0}}', '{"headers": {"a": 1.0, "n": 1}}'],
    ['more', '{"headers": {"n": 1, "a": {"n": 7}}}', '{"headers": {"n": 2, "a": {"n": 7}}}'],
    ['more', '{"headers": {"n":9 }, "n": 5}', '{"headers": {"n":10 }, "n": 5}'],
    ['more', '{"headers": {"n": "many"}}', '{"headers": {"n": 1}}'],
    ['more', '{"headers": {"n": -4}}', '{"headers": {"n": 1}}'],
    ['more', '{"headers": {"n": 12345678901234567890}}', '{"headers": {"n": 1}}'],
    ['more', '{"headers": null}', '{"headers": null}'],
    ['more', 'garbage', 'garbage'],
    ['none', '{"headers": {"n": 3}}', '{"headers": {"n": 0}}'],
    ['none', '{"headers": {"a": 1}}', '{"headers": {"a": 1}}'],
    ['keep', '{"headers": {"n": 3}}', '{"headers": {"n": 3}}'],
  ]
  for (const [count, before, after] of CASES) {
    it(`'${count}' makes ${after} of ${before}`, () =>
      expect(countInHeader(before, 'n', count)).to.equal(after))
  }
})

describe('an envelope that goes back without a mark', () => {
  it('loses the mark of an earlier time, and gets none', () => {
    const plain = '{"headers": {"a": 1}, "properties": {"delivery_info": {}}}'
    expect(markRedelivered(plain, false)).to.equal(plain)
    const marked =
      '{"headers": {"redelivered": true}, "properties": {"delivery_info": {"redelivered": true}}}'
    expect(markRedelivered(marked, false)).to.equal(marked.replaceAll('true', 'false'))
  })
})

describe('an envelope that goes back', () => {
  const restored = captureNames().filter((name) => restores(name).length > 0)

  for (const name of restored) {
    it(`is the text that kombu pushed in ${name}`, () => {
      for (const [before, after] of restores(name)) expect(markRedelivered(before)).to.equal(after)
    })
  }

  it('has captures of each way back', () => {
    const cases = restored.map((name) => name.split('.').at(-1))
    expect(cases).to.include.members(['reject-requeue', 'shutdown-restore', 'visibility-restore'])
  })

  const CASES: readonly [before: string, after: string][] = [
    [
      '{"headers": {}, "properties": {"delivery_info": {}}}',
      '{"headers": {"redelivered": true}, "properties": {"delivery_info": {"redelivered": true}}}',
    ],
    [
      '{"headers":{"a":1.0},"properties":{"delivery_info":{"x":{"y":[]}}}}',
      '{"headers":{"a":1.0, "redelivered": true},"properties":{"delivery_info":{"x":{"y":[]}, "redelivered": true}}}',
    ],
    [
      '{"headers": {"redelivered": false, "b": 2}, "properties": {"delivery_info": {"redelivered": null}}}',
      '{"headers": {"redelivered": true, "b": 2}, "properties": {"delivery_info": {"redelivered": true}}}',
    ],
    [
      '{"headers": null, "properties": {"delivery_info": {}}}',
      '{"headers": null, "properties": {"delivery_info": {"redelivered": true}}}',
    ],
    [
      '{"properties": {"headers": {}, "delivery_info": { }}}',
      '{"properties": {"headers": {}, "delivery_info": { "redelivered": true}}}',
    ],
    [
      '{"headers": {"delivery_info": {}}, "properties": 5}',
      '{"headers": {"delivery_info": {}, "redelivered": true}, "properties": 5}',
    ],
  ]
  for (const [before, after] of CASES) {
    it(`becomes ${after}`, () => expect(markRedelivered(before)).to.equal(after))
  }

  for (const text of [
    '',
    'null',
    '5',
    '"x"',
    '[]',
    '{',
    '{"headers": {',
    '{"headers"',
    '{"properties": {"delivery_info": {"a": "',
  ]) {
    it(`stays what it was when it is '${text}'`, () => expect(markRedelivered(text)).to.equal(text))
  }

  it('changes nothing else, whatever is in it', () => {
    const headers = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(headers, fc.jsonValue(), fc.string(), (given, more, body) => {
        const envelope = {
          body,
          more,
          headers: given,
          properties: { delivery_info: { exchange: body } },
        }
        const marked: unknown = JSON.parse(markRedelivered(dumps(envelope)))
        const expected = {
          ...envelope,
          headers: { ...given, redelivered: true },
          properties: { delivery_info: { exchange: body, redelivered: true } },
        }
        expect(marked).to.deep.equal(JSON.parse(dumps(expected)))
      }),
      { numRuns: 300 },
    )
  })

  it('is marked in a moment, however large or odd it is', () => {
    const large = '{"body": "' + 'A'.repeat(8_000_000) + '", "headers": {}, "properties": {}}'
    const odd = '{"body": "' + '\\"'.repeat(100_000) + '", "headers": {'.repeat(1000)
    const start = process.cpuUsage()
    markRedelivered(large)
    markRedelivered(odd)
    expect(process.cpuUsage(start).user / 1000).to.be.lessThan(500)
  })
})

/** What was in `unacked`, and what was pushed back of it. */
function restores(name: string): [before: string, after: string][] {
  const inHand = new Map<string, string>()
  const found: [string, string][] = []
  for (const words of commands(name)) {
    const [word = '', key = '', tag = '', record = ''] = words
    if (word === 'HSET' && key.endsWith('unacked')) inHand.set(tag, decodeUnacked(record).raw)
    if (word !== 'LPUSH' && word !== 'RPUSH') continue
    const pushedTag = /"delivery_tag": "([^"]*)"/.exec(tag)?.[1] ?? ''
    const before = inHand.get(pushedTag)
    if (before !== undefined) found.push([before, tag])
  }
  return found
}
