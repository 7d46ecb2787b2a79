/** Writes a task message in either version, serialized and compressed: ready for a broker. */

import type { Codec } from '../codec.ts'
import type { Message, Properties } from '../message.ts'
import type { TaskMessage } from './task-message.ts'
import { encodeBodyV1, encodeHeadersV1 } from './v1.ts'
import { encodeBodyV2, encodeHeadersV2 } from './v2.ts'

export interface EncodeTaskOptions {
  readonly codec: Codec
  /** `json`, `msgpack`, `yaml` or a registered one. */
  readonly serializer: string
  /** `zlib`, `gzip`, … @default none */
  readonly compression?: string
  /** @default 2 */
  readonly protocol?: 1 | 2
  /** Version 1 only: whether a time without an offset is in UTC. @default true */
  readonly utc?: boolean
  /** `correlationId` is the task's id unless it says otherwise. */
  readonly properties: Properties
}

/**
 * @throws EncodeError when the serializer cannot write an argument
 * @see celery 5.6, app/amqp.py, and kombu 5.6, messaging.py, `Producer._prepare`
 */
export function encodeTask(task: TaskMessage, options: EncodeTaskOptions): Message {
  const first = options.protocol === 1
  const headers = first ? encodeHeadersV1(task) : encodeHeadersV2(task)
  const content = first ? encodeBodyV1(task, options.utc ?? true) : encodeBodyV2(task)
  const properties = { correlationId: task.id, replyTo: '', ...options.properties }
  return encodeBody(content, { ...options, headers, properties })
}

interface EncodeBodyOptions {
  readonly codec: Codec
  readonly serializer: string
  readonly compression?: string
  readonly headers: Record<string, unknown>
  readonly properties: Properties
}

/** A message of any content; the name of its compression goes last among its headers. */
export function encodeBody(content: unknown, options: EncodeBodyOptions): Message {
  const { codec, headers, properties } = options
  const dumped = codec.serializers.dumps(content, options.serializer)
  const { contentType, contentEncoding } = dumped
  if (options.compression === undefined || options.compression === '') {
    return { body: dumped.body, contentType, contentEncoding, headers, properties }
  }
  const packed = codec.compressions.compress(options.compression, dumped.body)
  headers['compression'] = packed.contentType
  return { body: packed.body, contentType, contentEncoding, headers, properties }
}
