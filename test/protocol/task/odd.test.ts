/** Task messages that are wrong, each in its own way. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { createCodec } from '../../../protocol/codec.ts'
import {
  ContentDisallowed,
  DecodeError,
  InvalidTaskError,
  UnknownMessageError,
} from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/message.ts'
import { dumps, loads } from '../../../protocol/serialization/json.ts'
import { signature } from '../../../protocol/signature.ts'
import { decodeTask, peekTask } from '../../../protocol/task/decode.ts'
import { NO_EMBED, type TaskMessage } from '../../../protocol/task/task-message.ts'
import { expectCalm, replaced } from '../calm.ts'
import { deflateRawSync, deflateSync } from 'node:zlib'

const codec = createCodec()
const ACCEPT = codec.serializers.contentTypes(['json'])

const HEADERS = {
  lang: 'py',
  task: 'wire.add',
  id: 'd65f8ba6-d3f7-4cee-bad7-d994a022433e',
  shadow: null,
  eta: null,
  expires: null,
  group: null,
  group_index: null,
  retries: 0,
  timelimit: [null, null],
  root_id: 'd65f8ba6-d3f7-4cee-bad7-d994a022433e',
  parent_id: null,
  argsrepr: '(2, 3)',
  kwargsrepr: '{}',
  origin: 'gen2756@vm',
  ignore_result: false,
  replaced_task_nesting: 0,
  stamped_headers: null,
  stamps: {},
}
const BODY = [[2, 3], {}, { callbacks: null, errbacks: null, chain: null, chord: null }]
const V1 = { task: 'wire.add', id: 'one', args: [2, 3], kwargs: {} }

function message(headers: unknown, body: unknown, more: Partial<Message> = {}): Message {
  return {
    body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(dumps(body)),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: headers as Message['headers'],
    properties: {},
    ...more,
  }
}

const decode = (odd: Message): TaskMessage => decodeTask(odd, codec, ACCEPT)
const without = (...names: string[]): object =>
  Object.fromEntries(Object.entries(HEADERS).filter(([name]) => !names.includes(name)))
const withHeader = (more: object): object => ({ ...HEADERS, ...more })
const withEmbed = (embed: unknown): unknown => [[2, 3], {}, embed]

/** What Celery runs, we run. */
const TOLERATED: readonly [what: string, odd: Message, expected: Partial<TaskMessage>][] = [
  ['baseline', message(HEADERS, BODY), { args: [2, 3], kwargs: {}, embed: NO_EMBED, protocol: 2 }],
  [
    'minimal-headers',
    message({ task: 't', id: 'i' }, BODY),
    { task: 't', id: 'i', retries: 0, argsrepr: '', origin: null, ignoreResult: null },
  ],
  ['minimal-headers-lang-js', message({ lang: 'js', task: 't', id: 'i' }, BODY), { lang: 'js' }],
  ['lang-missing', message(without('lang'), BODY), { lang: null }],
  ['origin-missing', message(without('origin'), BODY), { origin: null }],
  ['retries-missing', message(without('retries'), BODY), { retries: 0 }],
  ['retries-null', message(withHeader({ retries: null }), BODY), { retries: 0 }],
  ['retries-string', message(withHeader({ retries: '2' }), BODY), { retries: 2 }],
  ['root_id-null', message(withHeader({ root_id: null }), BODY), { rootId: null }],
  ['shadow-empty', message(withHeader({ shadow: '' }), BODY), { shadow: null }],
  [
    'stamps-missing',
    message(without('stamps', 'stamped_headers'), BODY),
    { stamps: {}, stampedHeaders: null },
  ],
  [
    'timelimit-missing',
    message(without('timelimit'), BODY),
    { timeLimit: null, softTimeLimit: null },
  ],
  ['timelimit-null', message(withHeader({ timelimit: null }), BODY), { timeLimit: null }],
  ['timelimit-undefined-empty', message(withHeader({ timelimit: [] }), BODY), { timeLimit: null }],
  [
    'timelimit-string',
    message(withHeader({ timelimit: ['30', '20.5'] }), BODY),
    { timeLimit: 30, softTimeLimit: 20.5 },
  ],
  [
    'timelimit of zeros',
    message(withHeader({ timelimit: [0, 0] }), BODY),
    { timeLimit: null, softTimeLimit: null },
  ],
  ['ignore_result-missing', message(without('ignore_result'), BODY), { ignoreResult: null }],
  [
    'ignore_result-null',
    message(withHeader({ ignore_result: null }), BODY),
    { ignoreResult: null },
  ],
  [
    'ignore_result-true',
    message(withHeader({ ignore_result: true }), BODY),
    { ignoreResult: true },
  ],
  ['ignore_result as 1', message(withHeader({ ignore_result: 1 }), BODY), { ignoreResult: true }],
  [
    'extra-headers',
    message(withHeader({ 'x-death': [{ count: 1 }], n: 7 }), BODY),
    { custom: { 'x-death': [{ count: 1 }], n: 7 } },
  ],
  ['huge-int-header', message(withHeader({ n: 2n ** 80n }), BODY), { custom: { n: 2n ** 80n } }],
  [
    'eta-js-Z',
    message(withHeader({ eta: '2030-01-02T03:04:05.123Z' }), BODY),
    { eta: '2030-01-02T03:04:05.123Z' },
  ],
  [
    'eta-no-tz',
    message(withHeader({ eta: '2030-01-02T03:04:05' }), BODY),
    { eta: '2030-01-02T03:04:05' },
  ],
  [
    'eta-nanoseconds',
    message(withHeader({ eta: '2030-01-02T03:04:05.123456789+00:00' }), BODY),
    { eta: '2030-01-02T03:04:05.123456789+00:00' },
  ],
  [
    'eta as a timestamp of AMQP',
    message(withHeader({ eta: new Date(0) }), BODY),
    { eta: '1970-01-01T00:00:00+00:00' },
  ],
  [
    'expires-js-Z',
    message(withHeader({ expires: '2020-01-02T03:04:05.123Z' }), BODY),
    { expires: '2020-01-02T03:04:05.123Z' },
  ],
  ['body-args-dict', message(HEADERS, [{ a: 1, b: 2 }, {}, null]), { args: ['a', 'b'] }],
  ['body-embed-empty', message(HEADERS, withEmbed({})), { embed: NO_EMBED }],
  ['body-embed-null', message(HEADERS, withEmbed(null)), { embed: NO_EMBED }],
  [
    'body-type-extra-key',
    message(HEADERS, [[{ __type__: 'date', __value__: 'x', more: 1 }], {}, null]),
    { args: [{ __type__: 'date', __value__: 'x', more: 1 }] },
  ],
  ['body-utf8-unescaped', message(HEADERS, '[["žluť"], {}, null]'), { args: ['žluť'] }],
  [
    'chain-in-embed',
    message(HEADERS, withEmbed({ chain: [signature('t')] })),
    { embed: { ...NO_EMBED, chain: [signature('t')] } },
  ],
  ['chord-embed-string', message(HEADERS, withEmbed({ chord: 'x' })), { embed: NO_EMBED }],
  [
    'sig-min-options',
    message(HEADERS, withEmbed({ callbacks: [{ task: 't', args: [], kwargs: {}, options: {} }] })),
    { embed: { ...NO_EMBED, callbacks: [signature('t')] } },
  ],
  [
    'sig-plus-subtask',
    message(
      HEADERS,
      withEmbed({
        callbacks: [{ task: 't', args: [], kwargs: {}, options: {}, subtask_type: null }],
      }),
    ),
    { embed: { ...NO_EMBED, callbacks: [signature('t')] } },
  ],
  [
    'a bare signature as callbacks',
    message(HEADERS, withEmbed({ callbacks: signature('t') })),
    { embed: { ...NO_EMBED, callbacks: [signature('t')] } },
  ],
  ['ce-latin1', message(HEADERS, BODY, { contentEncoding: 'latin1' }), { args: [2, 3] }],
  ['ce-missing', message(HEADERS, BODY, { contentEncoding: '' }), { args: [2, 3] }],
  [
    'compression-null',
    message(withHeader({ compression: null }), BODY),
    { args: [2, 3], custom: {} },
  ],
  [
    'compression-alias',
    message(withHeader({ compression: 'zlib' }), BODY, { body: deflateSync(dumps(BODY)) }),
    { args: [2, 3], custom: {} },
  ],
  [
    'v1-minimal',
    message({}, V1),
    { protocol: 1, args: [2, 3], argsrepr: '[2, 3]', kwargsrepr: '{}' },
  ],
  [
    'v1-no-args-kwargs',
    message({}, { task: 't', id: 'i' }),
    { args: [], kwargs: {}, argsrepr: '[]' },
  ],
  ['v1-no-kwargs', message({}, { task: 't', id: 'i', args: [1] }), { args: [1], kwargs: {} }],
  [
    'v1-callbacks',
    message({}, { ...V1, callbacks: [signature('t')] }),
    { embed: { ...NO_EMBED, callbacks: [signature('t')] } },
  ],
  ['v1 with a taskset', message({}, { ...V1, group: 'g', taskset: 'ts' }), { group: 'ts' }],
  [
    'v1 in local time',
    message({}, { ...V1, eta: '2030-01-02T03:04:05', utc: false }),
    { utc: false, eta: '2030-01-02T03:04:05' },
  ],
  ['v1 with headers', message({ h: 1 }, V1), { custom: { h: 1 } }],
  [
    'hybrid-dict-body',
    message(HEADERS, { ...V1, retries: 3, id: 'other' }),
    { protocol: 1, id: HEADERS.id, retries: 0, args: [2, 3] },
  ],
  [
    'hybrid-headers-task-only',
    message({ task: 'wire.mul' }, { ...V1, retries: 3, eta: null }),
    { task: 'wire.mul', id: 'one', retries: 3 },
  ],
]

/** What ends a Celery worker, or is refused by it, is refused by us. */
const REFUSED: readonly [what: string, odd: Message, type: unknown, says: string][] = [
  ['no-id', message(without('id'), BODY), InvalidTaskError, 'id must be a text'],
  ['id-null', message(withHeader({ id: null }), BODY), InvalidTaskError, 'id must be a text'],
  ['id-number', message(withHeader({ id: 5 }), BODY), InvalidTaskError, 'id must be a text'],
  ['id-empty', message(withHeader({ id: '' }), BODY), InvalidTaskError, 'id must be a text'],
  [
    'id-huge',
    message(withHeader({ id: 'x'.repeat(2000) }), BODY),
    InvalidTaskError,
    'id must not be longer',
  ],
  ['task-null', message(withHeader({ task: null }), BODY), InvalidTaskError, 'task must be a text'],
  [
    'task-huge',
    message(withHeader({ task: 'x'.repeat(1_000_000) }), BODY),
    InvalidTaskError,
    'task must not be longer',
  ],
  ['body-2-elements', message(HEADERS, [[], {}]), InvalidTaskError, 'body must be a list of'],
  [
    'body-4-elements',
    message(HEADERS, [[], {}, {}, {}]),
    InvalidTaskError,
    'body must be a list of',
  ],
  ['body-null', message(HEADERS, null), InvalidTaskError, 'body must be a list of'],
  ['body is text', message(HEADERS, '"args"'), InvalidTaskError, 'body must be a list of'],
  ['body-empty', message(HEADERS, ''), DecodeError, 'not valid JSON'],
  ['body-args-null', message(HEADERS, [null, {}, {}]), InvalidTaskError, 'args must be a list'],
  ['body-args-string', message(HEADERS, ['ab', {}, {}]), InvalidTaskError, 'args must be a list'],
  [
    'body-kwargs-null',
    message(HEADERS, [[], null, {}]),
    InvalidTaskError,
    'kwargs must be an object',
  ],
  [
    'body-kwargs-list',
    message(HEADERS, [[], [], {}]),
    InvalidTaskError,
    'kwargs must be an object',
  ],
  [
    'body-kwargs-date',
    message(HEADERS, [[], { __type__: 'date', __value__: '2024-02-29' }, {}]),
    InvalidTaskError,
    'kwargs must be an object',
  ],
  ['body-embed-list', message(HEADERS, [[], {}, []]), InvalidTaskError, 'embed must be an object'],
  ['body-bom', message(HEADERS, `\ufeff${dumps(BODY)}`), DecodeError, 'not valid JSON'],
  ['body-invalid-json', message(HEADERS, '[[2, 3], {}'), DecodeError, 'not valid JSON'],
  [
    'body-invalid-utf8',
    message(HEADERS, BODY, { body: Buffer.from('[["\xff"], {}, {}]', 'latin1') }),
    DecodeError,
    'UTF-8',
  ],
  [
    'body-type-unknown',
    message(HEADERS, [[{ __type__: 'set', __value__: [] }], {}, {}]),
    DecodeError,
    'unsupported type',
  ],
  ['ct-missing', message(HEADERS, BODY, { contentType: '' }), ContentDisallowed, ''],
  [
    'ct-charset',
    message(HEADERS, BODY, { contentType: 'application/json; charset=utf-8' }),
    ContentDisallowed,
    '',
  ],
  [
    'ct-msgpack-not-accepted',
    message(HEADERS, BODY, { contentType: 'application/x-msgpack' }),
    ContentDisallowed,
    'msgpack',
  ],
  [
    'ct-unknown',
    message(HEADERS, BODY, { contentType: 'application/x-nothing' }),
    ContentDisallowed,
    '',
  ],
  ['ct-data', message(HEADERS, BODY, { contentType: 'application/data' }), ContentDisallowed, ''],
  [
    'ct-pickle',
    message(HEADERS, 'cos\nsystem\n', { contentType: 'application/x-python-serialize' }),
    ContentDisallowed,
    'pickle',
  ],
  [
    'compression-unknown',
    message(withHeader({ compression: 'x' }), BODY),
    DecodeError,
    'compression',
  ],
  ['compression-number', message(withHeader({ compression: 5 }), BODY), DecodeError, 'compression'],
  [
    'compression-bad-data',
    message(withHeader({ compression: 'zlib' }), BODY),
    DecodeError,
    'decompressed',
  ],
  [
    'compression-raw-deflate',
    message(withHeader({ compression: 'zlib' }), BODY, { body: deflateRawSync(dumps(BODY)) }),
    DecodeError,
    'decompressed',
  ],
  [
    'eta-empty-string',
    message(withHeader({ eta: '' }), BODY),
    InvalidTaskError,
    'eta must be a time',
  ],
  ['eta-zero', message(withHeader({ eta: 0 }), BODY), InvalidTaskError, 'eta must be a time'],
  [
    'eta-epoch-number',
    message(withHeader({ eta: 1795334368 }), BODY),
    InvalidTaskError,
    'eta must be a time',
  ],
  [
    'eta-epoch-ms',
    message(withHeader({ eta: 1795334368629 }), BODY),
    InvalidTaskError,
    'eta must be a time',
  ],
  [
    'eta-garbage',
    message(withHeader({ eta: 'tomorrow' }), BODY),
    InvalidTaskError,
    'eta must be a time',
  ],
  [
    'eta-huge',
    message(withHeader({ eta: `2030-01-02T03:04:05.${'1'.repeat(1e6)}` }), BODY),
    InvalidTaskError,
    'eta must be a time',
  ],
  [
    'expires-empty-string',
    message(withHeader({ expires: '' }), BODY),
    InvalidTaskError,
    'expires must be a time',
  ],
  [
    'expires-number',
    message(withHeader({ expires: 60 }), BODY),
    InvalidTaskError,
    'expires must be a time',
  ],
  [
    'expires-seconds',
    message(withHeader({ expires: '60' }), BODY),
    InvalidTaskError,
    'expires must be a time',
  ],
  [
    'timelimit-scalar',
    message(withHeader({ timelimit: 30 }), BODY),
    InvalidTaskError,
    'timelimit must be a list',
  ],
  [
    'timelimit of three',
    message(withHeader({ timelimit: [1, 2, 3] }), BODY),
    InvalidTaskError,
    'timelimit must be a list',
  ],
  [
    'timelimit-x',
    message(withHeader({ timelimit: ['x', null] }), BODY),
    InvalidTaskError,
    'timelimit must hold seconds',
  ],
  [
    'timelimit-negative',
    message(withHeader({ timelimit: [-1, null] }), BODY),
    InvalidTaskError,
    'timelimit must hold seconds',
  ],
  [
    'timelimit-endless',
    message(withHeader({ timelimit: [null, 1e308] }), BODY),
    InvalidTaskError,
    'timelimit must hold seconds',
  ],
  [
    "timelimit of amqplib's 300, as py-amqp reads it",
    message(withHeader({ timelimit: [',', null] }), BODY),
    InvalidTaskError,
    'timelimit must hold seconds',
  ],
  [
    'retries-huge',
    message(withHeader({ retries: 1e308 }), BODY),
    InvalidTaskError,
    'retries must be a whole number',
  ],
  [
    'retries-negative',
    message(withHeader({ retries: -1 }), BODY),
    InvalidTaskError,
    'retries must be a whole number',
  ],
  [
    'retries-fraction',
    message(withHeader({ retries: 1.5 }), BODY),
    InvalidTaskError,
    'retries must be a whole number',
  ],
  [
    'retries-word',
    message(withHeader({ retries: 'many' }), BODY),
    InvalidTaskError,
    'retries must be a whole number',
  ],
  [
    'group_index-text',
    message(withHeader({ group_index: 'a' }), BODY),
    InvalidTaskError,
    'group_index must be a whole number',
  ],
  [
    'nesting-list',
    message(withHeader({ replaced_task_nesting: [] }), BODY),
    InvalidTaskError,
    'replaced_task_nesting',
  ],
  [
    'group-number',
    message(withHeader({ group: 5 }), BODY),
    InvalidTaskError,
    'group must be a text',
  ],
  [
    'root_id-object',
    message(withHeader({ root_id: {} }), BODY),
    InvalidTaskError,
    'root_id must be a text',
  ],
  [
    'argsrepr-list',
    message(withHeader({ argsrepr: [] }), BODY),
    InvalidTaskError,
    'argsrepr must be a text',
  ],
  [
    'argsrepr-huge',
    message(withHeader({ argsrepr: 'x'.repeat(2e6) }), BODY),
    InvalidTaskError,
    'argsrepr must not be longer',
  ],
  [
    'ignore_result-text',
    message(withHeader({ ignore_result: 'no' }), BODY),
    InvalidTaskError,
    'ignore_result must be',
  ],
  [
    'stamped_headers-text',
    message(withHeader({ stamped_headers: 'a' }), BODY),
    InvalidTaskError,
    'stamped_headers must be a list',
  ],
  [
    'stamped_headers-numbers',
    message(withHeader({ stamped_headers: [1] }), BODY),
    InvalidTaskError,
    'stamped_headers must be a list',
  ],
  [
    'stamps-list',
    message(withHeader({ stamps: [] }), BODY),
    InvalidTaskError,
    'stamps must be an object',
  ],
  [
    'sig-no-options',
    message(HEADERS, withEmbed({ callbacks: [{ task: 't', args: [], kwargs: {} }] })),
    InvalidTaskError,
    'callbacks has options',
  ],
  [
    'sig-task-only',
    message(HEADERS, withEmbed({ errbacks: [{ task: 't' }] })),
    InvalidTaskError,
    'errbacks has args',
  ],
  [
    'chain of text',
    message(HEADERS, withEmbed({ chain: ['t'] })),
    InvalidTaskError,
    'chain is not a signature',
  ],
  [
    'chord-embed-string in a group',
    message(withHeader({ group: 'g' }), withEmbed({ chord: 'x' })),
    InvalidTaskError,
    'chord is not a signature',
  ],
  [
    'v1-no-id',
    message({}, { task: 't', args: [], kwargs: {} }),
    InvalidTaskError,
    'id must be a text',
  ],
  [
    'v1-kwargs-null',
    message({}, { ...V1, kwargs: null }),
    InvalidTaskError,
    'kwargs must be an object',
  ],
  ['v1-bad-body', message({}, { args: [] }), UnknownMessageError, 'name a task'],
  ['v1-string-body', message({}, '"text"'), UnknownMessageError, 'name a task'],
  ['no-task-header-v2-body', message(without('task'), BODY), UnknownMessageError, 'name a task'],
  [
    'a task of the prototype',
    message(Object.create({ task: 't', id: 'i' }), BODY),
    UnknownMessageError,
    'name a task',
  ],
]

describe('odd task messages', () => {
  for (const [what, odd, expected] of TOLERATED) {
    it(`are read when Celery runs them: ${what}`, () => {
      expect(decode(odd)).to.deep.include(expected)
    })
  }

  for (const [what, odd, type, says] of REFUSED) {
    it(`are refused with what is wrong: ${what}`, () => {
      expect(() => decode(odd)).to.throw(type as typeof Error, says)
    })
  }

  it('tell whose they are when they are refused, for a FAILURE to be stored', () => {
    const { task, id } = HEADERS
    const refusal = refusalOf(message(withHeader({ retries: 'secret' }), BODY))
    expect(refusal).to.include({ task, id, field: 'retries', code: 'ERR_INVALID_TASK' })
    expect(refusalOf(message(without('id'), BODY))).to.include({ task, id: null, field: 'id' })
    expect(refusalOf(message({}, { ...V1, callbacks: 5 }))).to.include({
      id: 'one',
      field: 'callbacks',
    })
  })

  it('are refused without a word of what was in them', () => {
    for (const name of Object.keys(HEADERS)) {
      const odd = message(withHeader({ [name]: ['secret'] }), BODY)
      const refusal = refusalOf(odd)
      if (refusal !== undefined) expect(refusal.message).to.not.include('secret')
    }
  })

  it('show their task and id without a look at the body, when the headers name them', () => {
    expect(peekTask(message(HEADERS, 'no json'))).to.deep.equal({
      task: 'wire.add',
      id: HEADERS.id,
    })
    expect(peekTask(message({ task: 't' }, ''))).to.deep.equal({ task: 't', id: null })
    expect(peekTask(message({ task: 't', id: 5 }, ''))).to.deep.equal({ task: 't', id: null })
    expect(peekTask(message({ task: 5 }, ''))).to.equal(undefined)
    expect(peekTask(message({}, V1))).to.equal(undefined)
    expect(peekTask(message(Object.create({ task: 't' }), ''))).to.equal(undefined)
  })

  const PATHS = Object.keys(HEADERS)
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.bigInt(),
    fc.constantFrom(NaN, Infinity, -0, new Date(NaN), Buffer.from('x'), undefined),
  )

  it('raise nothing but a CeleryError, and soon, whatever stands in a header', () => {
    const start = loads(dumps(HEADERS)) as object
    fc.assert(
      fc.property(fc.constantFrom(...PATHS), anything, (name, value) => {
        expectCalm(() => decode(message({ ...start, [name]: value }, BODY)))
      }),
      { numRuns: 2000 },
    )
  })

  it('raise nothing but a CeleryError, and soon, whatever stands in the body', () => {
    const embed = {
      callbacks: [signature('t')],
      errbacks: [],
      chain: [signature('u')],
      chord: null,
    }
    const body = [[1], {}, embed]
    const paths = [['0'], ['1'], ['2'], ...Object.keys(embed).map((name) => ['2', name])]
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        const changed = Object.values(replaced(body, path, value))
        expectCalm(() => decode(message(HEADERS, changed)))
        expectCalm(() => decode(message({}, { ...V1, [path.at(-1) ?? '']: value, args: value })))
      }),
      { numRuns: 1000 },
    )
  })

  it('raise nothing but a CeleryError, and soon, when their bytes are cut or changed', () => {
    const body = Buffer.from(dumps(BODY))
    fc.assert(
      fc.property(
        fc.nat(body.length),
        fc.nat(3),
        fc.uint8Array({ maxLength: 4 }),
        (at, gone, put) => {
          const changed = Buffer.concat([body.subarray(0, at), put, body.subarray(at + gone)])
          expectCalm(() => decode(message(HEADERS, '', { body: changed })))
          expectCalm(() =>
            decode(message(withHeader({ compression: 'zlib' }), '', { body: changed })),
          )
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('leave the prototype of objects alone', () => {
    const evil = JSON.parse('{"task": "t", "id": "i", "__proto__": {"isAdmin": true}}') as object
    const task = decode(message(evil, BODY))
    expect(Object.keys({})).to.have.length(0)
    expect('isAdmin' in {}).to.equal(false)
    expect('isAdmin' in { ...task.custom }).to.equal(false)
  })
})

function refusalOf(odd: Message): InvalidTaskError | undefined {
  try {
    decode(odd)
    return undefined
  } catch (error) {
    expect(error).to.be.instanceOf(InvalidTaskError)
    return error as InvalidTaskError
  }
}
