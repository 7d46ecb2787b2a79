/** Writes a task message in either version, serialized and compressed: ready for a broker. */

import type { Codec } from '../codec.ts'
import type { Message, Properties } from '../message.ts'
import type { TaskMessage } from './task-message.ts'
import { encodeBodyV1, encodeHeadersV1 } from './v1.ts'
import { encodeBodyV2, encodeHeadersV2 } from './v2.ts'

export interface EncodeBodyOptions {
  readonly codec: Codec
  /** `json`, `msgpack`, `yaml` or a registered one. */
  readonly serializer: string
  /** `zlib`, `gzip`, … @default none */
  readonly compression?: string
}

export interface EncodeTaskOptions extends EncodeBodyOptions {
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
  return encodeBody(content, headers, properties, options)
}

/** A message of any content; the name of its compression goes last among its headers. */
export function encodeBody(
  content: unknown,
  headers: Record<string, unknown>,
  properties: Properties,
  { codec, serializer, compression = '' }: EncodeBodyOptions,
): Message {
  const { body, contentType, contentEncoding } = codec.serializers.dumps(content, serializer)
  if (compression === '') return { body, contentType, contentEncoding, headers, properties }
  const packed = codec.compressions.compress(compression, body)
  headers['compression'] = packed.contentType
  return { body: packed.body, contentType, contentEncoding, headers, properties }
}
