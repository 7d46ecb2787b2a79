/** The envelope of Redis against captures of kombu, and against what is malformed. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { DecodeError, LimitExceeded } from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import type { Message } from '../../../protocol/message.ts'
import { dumps } from '../../../protocol/serialization/json.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import { expectCalm, replaced } from '../calm.ts'
import { captureNames, envelopes } from '../captures.ts'

const limits = DEFAULT_LIMITS
const read = (raw: string) => decodeEnvelope(raw, limits)

/** What we write otherwise than kombu did, and why. */
const DIFFERENCES: readonly {
  readonly why: string
  readonly applies: (raw: string) => boolean
  readonly ours: (raw: string) => string
}[] = [
  {
    why: 'that it goes back is written by markRedelivered, into the text that it was',
    applies: (raw) => raw.includes(', "redelivered": true}, "priority"'),
    ours: (raw) => raw.replace(', "redelivered": true}, "priority"', '}, "priority"'),
  },
  {
    why: 'we write every body as base64, whatever the option body_encoding of the sender was',
    applies: (raw) => raw.includes('"body_encoding": "utf-8"'),
    ours: (raw) =>
      raw
        .replace('"{\\"n\\": 0}"', '"eyJuIjogMH0="')
        .replace('"body_encoding": "utf-8"', '"body_encoding": "base64"'),
  },
]

describe('the envelope on Redis', () => {
  const names = captureNames().filter((name) => envelopes(name).length > 0)

  for (const name of names) {
    it(`is read from ${name}, and written as the same text`, () => {
      for (const raw of envelopes(name)) {
        const difference = DIFFERENCES.find(({ applies }) => applies(raw))
        const { message, ...address } = read(raw)
        expect(encodeEnvelope(message, address)).to.equal(difference?.ours(raw) ?? raw)
        expect(address.redelivered).to.equal(raw.includes('"redelivered": true}, "priority"'))
      }
    })
  }

  for (const { why, applies } of DIFFERENCES) {
    it(`differs in one way, which a capture has: ${why}`, () => {
      expect(names.some((name) => envelopes(name).some(applies))).to.equal(true)
    })
  }

  const GOOD = {
    body: 'e30=',
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: { task: 't' },
    properties: {
      correlation_id: 'c',
      reply_to: 'r',
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: 'celery' },
      priority: 3,
      body_encoding: 'base64',
      delivery_tag: 'tag',
    },
  }
  const { properties } = GOOD
  const info = properties.delivery_info

  it('names the parts of a message', () => {
    expect(read(dumps(GOOD))).to.deep.equal({
      message: {
        body: Buffer.from('{}'),
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: { task: 't' },
        properties: { correlationId: 'c', replyTo: 'r', deliveryMode: 2, priority: 3 },
      },
      exchange: '',
      routingKey: 'celery',
      deliveryTag: 'tag',
      redelivered: false,
    })
  })

  const TOLERATED: readonly [what: string, envelope: unknown, check: (message: Message) => void][] =
    [
      [
        'an extra member',
        { ...GOOD, more: 1 },
        ({ body }) => expect(body.toString()).to.equal('{}'),
      ],
      [
        'no headers',
        { ...GOOD, headers: undefined },
        ({ headers }) => expect(headers).to.deep.equal({}),
      ],
      [
        'null as headers',
        { ...GOOD, headers: null },
        ({ headers }) => expect(headers).to.deep.equal({}),
      ],
      [
        'no content type',
        { ...GOOD, 'content-type': undefined },
        ({ contentType }) => expect(contentType).to.equal(''),
      ],
      [
        'no body_encoding',
        { ...GOOD, body: 'é', properties: { ...properties, body_encoding: undefined } },
        ({ body }) => expect(body.toString()).to.equal('é'),
      ],
      [
        'body_encoding UTF-8',
        { ...GOOD, body: 'é', properties: { ...properties, body_encoding: 'UTF-8' } },
        ({ body }) => expect(body.toString()).to.equal('é'),
      ],
      [
        'body_encoding BASE64',
        { ...GOOD, properties: { ...properties, body_encoding: 'BASE64' } },
        ({ body }) => expect(body.toString()).to.equal('{}'),
      ],
      [
        'base64 in lines',
        { ...GOOD, body: 'e3\r\n0=' },
        ({ body }) => expect(body.toString()).to.equal('{}'),
      ],
      ['an empty body', { ...GOOD, body: '' }, ({ body }) => expect(body).to.have.length(0)],
      [
        'no priority',
        { ...GOOD, properties: { ...properties, priority: undefined } },
        (message) => expect(message.properties).to.not.have.property('priority'),
      ],
      [
        'null as reply_to',
        { ...GOOD, properties: { ...properties, reply_to: null } },
        (message) => expect(message.properties).to.not.have.property('replyTo'),
      ],
      [
        'a text as priority',
        { ...GOOD, properties: { ...properties, priority: 'high' } },
        (message) => expect(message.properties.extra).to.deep.include({ priority: 'high' }),
      ],
      [
        'properties of nobody',
        { ...GOOD, properties: { ...properties, origin: 'x' } },
        (message) => expect(message.properties.extra).to.deep.include({ origin: 'x' }),
      ],
    ]
  for (const [what, envelope, check] of TOLERATED) {
    it(`may have ${what}`, () => check(read(dumps(envelope)).message))
  }

  it('may have a number as its delivery tag', () => {
    expect(
      read(dumps({ ...GOOD, properties: { ...properties, delivery_tag: 7 } })).deliveryTag,
    ).to.equal(7)
  })

  it('says whether it was given back', () => {
    const back = {
      ...GOOD,
      properties: { ...properties, delivery_info: { ...info, redelivered: true } },
    }
    expect(read(dumps(back)).redelivered).to.equal(true)
  })

  const BROKEN: readonly [what: string, raw: unknown, message: string][] = [
    ['is empty', '', 'not JSON'],
    ['is not JSON', '{"body"', 'not JSON'],
    ['has a sign before it', '\ufeff{}', 'not JSON'],
    ['is a number', '5', 'not an object'],
    ['is null', 'null', 'not an object'],
    ['is a list', '[]', 'not an object'],
    ['is a typed value', '{"__type__": "date", "__value__": "2024-02-29"}', 'not an object'],
    ['has no properties', { ...GOOD, properties: undefined }, 'properties is missing'],
    ['has a list of properties', { ...GOOD, properties: [] }, 'properties is not an object'],
    [
      'has no delivery_info',
      { ...GOOD, properties: { ...properties, delivery_info: undefined } },
      'delivery_info is missing',
    ],
    [
      'has an empty delivery_info',
      { ...GOOD, properties: { ...properties, delivery_info: {} } },
      'exchange is missing',
    ],
    [
      'has no routing key',
      { ...GOOD, properties: { ...properties, delivery_info: { exchange: '' } } },
      'routing_key is missing',
    ],
    [
      'has no delivery_tag',
      { ...GOOD, properties: { ...properties, delivery_tag: undefined } },
      'delivery_tag',
    ],
    [
      'has an empty delivery_tag',
      { ...GOOD, properties: { ...properties, delivery_tag: '' } },
      'delivery_tag',
    ],
    ['has no body', { ...GOOD, body: undefined }, 'body is missing'],
    ['has an object as body', { ...GOOD, body: {} }, 'body is not text'],
    [
      'has another body_encoding',
      { ...GOOD, properties: { ...properties, body_encoding: 'rot13' } },
      'body_encoding',
    ],
    [
      'has a number as body_encoding',
      { ...GOOD, properties: { ...properties, body_encoding: 1 } },
      'body_encoding',
    ],
    ['is base64 without padding', { ...GOOD, body: 'e30' }, 'without padding'],
    ['is URL-safe base64', { ...GOOD, body: '_-8=' }, 'URL-safe'],
    ['has a list of headers', { ...GOOD, headers: [] }, 'headers is not an object'],
    ['has a text as headers', { ...GOOD, headers: 'x' }, 'headers is not an object'],
    ['has a number as content type', { ...GOOD, 'content-type': 5 }, 'content-type is not text'],
  ]
  for (const [what, value, message] of BROKEN) {
    it(`is refused when it ${what}`, () => {
      const raw = typeof value === 'string' ? value : dumps(value)
      expect(() => read(raw)).to.throw(DecodeError, message)
    })
  }

  it('is refused when it, or its body, is larger than the limits', () => {
    const small = { ...limits, maxBodyBytes: 1000 }
    const body = Buffer.alloc(1001).toString('base64')
    const raw = dumps({ ...GOOD, body })
    expect(() => decodeEnvelope(raw, small)).to.throw(LimitExceeded, 'a body of 1001 bytes')
    const padded = `{"x": "${'x'.repeat(5_000_000)}", ${raw.slice(1)}`
    expect(() => decodeEnvelope(padded, small)).to.throw(LimitExceeded)
    expect(() => read(dumps({ ...GOOD, headers: nested(100) }))).to.throw(LimitExceeded)
  })

  it('never lets the own members of the envelope come from the user', () => {
    const message = {
      ...read(dumps(GOOD)).message,
      properties: { extra: { delivery_tag: 'mine', body_encoding: 'x', delivery_info: 1, a: 2 } },
    }
    const wire = JSON.parse(
      encodeEnvelope(message, { exchange: 'e', routingKey: 'k', deliveryTag: 't' }),
    ) as typeof GOOD
    expect(wire.properties).to.deep.equal({
      a: 2,
      delivery_mode: 2,
      delivery_info: { exchange: 'e', routing_key: 'k' },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: 't',
    })
  })

  it('carries any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, routingKey) => {
        const message = { ...read(dumps(GOOD)).message, body: Buffer.from(bytes) }
        const back = read(encodeEnvelope(message, { exchange: '', routingKey, deliveryTag: 't' }))
        expect(back.message).to.deep.equal(message)
        expect(back.routingKey).to.equal(routingKey)
      }),
    )
  })

  it('throws nothing but a CeleryError, and soon, whatever stands in the place of a member', () => {
    const paths = [
      ['body'],
      ['content-type'],
      ['headers'],
      ['properties'],
      ...Object.keys(properties).map((name) => ['properties', name]),
      ['properties', 'delivery_info', 'exchange'],
    ]
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        expectCalm(() => read(dumps(replaced(GOOD, path, value))))
      }),
      { numRuns: 500 },
    )
  })

  it('throws nothing but a CeleryError, and soon, when its text is cut or changed', () => {
    const raw = dumps(GOOD)
    fc.assert(
      fc.property(fc.nat(raw.length), fc.nat(5), fc.string({ maxLength: 5 }), (at, gone, put) => {
        expectCalm(() => read(raw.slice(0, at) + put + raw.slice(at + gone)))
      }),
      { numRuns: 1000 },
    )
  })
})

function nested(depth: number): unknown {
  return depth === 0 ? {} : { x: nested(depth - 1) }
}
