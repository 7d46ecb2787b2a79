/** Remote commands and replies against captures of Celery, byte for byte. */

import { expect } from 'chai'
import { createCodec } from '../../protocol/codec.ts'
import { ContentDisallowed, DecodeError } from '../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import type { Message } from '../../protocol/message.ts'
import {
  decodePidboxReply,
  decodePidboxRequest,
  encodePidboxReply,
  encodePidboxRequest,
  pidboxClock,
} from '../../protocol/pidbox.ts'
import { decodeEnvelope } from '../../protocol/virtual/envelope.ts'
import { amqpMessages, captureNames, envelopes } from './captures.ts'

const codec = createCodec()
const ACCEPT = codec.serializers.contentTypes(['json'])
const names = captureNames().filter((name) => name.includes('.pidbox-'))

/** The request in a capture, and the reply where there is one. */
function messagesOf(name: string): readonly Message[] {
  if (name.includes('.amqp.')) return amqpMessages(name)
  return envelopes(name).map((text) => decodeEnvelope(text, DEFAULT_LIMITS).message)
}

function request(body: unknown, headers: Message['headers'] = {}): Message {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const content = { contentType: 'application/json', contentEncoding: 'utf-8' }
  return { body: Buffer.from(text), ...content, headers, properties: {} }
}

const read = (body: unknown): ReturnType<typeof decodePidboxRequest> =>
  decodePidboxRequest(request(body), codec, ACCEPT)

describe('remote control on the wire', () => {
  for (const name of names) {
    it(`reads and writes ${name}`, () => {
      const [asked, replied, ...more] = messagesOf(name)
      if (asked === undefined) throw new Error('no request')
      expect(more).to.deep.equal([])
      const options = { codec, serializer: 'json' }
      const { clock, expires } = asked.headers as { clock: number; expires: number }
      const decoded = decodePidboxRequest(asked, codec, ACCEPT)
      expect(name).to.include(decoded.method)
      const written = encodePidboxRequest(decoded, { ...options, clock, expires })
      expect(written.body.toString()).to.equal(asked.body.toString())
      expect(written).to.deep.include({ headers: asked.headers })
      expect(written.properties).to.deep.equal({ deliveryMode: 2, priority: 0 })
      expect(replied === undefined).to.equal(decoded.replyTo === null)
      if (replied === undefined) return
      const reply = decodePidboxReply(replied, codec, ACCEPT)
      expect(reply.ticket).to.equal(decoded.ticket)
      const again = encodePidboxReply(reply, { ...options, clock: pidboxClock(replied) })
      expect(again.body.toString()).to.equal(replied.body.toString())
      expect(again.headers).to.deep.equal(replied.headers)
      expect(again.properties).to.deep.equal({ deliveryMode: 1, priority: 0 })
    })
  }

  it('takes for nothing what Python does', () => {
    const bare = { method: 'ping', arguments: {}, destination: null, pattern: null, matcher: null }
    const nothing = { ...bare, ticket: null, replyTo: null }
    expect(read({ method: 'ping' })).to.deep.equal(nothing)
    expect(read({ method: 'ping', arguments: null, destination: [], reply_to: '' })).to.deep.equal(
      nothing,
    )
  })

  it('refuses what is no command', () => {
    const wrong = [
      [],
      'null',
      '{',
      {},
      { method: '' },
      { method: 7 },
      { method: 'x'.repeat(1025) },
      { method: 'ping', arguments: [1] },
      { method: 'ping', destination: { a: 1 } },
      { method: 'ping', destination: [1] },
      { method: 'ping', pattern: 'x'.repeat(1025), matcher: 'glob' },
      { method: 'ping', ticket: 'x'.repeat(1_000_000) },
      { method: 'ping', reply_to: 'x' },
      { method: 'ping', reply_to: { exchange: 'x' } },
      { method: 'ping', reply_to: { exchange: 1, routing_key: 2 } },
    ]
    for (const body of wrong) {
      expect(() => read(body), JSON.stringify(body).slice(0, 80)).to.throw(DecodeError)
    }
  })

  it('refuses content that is not accepted', () => {
    const pickled = { ...request(''), contentType: 'application/x-python-serialize' }
    expect(() => decodePidboxRequest(pickled, codec, ACCEPT)).to.throw(ContentDisallowed)
    expect(() => decodePidboxReply(pickled, codec, ACCEPT)).to.throw(ContentDisallowed)
  })

  it('leaves the prototype alone, whatever the members are called', () => {
    const inside = '{"method": "ping", "arguments": {"__proto__": {"x": 1}}}'
    expect(() => read(inside)).to.throw(DecodeError)
    expect(() => read('{"__proto__": {"method": "ping"}}')).to.throw(DecodeError)
    expect(({} as Record<string, unknown>)['x']).to.equal(undefined)
  })

  it('counts on from no clock that cannot be one', () => {
    for (const clock of [-1, 1.5, Number.MAX_SAFE_INTEGER, '7', null, Number.NaN]) {
      expect(pidboxClock(request({}, { clock }))).to.equal(0)
    }
    expect(pidboxClock(request({}, { clock: 7 }))).to.equal(7)
  })
})
