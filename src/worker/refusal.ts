/** What becomes of a message that is no task of ours: a line without its payload, a verdict, reject. */

import type { Codec } from '../../protocol/codec.ts'
import { ContentDisallowed, InvalidTaskError, UnknownMessageError } from '../../protocol/errors.ts'
import { repr } from '../../protocol/python/repr.ts'
import { peekTask } from '../../protocol/task/decode.ts'
import { peekWaiting } from '../../protocol/task/waiting.ts'
import { NotRegistered } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { Logger, LogLevel } from '../runtime/log.ts'
import { localRequest } from '../task/local-request.ts'
import type { Marker } from '../task/marker.ts'
import { shown } from './log-line.ts'
import type { Settlements } from './settlement.ts'
import type { Judged, Verdicts } from './verdict.ts'

const PROTOCOL_PAGE = 'https://docs.celeryq.dev/en/latest/internals/protocol.html'

/** Celery's words; where it shows the whole message, we show what it is, not what is in it. */
const TEXTS = {
  unknownMessage: () => 'Received and deleted unknown message.  Wrong destination?!?\n',
  unknownTask: (error: Error) =>
    `Received unregistered task of type ${repr(shown(error.message))}.
The message has been ignored and discarded.

Did you remember to import the module containing this task?
Or maybe you're using relative imports?

Please see
${PROTOCOL_PAGE}
for more information.
`,
  invalid: (error: Error) =>
    `Received invalid task message: ${shown(error.message)}
The message has been ignored and discarded.

Please ensure your message conforms to the task
message protocol as described here:
${PROTOCOL_PAGE}
`,
  undecodable: (error: Error) =>
    `Can't decode message body: ${shown(error.name)}(${repr(shown(error.message))})\n`,
} as const satisfies Record<string, (error: Error) => string>

type Kind = keyof typeof TEXTS

const LEVELS: Readonly<Record<Kind, LogLevel>> = {
  unknownMessage: 'warning',
  unknownTask: 'error',
  invalid: 'error',
  undecodable: 'critical',
}

export interface RefusalContext {
  readonly log: Logger
  readonly settlements: Settlements
  readonly verdicts: Verdicts
  readonly marker: Pick<Marker, 'refused'>
  readonly codec: Codec
  /** Content types that may be decoded. */
  readonly accept: ReadonlySet<string>
  /** Tells whoever listens. */
  readonly onRefused: (delivery: Delivery, error: Error) => void
}

/**
 * Celery acks what it cannot decode, and leaves the caller of what it rejects without a result, waiting.
 * We keep what cannot be read where the broker has a place for it (on RabbitMQ the queue's dead-letter
 * exchange, on Redis the list `<queue>.dead`), and store a FAILURE where an id is known. A task that is
 * only unknown here is rejected, as Celery does. The chord that it is a part of, and the rest of its chain,
 * fail with it where its body can be read: nothing else would ever end them.
 *
 * @see celery 5.6, worker/consumer/consumer.py, `on_unknown_message` to `on_decode_error`
 */
export function refuse(context: RefusalContext, delivery: Delivery, error: Error): void {
  const kind = kindOf(error)
  context.log[LEVELS[kind]](`${TEXTS[kind](error)}\n${describe(delivery)}`)
  context.settlements.track(settle(context, delivery, error))
  context.onRefused(delivery, error)
}

async function settle(context: RefusalContext, delivery: Delivery, error: Error): Promise<void> {
  const task = judged(delivery, error)
  if (task !== undefined) await fail(context, delivery, task, error)
  context.settlements.settle(delivery, error instanceof NotRegistered ? 'reject' : 'bury')
}

async function fail(
  { verdicts, marker, codec, accept }: RefusalContext,
  { message }: Delivery,
  task: Judged,
  error: Error,
): Promise<void> {
  await verdicts.failed(task, error)
  const waiting = peekWaiting(message, codec, accept)
  if (waiting === undefined) return
  const name = peekTask(message)?.task ?? ''
  await marker.refused(
    localRequest({ ...task, ...waiting, task: name, args: [], kwargs: {} }),
    error,
  )
}

function kindOf(error: Error): Kind {
  if (error instanceof UnknownMessageError) return 'unknownMessage'
  if (error instanceof NotRegistered) return 'unknownTask'
  if (error instanceof InvalidTaskError || error instanceof ContentDisallowed) return 'invalid'
  return 'undecodable'
}

/** Whose result it would have been; undefined when the message does not say. */
function judged({ message }: Delivery, error: Error): Judged | undefined {
  const known = error instanceof InvalidTaskError ? error.id : null
  const id = known ?? peekTask(message)?.id
  if (id == null) return undefined
  const { replyTo, correlationId } = message.properties
  return { id, replyTo: replyTo ?? null, correlationId: correlationId ?? null }
}

/** Where it came from and what it is; the header names, but of their values the task and the id only. */
function describe({ message, queue, exchange, routingKey, redelivered }: Delivery): string {
  const peek = peekTask(message)
  const facts = {
    queue,
    exchange,
    routing_key: routingKey,
    redelivered,
    content_type: message.contentType,
    content_encoding: message.contentEncoding,
    bytes: message.body.length,
    headers: Object.keys(message.headers).slice(0, 40),
    ...(peek === undefined ? {} : { task: peek.task, id: peek.id }),
  }
  return `The message was: ${shown(repr(facts))}`
}
