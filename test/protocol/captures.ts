/** The captures in fixtures/, and the messages, metas and commands that are in them. */

import { readdirSync, readFileSync } from 'node:fs'
import type { Message, Properties } from '../../protocol/message.ts'
import { isPlainObject, type PlainObject } from '../../protocol/plain.ts'

const FOLDER = new URL('../../fixtures/', import.meta.url)

/** The names of all captures, without `.json`. */
export function captureNames(): string[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'))
  return files.map((file) => file.slice(0, -'.json'.length)).toSorted()
}

export function capture(name: string): PlainObject {
  const read: unknown = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'))
  if (!isPlainObject(read)) throw new Error(`${name} is no capture`)
  return read
}

/** Text, or bytes that are no text. */
export function bytes(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (isPlainObject(value) && typeof value['_base64'] === 'string') {
    return Buffer.from(value['_base64'], 'base64')
  }
  throw new Error('neither text nor bytes')
}

/** Every value in a capture, outside in. */
export function* walk(value: unknown): Generator {
  yield value
  if (typeof value !== 'object' || value === null) return
  for (const inner of Object.values(value)) yield* walk(inner)
}

/** The text of every envelope, each once. */
export function envelopes(name: string): string[] {
  const found = new Set<string>()
  for (const value of walk(capture(name))) {
    if (typeof value === 'string' && value.startsWith('{"body": ')) found.add(value)
  }
  return [...found]
}

/** Every message as AMQP carried it. */
export function amqpMessages(name: string): Message[] {
  const found: Message[] = []
  for (const value of walk(capture(name))) {
    if (!isPlainObject(value) || !isPlainObject(value['properties'])) continue
    const { application_headers: headers, content_type, content_encoding } = value['properties']
    if (!isPlainObject(headers)) continue
    found.push({
      body: bytes(value['body_bytes'] ?? value['body']),
      contentType: String(content_type),
      contentEncoding: String(content_encoding),
      headers,
      properties: amqpProperties(value['properties']),
    })
  }
  return found
}

function amqpProperties(wire: PlainObject): Properties {
  const { correlation_id: correlationId, reply_to: replyTo, delivery_mode, expiration } = wire
  return {
    ...(typeof correlationId === 'string' ? { correlationId } : {}),
    ...(typeof replyTo === 'string' ? { replyTo } : {}),
    ...(delivery_mode === 1 || delivery_mode === 2 ? { deliveryMode: delivery_mode } : {}),
    ...(typeof expiration === 'string' ? { expiration } : {}),
  }
}

/** The commands that a capture's Redis saw: the words of each. */
export function commands(name: string): string[][] {
  const { commands: seen, cmd } = capture(name)
  if (Array.isArray(cmd)) return [cmd as string[]]
  if (!Array.isArray(seen)) return []
  return (seen as readonly unknown[]).map((entry) =>
    Array.isArray(entry) ? (entry as string[]) : (entry as { cmd: string[] }).cmd,
  )
}
