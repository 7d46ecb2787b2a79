/** Where remote commands and their replies travel: exchanges, queues, and how to send and collect. */

import { randomUUID } from 'node:crypto'
import type { Codec } from '../../protocol/codec.ts'
import type { Message } from '../../protocol/message.ts'
import {
  decodePidboxReply,
  decodePidboxRequest,
  encodePidboxReply,
  encodePidboxRequest,
  pidboxClock,
  type PidboxRequest,
  type ReplyAddress,
} from '../../protocol/pidbox.ts'
import type { PlainObject } from '../../protocol/plain.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import type { Exchange, Queue } from '../messaging/entity.ts'
import type { Producer } from '../messaging/producer.ts'
import { LamportClock } from '../runtime/lamport.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { Replies } from './replies.ts'

/** What the settings say of remote control; times in seconds. */
export interface MailboxSettings {
  readonly controlExchange: string
  readonly controlQueueTtl: number
  readonly controlQueueExpires: number
  readonly controlQueueExclusive: boolean
  readonly controlQueueDurable: boolean
  readonly taskSerializer: string
  readonly acceptContent: readonly string[]
}

/** What a mailbox borrows from its app: the app itself fits. */
export interface MailboxHost {
  readonly conf: MailboxSettings
  readonly codec: Codec
  readonly log: Logger
  readonly producer: Producer
  /** A new one, which is closed after use. */
  connectionForRead(): Connection
}

/** A command, and whom it is for. */
export interface Command {
  readonly method: string
  readonly arguments: PlainObject
  /** The node names that it is for. @default all */
  readonly destination?: readonly string[] | undefined
}

export interface CallOptions {
  /** Seconds without a further reply until the call is over. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/** Seconds until a command or a reply that the broker does not take has failed. */
const PUBLISH_TIMEOUT = 10

/** @see kombu 5.6, pidbox.py, `Mailbox`; celery 5.6, app/control.py, `Control` */
export class Mailbox {
  readonly exchange: Exchange
  readonly replyExchange: Exchange
  readonly clock: LamportClock = new LamportClock()
  readonly #host: MailboxHost

  /** @throws ImproperlyConfigured when its queues shall be durable and exclusive */
  constructor(host: MailboxHost) {
    const { controlExchange, controlQueueDurable, controlQueueExclusive } = host.conf
    if (controlQueueDurable && controlQueueExclusive) {
      throw new ImproperlyConfigured(
        "settings 'controlQueueDurable' and 'controlQueueExclusive' cannot both be true: an " +
          'exclusive queue goes with its connection',
      )
    }
    this.#host = host
    this.exchange = { name: `${controlExchange}.pidbox`, type: 'fanout', durable: false }
    this.replyExchange = {
      name: `reply.${controlExchange}.pidbox`,
      type: 'direct',
      durable: false,
    }
  }

  /** The queue that a node reads its commands from. */
  queue(hostname: string): Queue {
    const { controlExchange } = this.#host.conf
    return this.#queue(`${hostname}.${controlExchange}.pidbox`, this.exchange, '')
  }

  /** Tells nodes to do something; resolves when the broker has it, whoever hears it. */
  async cast(command: Command): Promise<void> {
    await this.#publish(command, { ticket: null, replyTo: null }, 1)
  }

  /** The same, and waits: until all of `destination` have replied, or none did for `timeout` seconds. */
  async call(command: Command, { timeout, signal }: CallOptions): Promise<readonly PlainObject[]> {
    const ticket = randomUUID()
    // A queue for this call only: late replies to another cannot get in.
    const queue = this.#queue(`${ticket}.${this.replyExchange.name}`, this.replyExchange, ticket)
    const replies = new Replies({ limit: command.destination?.length || Infinity, timeout, signal })
    const connection = this.#host.connectionForRead()
    try {
      const channel = await connection.channel(signal, { patient: false })
      await channel.declareQueue(queue)
      const onReply = ({ message }: { readonly message: Message }): void =>
        this.#collect(message, ticket, replies)
      await channel.consume(queue.name, onReply, {
        noAck: true,
        onCancel: () => replies.end(),
      })
      const replyTo = { exchange: this.replyExchange.name, routingKey: ticket }
      await this.#publish(command, { ticket, replyTo }, timeout)
      return await replies.all()
    } finally {
      await connection.close()
    }
  }

  /** What a node has received. @throws DecodeError, ContentDisallowed, LimitExceeded */
  read(message: Message): PidboxRequest {
    this.clock.adjust(pidboxClock(message))
    return decodePidboxRequest(message, this.#host.codec, this.#accept)
  }

  /** Sends the reply of a node. The address is {@link replyExchange}'s: no other is declared or used. */
  async reply(replies: PlainObject, to: ReplyAddress, ticket: string | null): Promise<void> {
    const { codec, conf, producer } = this.#host
    const options = { codec, serializer: conf.taskSerializer, clock: this.clock.forward() }
    await producer.publish(encodePidboxReply({ ticket, replies }, options), {
      exchange: this.replyExchange.name,
      routingKey: to.routingKey,
      exchangeType: this.replyExchange.type,
      declare: [this.replyExchange],
      timeout: PUBLISH_TIMEOUT,
    })
  }

  get #accept(): ReadonlySet<string> {
    const { codec, conf } = this.#host
    return codec.serializers.contentTypes(conf.acceptContent)
  }

  #publish(
    { method, arguments: args, destination }: Command,
    wanted: Pick<PidboxRequest, 'ticket' | 'replyTo'>,
    timeout: number,
  ): Promise<void> {
    const { codec, conf, producer } = this.#host
    const request: PidboxRequest = {
      method,
      arguments: args,
      destination: destination ?? null,
      pattern: null,
      matcher: null,
      ...wanted,
    }
    const expires = Date.now() / 1000 + timeout
    const clock = this.clock.forward()
    const options = { codec, serializer: conf.taskSerializer, clock, expires }
    return producer.publish(encodePidboxRequest(request, options), {
      exchange: this.exchange.name,
      routingKey: '',
      exchangeType: this.exchange.type,
      declare: [this.exchange],
      timeout: PUBLISH_TIMEOUT,
    })
  }

  #collect(message: Message, ticket: string, replies: Replies): void {
    try {
      const { codec, log } = this.#host
      const reply = decodePidboxReply(message, codec, this.#accept)
      this.clock.adjust(pidboxClock(message))
      if (reply.ticket === ticket) replies.add(reply.replies)
      else log.debug('control: a reply to another question was left out')
    } catch (error) {
      const reason = oneLine((error as Error).message)
      this.#host.log.warning(`control: Cannot read a reply: ${reason}`)
    }
  }

  #queue(name: string, exchange: Exchange, routingKey: string): Queue {
    const { controlQueueDurable, controlQueueExclusive, controlQueueExpires, controlQueueTtl } =
      this.#host.conf
    return {
      name,
      bindings: [{ exchange, routingKey }],
      durable: controlQueueDurable,
      exclusive: controlQueueExclusive,
      autoDelete: !controlQueueDurable,
      arguments: {
        'x-expires': milliseconds(controlQueueExpires),
        'x-message-ttl': milliseconds(controlQueueTtl),
      },
    }
  }
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000)
}
