/** Which serializer reads a message, and which content is refused. */

import { expect } from 'chai'
import { createCodec } from '../../../protocol/codec.ts'
import {
  CeleryError,
  ContentDisallowed,
  DecodeError,
  EncodeError,
  LimitExceeded,
} from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { SerializerRegistry, type Content } from '../../../protocol/serialization/registry.ts'
import { amqpMessages } from '../captures.ts'

const registry = new SerializerRegistry()
const ACCEPT_JSON = registry.contentTypes(['json'])

function content(text: string, contentType: string): Parameters<SerializerRegistry['loads']>[0] {
  return { body: Buffer.from(text), contentType, contentEncoding: 'utf-8' }
}

describe('SerializerRegistry', () => {
  it('finds a serializer by name and by content type', () => {
    expect(registry.get('yaml')).to.equal(registry.get('application/x-yaml'))
    expect(() => registry.get('toString')).to.throw(EncodeError, 'json, msgpack, yaml')
  })

  it('reads back what it wrote', () => {
    for (const name of ['json', 'msgpack', 'yaml']) {
      const written = registry.dumps([[1], { a: 'é' }, null], name)
      expect(registry.loads(written, registry.contentTypes([name]))).to.deep.equal([
        [1],
        { a: 'é' },
        null,
      ])
    }
  })

  it('takes names and content types for what to accept', () => {
    expect([...registry.contentTypes(['json', 'pickle', 'application/x-own'])]).to.deep.equal([
      'application/json',
      'application/x-python-serialize',
      'application/x-own',
    ])
    expect(() => registry.contentTypes(['jsn']))
      .to.throw(CeleryError, "'jsn'")
      .with.property('code', 'ERR_IMPROPERLY_CONFIGURED')
  })

  it("refuses what is not accepted, in kombu's words", () => {
    const [message] = amqpMessages('562.amqp.serializer-pickle')
    if (message === undefined) throw new Error('no message')
    expect(() => registry.loads(message, ACCEPT_JSON)).to.throw(
      ContentDisallowed,
      'Refusing to deserialize untrusted content of type pickle (application/x-python-serialize)',
    )
  })

  it('reads pickle as data where it is accepted, and calls nothing', () => {
    const accept = registry.contentTypes(['pickle'])
    const pickled = (body: string): Content => ({
      ...content('', 'application/x-python-serialize'),
      body: Buffer.from(body, 'latin1'),
    })
    expect(registry.loads(pickled('\x80\x04]K\x05a.'), accept)).to.deep.equal([5])
    const call = pickled("cos\nsystem\n(S'ls'\ntR.")
    expect(() => registry.loads(call, accept)).to.throw(DecodeError, 'os.system')
  })

  it('has nothing that reads signed messages, even where they are accepted', () => {
    const accept = registry.contentTypes(['auth'])
    const signed = content('{}', 'application/data')
    expect(() => registry.loads(signed, accept)).to.throw(ContentDisallowed, 'no serializer')
  })

  it('trusts no content type by itself', () => {
    for (const type of [
      '',
      'application/data',
      'application/text',
      'application/json; charset=utf-8',
    ]) {
      expect(() => registry.loads(content('1', type), ACCEPT_JSON), type).to.throw(
        ContentDisallowed,
      )
    }
  })

  it('keeps control characters of a content type out of the message', () => {
    expect(() => registry.loads(content('1', 'a\r\nb\u001b[31m'), ACCEPT_JSON))
      .to.throw(ContentDisallowed)
      .with.property('message')
      .that.matches(/^[\x20-\x7e]*$/)
  })

  it('refuses a body over the limit before it is read', () => {
    const limits = { ...DEFAULT_LIMITS, maxBodyBytes: 3 }
    expect(registry.loads(content('123', 'application/json'), ACCEPT_JSON, limits)).to.equal(123)
    expect(() => registry.loads(content('1234', 'application/json'), ACCEPT_JSON, limits)).to.throw(
      LimitExceeded,
    )
  })

  it("wraps the errors of a user's serializer", () => {
    const own = new SerializerRegistry()
    const fail = (): never => {
      throw new TypeError('inside')
    }
    own.register({
      name: 'own',
      contentType: 'application/x-own',
      contentEncoding: 'binary',
      encode: fail,
      decode: fail,
    })
    expect(() => own.dumps(1, 'own')).to.throw(EncodeError)
    const accept = own.contentTypes(['own'])
    expect(() => own.loads(content('', 'application/x-own'), accept)).to.throw(DecodeError)
  })

  it('keeps what one codec registers from another', () => {
    const [one, other] = [createCodec({ maxDepth: 2 }), createCodec()]
    one.serializers.register({ ...one.serializers.get('json'), name: 'own' })
    expect(() => other.serializers.get('own')).to.throw(EncodeError)
    expect(one.limits.maxDepth).to.equal(2)
    expect(other.limits).to.deep.equal(DEFAULT_LIMITS)
  })
})
