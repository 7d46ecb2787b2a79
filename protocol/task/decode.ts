/** Tells the versions of the task message apart as Celery does, and reads either. */

import type { Codec } from '../codec.ts'
import { CeleryError, DecodeError, UnknownMessageError } from '../errors.ts'
import type { Message } from '../message.ts'
import { isPlainObject, own } from '../plain.ts'
import type { TaskMessage } from './task-message.ts'
import { readHybrid, readTaskV1 } from './v1.ts'
import { readTaskV2 } from './v2.ts'

/** Which task a message asks for, as far as its headers tell. */
export interface TaskPeek {
  readonly task: string
  readonly id: string | null
}

/** What the headers of version 2 name, without a look at the body; undefined when they name no task. */
export function peekTask({ headers }: Message): TaskPeek | undefined {
  const task = own(headers, 'task')
  const id = own(headers, 'id')
  if (typeof task !== 'string') return undefined
  return { task, id: typeof id === 'string' && id !== '' ? id : null }
}

/**
 * Reads a task message of any version.
 *
 *     headers name a task, body is a list         version 2
 *     headers name a task, body is an object      a hybrid of both
 *     headers name none, body does                version 1
 *
 * @param accept content types that may be decoded
 * @throws ContentDisallowed, DecodeError or LimitExceeded when the body cannot be read
 * @throws UnknownMessageError when it names no task
 * @throws InvalidTaskError when it names one, but is not a valid call of it
 * @see celery 5.6, worker/consumer/consumer.py, `on_task_received`, and worker/strategy.py
 */
export function decodeTask(
  message: Message,
  codec: Codec,
  accept: ReadonlySet<string>,
): TaskMessage {
  const body = decodeBody(message, codec, accept)
  const { headers } = message
  if (Object.hasOwn(headers, 'task')) {
    const hybrid = isPlainObject(body) && Object.hasOwn(body, 'args')
    return hybrid ? readHybrid(body, headers) : readTaskV2(headers, body)
  }
  if (isPlainObject(body) && Object.hasOwn(body, 'task')) return readTaskV1(body, headers)
  throw new UnknownMessageError('neither the headers nor the body of the message name a task')
}

/** What is in the body of any message, decompressed and deserialized. */
export function decodeBody(message: Message, codec: Codec, accept: ReadonlySet<string>): unknown {
  try {
    return loadBody(message, codec, accept)
  } catch (error) {
    if (error instanceof CeleryError) throw error
    throw new DecodeError('the body of the message cannot be read', { cause: error })
  }
}

function loadBody(message: Message, codec: Codec, accept: ReadonlySet<string>): unknown {
  const { contentType, contentEncoding } = message
  const compression = own(message.headers, 'compression') ?? ''
  if (typeof compression !== 'string') throw new DecodeError('the compression header is no text')
  // What is refused anyway is not decompressed first.
  const compressed = compression !== '' && accept.has(contentType)
  const body = compressed
    ? codec.compressions.decompress(compression, message.body, codec.limits)
    : message.body
  return codec.serializers.loads({ body, contentType, contentEncoding }, accept, codec.limits)
}
