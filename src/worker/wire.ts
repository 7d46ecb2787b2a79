/** A request as it crosses to another process: the message's own bytes, to be decoded there once more. */

import type { Codec } from '../../protocol/codec.ts'
import type { Message } from '../../protocol/message.ts'
import { decodeTask } from '../../protocol/task/decode.ts'
import type { TaskMessage } from '../../protocol/task/task-message.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { DeliveryInfo, TaskRequest } from '../task/request.ts'

/** May be cloned structurally, but for the body, which may arrive as a Uint8Array. */
export interface WireRequest {
  readonly message: Message
  readonly hostname: string | null
  readonly deliveryInfo: DeliveryInfo
}

export function wireOf(
  { message }: Delivery,
  { hostname, deliveryInfo }: TaskRequest,
): WireRequest {
  return { message: { ...message, body: compact(message.body) }, hostname, deliveryInfo }
}

/** A body is a view into what came over the socket: a clone for a thread would take all of that along. */
function compact(body: Buffer): Buffer {
  return body.length === body.buffer.byteLength ? body : Buffer.from(new Uint8Array(body).buffer)
}

/** @throws CeleryError when it cannot be decoded here: an app that is set up otherwise than its parent */
export function readWire(
  { message, hostname, deliveryInfo }: WireRequest,
  codec: Codec,
  accept: ReadonlySet<string>,
): TaskRequest {
  const { buffer, byteOffset, byteLength } = message.body
  const content: Message = { ...message, body: Buffer.from(buffer, byteOffset, byteLength) }
  const task = decodeTask(content, codec, accept)
  return requestOf(task, content, hostname, deliveryInfo)
}

/** One literal, member by member: V8 takes ten microseconds to add members to what was spread. */
export function requestOf(
  task: TaskMessage,
  { headers, properties }: Message,
  hostname: string | null,
  deliveryInfo: DeliveryInfo,
): TaskRequest {
  return {
    lang: task.lang,
    task: task.task,
    id: task.id,
    shadow: task.shadow,
    eta: task.eta,
    expires: task.expires,
    group: task.group,
    groupIndex: task.groupIndex,
    retries: task.retries,
    timeLimit: task.timeLimit,
    softTimeLimit: task.softTimeLimit,
    rootId: task.rootId,
    parentId: task.parentId,
    argsrepr: task.argsrepr,
    kwargsrepr: task.kwargsrepr,
    origin: task.origin,
    ignoreResult: task.ignoreResult,
    replacedTaskNesting: task.replacedTaskNesting,
    stampedHeaders: task.stampedHeaders,
    stamps: task.stamps,
    custom: task.custom,
    args: task.args,
    kwargs: task.kwargs,
    embed: task.embed,
    protocol: task.protocol,
    hostname,
    deliveryInfo,
    replyTo: properties.replyTo ?? null,
    correlationId: properties.correlationId ?? null,
    properties,
    headers,
    isEager: false,
    calledDirectly: false,
  }
}
