/** Task messages as they are written: members, order, and what is left out. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { createCodec } from '../../../protocol/codec.ts'
import { EncodeError } from '../../../protocol/errors.ts'
import { signature } from '../../../protocol/signature.ts'
import { decodeTask } from '../../../protocol/task/decode.ts'
import { encodeTask, type EncodeTaskOptions } from '../../../protocol/task/encode.ts'
import { NO_EMBED, type TaskMessage } from '../../../protocol/task/task-message.ts'

const codec = createCodec()
const ACCEPT = codec.serializers.contentTypes(['json', 'msgpack', 'yaml'])
const JSON_OPTIONS: EncodeTaskOptions = { codec, serializer: 'json', properties: {} }

const TASK: TaskMessage = {
  lang: 'py',
  task: 'wire.add',
  id: 'i',
  shadow: null,
  eta: null,
  expires: null,
  group: null,
  groupIndex: null,
  retries: 0,
  timeLimit: null,
  softTimeLimit: null,
  rootId: 'i',
  parentId: null,
  argsrepr: '(2, 3)',
  kwargsrepr: '{}',
  origin: 'gen1@host',
  ignoreResult: false,
  replacedTaskNesting: 0,
  stampedHeaders: null,
  stamps: {},
  custom: {},
  args: [2, 3],
  kwargs: {},
  embed: NO_EMBED,
  protocol: 2,
}

describe('a task message that we write', () => {
  it('says what Celery says where the caller said nothing', () => {
    const task = { ...TASK, lang: null, rootId: null, ignoreResult: null }
    const { headers, properties } = encodeTask(task, JSON_OPTIONS)
    expect(headers).to.include({ lang: 'py', root_id: 'i', ignore_result: false })
    expect(properties).to.deep.equal({ correlationId: 'i', replyTo: '' })
  })

  it('has the properties that it was given', () => {
    const properties = { correlationId: 'c', replyTo: 'r', priority: 5 }
    expect(encodeTask(TASK, { ...JSON_OPTIONS, properties }).properties).to.deep.equal(properties)
  })

  it("has the caller's own headers last, and lets them replace Celery's", () => {
    const custom = { shadow: 'mine', 'x-trace': 'abc' }
    const names = Object.keys(encodeTask({ ...TASK, custom }, JSON_OPTIONS).headers)
    expect(names.at(-1)).to.equal('x-trace')
    expect(names.indexOf('shadow')).to.equal(3)
    expect(encodeTask({ ...TASK, custom }, JSON_OPTIONS).headers['shadow']).to.equal('mine')
  })

  it('names its compression last of all', () => {
    const task = { ...TASK, custom: { 'x-trace': 'abc' } }
    const { headers } = encodeTask(task, { ...JSON_OPTIONS, compression: 'gzip' })
    expect(Object.entries(headers).at(-1)).to.deep.equal(['compression', 'application/x-gzip'])
    expect(task.custom).to.deep.equal({ 'x-trace': 'abc' })
  })

  it('cannot carry a chain in version 1, and says what to do', () => {
    const task = { ...TASK, embed: { ...NO_EMBED, chain: [signature('t')] } }
    const options = { ...JSON_OPTIONS, protocol: 1 } as const
    expect(() => encodeTask(task, options)).to.throw(EncodeError, 'set taskProtocol to 2')
    expect(() => encodeTask({ ...TASK, embed: { ...NO_EMBED, chain: [] } }, options)).to.not.throw()
  })

  it('tells in version 1 whether its times are in UTC', () => {
    const options = { ...JSON_OPTIONS, protocol: 1, utc: false } as const
    expect(decodeTask(encodeTask(TASK, options), codec, ACCEPT).utc).to.equal(false)
    expect(
      decodeTask(encodeTask(TASK, { ...options, utc: true }), codec, ACCEPT),
    ).to.not.have.property('utc')
  })

  it('does not go out when its serializer cannot write an argument', () => {
    const task = { ...TASK, args: [1, new Map()] }
    for (const serializer of ['json', 'msgpack', 'yaml', 'pickle']) {
      expect(() => encodeTask(task, { ...JSON_OPTIONS, serializer })).to.throw(EncodeError)
    }
    expect(() => encodeTask(TASK, { ...JSON_OPTIONS, serializer: 'auth' })).to.throw(EncodeError)
    expect(() => encodeTask(TASK, { ...JSON_OPTIONS, compression: 'none' })).to.throw(EncodeError)
  })

  const name = fc.string({ minLength: 1, maxLength: 40 })
  const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary)
  // Names such as `__proto__` and `__type__` are not the user's to send.
  const value = fc
    .jsonValue({ maxDepth: 4 })
    .map((json) => JSON.stringify(json))
    .filter((text) => !text.includes('__'))
    .map((text): unknown => JSON.parse(text))
  const members = fc.dictionary(
    fc.string().filter((key) => !key.startsWith('__')),
    value,
    { noNullPrototype: true },
  )
  const seconds = fc.integer({ min: 1, max: 1e6 })
  const signatures = maybe(
    fc.array(
      fc.tuple(name, fc.array(value), members).map((call) => signature(...call)),
      { maxLength: 3 },
    ),
  )

  const tasks: fc.Arbitrary<TaskMessage> = fc.record({
    lang: fc.constant('js'),
    task: name,
    id: name,
    shadow: maybe(name),
    eta: maybe(fc.constantFrom('2030-01-02T03:04:05+02:00', '2030-01-02T03:04:05.000001')),
    expires: maybe(fc.constant('2030-01-02T03:04:05Z')),
    group: maybe(name),
    groupIndex: maybe(fc.nat()),
    retries: fc.nat(),
    timeLimit: maybe(seconds),
    softTimeLimit: maybe(seconds),
    rootId: name,
    parentId: maybe(name),
    argsrepr: fc.string(),
    kwargsrepr: fc.string(),
    origin: maybe(name),
    ignoreResult: fc.boolean(),
    replacedTaskNesting: fc.nat(),
    stampedHeaders: maybe(fc.array(name)),
    stamps: members,
    custom: fc.constant({}),
    args: fc.array(value),
    kwargs: members,
    embed: fc.record({
      callbacks: signatures,
      errbacks: signatures,
      chain: signatures,
      chord: maybe(fc.constant(signature('body'))),
    }),
    protocol: fc.constant(2 as const),
  })

  for (const serializer of ['json', 'msgpack', 'yaml']) {
    it(`is read as it was written, whatever is in it, by ${serializer}`, () => {
      const compression = fc.constantFrom('', 'zlib', 'brotli')
      fc.assert(
        fc.property(tasks, compression, (task, chosen) => {
          const message = encodeTask(task, { ...JSON_OPTIONS, serializer, compression: chosen })
          expect(decodeTask(message, codec, ACCEPT)).to.deep.equal(task)
        }),
        { numRuns: 100 },
      )
    })
  }
})
