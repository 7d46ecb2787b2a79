/** Task messages against captures of Celery, byte for byte. */

import zlib from 'node:zlib'
import { expect } from 'chai'
import { createCodec } from '../../../protocol/codec.ts'
import {
  type CeleryError,
  ContentDisallowed,
  DecodeError,
  EncodeError,
} from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import type { Message } from '../../../protocol/message.ts'
import { isPlainObject, type PlainObject } from '../../../protocol/plain.ts'
import { decodeBody, decodeTask, peekTask } from '../../../protocol/task/decode.ts'
import { encodeTask } from '../../../protocol/task/encode.ts'
import type { TaskMessage } from '../../../protocol/task/task-message.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../protocol/virtual/envelope.ts'
import { amqpMessages, capture, captureNames, envelopes, walk } from '../captures.ts'

/** How a capture spells what plain JSON cannot. */
const MARKERS = ['_base64', '_bigint', '_nonfinite', '__type__']

const codec = createCodec()
const ACCEPT = codec.serializers.contentTypes(['json', 'msgpack', 'yaml'])

/** Captures of tasks, and of the queues and results around them. */
const TASKS =
  /^5\d\d\.\w+\.(task-|v1-|serializer-|compression-|json-|argsrepr-|chain|chord|group$|chunks|map|starmap|stamps|backend-)/

/** Captures that hold no message, and why. */
const EMPTY: readonly (readonly [files: RegExp, why: string])[] = [
  [/^526\.\w+\.argsrepr-types$/, 'kombu 5.2 refused to write bytes as JSON'],
  [/^526\.\w+\.json-types$/, 'kombu 5.2 refused to write bytes as JSON'],
  [/\.json-(set|timedelta)$/, 'kombu refused to write the argument; so do we, see below'],
  [/\.amqp\.task-expires-past$/, 'RabbitMQ dropped it at once'],
  [/\.chord-part-return$/, 'what the backend was asked, see result.test.ts'],
]

/** Captures that we refuse to read, and why. */
const REFUSED: readonly (readonly [
  files: RegExp,
  type: new (message: string) => CeleryError,
  why: string,
])[] = [
  [/\.serializer-pickle$/, ContentDisallowed, 'pickle is read only where it is accepted'],
  [/\.serializer-auth$/, ContentDisallowed, 'nobody here verifies signed messages'],
  [/\.compression-(bzip2|lzma)$/, DecodeError, 'Node has no such decompressor'],
  ...('zstdDecompressSync' in zlib
    ? []
    : [[/\.compression-zstd$/, DecodeError, 'this Node has no zstd'] as const]),
]

interface Wire {
  readonly headers: string
  readonly body: Buffer
}

/** What we write otherwise than the sender did, and why: `as` is what we must write then. */
const DIFFERENCES: readonly {
  readonly why: string
  readonly files: RegExp
  readonly as: (captured: Wire, ours: Wire) => Wire
}[] = [
  {
    why: 'Celery 5.2 knew neither stamps nor the nesting of replaced tasks',
    files: /^526\.\w+\.(?!v1-)/,
    as: (captured) => ({
      ...captured,
      headers: captured.headers.replace(
        /("ignore_result":(?:true|false|null))/,
        '$1,"replaced_task_nesting":0,"stamped_headers":null,"stamps":{}',
      ),
    }),
  },
  {
    why: 'JavaScript has one kind of number: 1.0 is 1',
    files: /\.json-types$/,
    as: (captured) => {
      const body = captured.body.toString().replace(', 1.0, 1e+100', ', 1, 1e+100')
      return { ...captured, body: Buffer.from(body) }
    },
  },
  {
    why: 'the same content in other bytes: zlib finds other matches than the one in Node',
    files: /\.compression-(gzip|zlib|msgpack-zlib|brotli|zstd)$/,
    as: (captured, ours) => {
      expect(unpacked(ours)).to.deep.equal(unpacked(captured))
      return { ...captured, body: ours.body }
    },
  },
]

function unpacked({ headers, body }: Wire): Buffer {
  const { compression } = JSON.parse(headers) as { readonly compression: string }
  return codec.compressions.decompress(compression, body, DEFAULT_LIMITS)
}

function again(task: TaskMessage, message: Message): Message {
  const { compression } = message.headers
  return encodeTask(task, {
    codec,
    serializer: message.contentType,
    ...(typeof compression === 'string' ? { compression } : {}),
    protocol: task.protocol,
    properties: message.properties,
  })
}

const wireOf = ({ headers, body }: Message): Wire => ({ headers: JSON.stringify(headers), body })

function expectSame(name: string, made: Message, captured: Message): void {
  const ours = wireOf(made)
  let theirs = wireOf(captured)
  for (const { files, as } of DIFFERENCES) if (files.test(name)) theirs = as(theirs, ours)
  expect(ours.headers).to.equal(theirs.headers)
  expect(ours.body.toString('latin1')).to.equal(theirs.body.toString('latin1'))
  expect(made.contentType).to.equal(captured.contentType)
  expect(made.contentEncoding).to.equal(captured.contentEncoding)
}

/** Every message of a capture; `raw` is its envelope, where it has one. */
function messagesOf(name: string): { readonly message: Message; readonly raw?: string }[] {
  if (name.includes('.amqp.')) return amqpMessages(name).map((message) => ({ message }))
  const raws = envelopes(name).map((raw) => ({
    raw,
    message: decodeEnvelope(raw, DEFAULT_LIMITS).message,
  }))
  return raws.filter(({ message }) => !isEvent(message))
}

/** Workers that were watched also sent events. */
function isEvent({ headers }: Message): boolean {
  return Object.hasOwn(headers, 'hostname')
}

const names = captureNames().filter((name) => TASKS.test(name))
const listed = (table: readonly (readonly [RegExp, ...unknown[]])[], name: string): boolean =>
  table.some(([files]) => files.test(name))

describe('task messages of Celery', () => {
  const readable = names.filter((name) => !listed(EMPTY, name) && !listed(REFUSED, name))

  for (const name of readable) {
    it(`are read from ${name}, and written as the same bytes`, () => {
      const messages = messagesOf(name)
      expect(messages).to.have.length.above(0)
      for (const { message, raw } of messages) {
        const task = decodeTask(message, codec, ACCEPT)
        const made = again(task, message)
        expectSame(name, made, message)
        expectPeek(task, message)
        if (raw !== undefined && !DIFFERENCES.some(({ files }) => files.test(name))) {
          expect(encodeEnvelope(made, decodeEnvelope(raw, DEFAULT_LIMITS))).to.equal(raw)
        }
      }
    })
  }

  function expectPeek(task: TaskMessage, message: Message): void {
    const { task: name, id } = task
    expect(peekTask(message)).to.deep.equal(task.protocol === 2 ? { task: name, id } : undefined)
  }

  for (const name of readable) {
    const plain = bodiesOf(name)
    if (plain.length === 0) continue
    it(`mean what the sender of ${name} meant`, () => {
      const decoded = messagesOf(name).map(({ message }) => decodeBody(message, codec, ACCEPT))
      expect(decoded).to.deep.include.members(plain)
    })
  }

  for (const name of names.filter((file) => listed(EMPTY, file))) {
    it(`are not in ${name}: ${EMPTY.find(([files]) => files.test(name))?.[1] ?? ''}`, () => {
      expect(messagesOf(name)).to.have.length(0)
    })
  }

  for (const name of names) {
    const refusal = REFUSED.find(([files]) => files.test(name))
    if (refusal === undefined) continue
    it(`are refused in ${name}: ${refusal[2]}`, () => {
      for (const { message } of messagesOf(name)) {
        expect(() => decodeTask(message, codec, ACCEPT)).to.throw(refusal[1])
        expect(peekTask(message)).to.not.equal(undefined)
      }
    })
  }

  for (const { why, files } of DIFFERENCES) {
    it(`differ in one way, which a capture has: ${why}`, () => {
      expect(names.some((name) => files.test(name))).to.equal(true)
    })
  }

  it('cannot carry what Python refuses to write', () => {
    const [{ message } = { message: undefined }] = messagesOf('562.redis.task-simple')
    if (message === undefined) throw new Error('no message')
    const task = decodeTask(message, codec, ACCEPT)
    for (const value of [new Set([1]), () => 1, Symbol('s')]) {
      expect(() => again({ ...task, args: [value] }, message)).to.throw(EncodeError)
    }
  })
})

/** The bodies that a capture spells out, where plain JSON can. */
function bodiesOf(name: string): unknown[] {
  const bodies: unknown[] = []
  for (const value of walk(capture(name))) {
    if (!isPlainObject(value) || !Object.hasOwn(value, 'body_json')) continue
    if (!hasMarkers(value['body_json'])) bodies.push(value['body_json'])
  }
  return bodies
}

function hasMarkers(value: unknown): boolean {
  const marked = (inner: unknown): inner is PlainObject =>
    isPlainObject(inner) && MARKERS.some((marker) => Object.hasOwn(inner, marker))
  return [...walk(value)].some(marked)
}
