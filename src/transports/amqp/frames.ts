/** The frames that amqplib would get wrong, read and written by us on its connection. */

import type { Channel, ChannelModel } from 'amqplib'
import type { Socket } from 'node:net'
import type { Message } from '../../../protocol/message.ts'
import { OperationalError } from '../../errors.ts'
import { type Content, readProperties, writeProperties } from './properties.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

/*
 * amqplib decodes headers as they arrive, and a message that it cannot read ends the connection, again
 * at each redelivery: one with an integer beyond 2^31 from Python (type `L`) or with 7,000 nested tables
 * is enough. What it writes for small integers, py-amqp misreads, and drops its connection for. So the
 * content headers are ours, both ways; methods, bodies, channels and heartbeats stay amqplib's.
 */

/** What we rely on inside amqplib 2.3; checked by {@link connectionOf}. */
interface AmqplibConnection {
  rest: Buffer
  readonly frameMax: number
  sentSinceLastCheck: boolean
  readonly stream: Socket & {
    /** A large write is one to a stream, which counts it off at its end; the handle counts as it goes. */
    readonly _handle?: { readonly writeQueueSize?: number } | null
  }
  recvFrame(): unknown
}

const METHOD = 1
const HEADER = 2
const BODY = 3
const FRAME_END = 0xce
/** Type, channel, size in front, and the end mark. */
const FRAME_OVERHEAD = 8
const BASIC = 60
const PUBLISH = 40
const ACK = 80
const REJECT = 90
const NACK = 120

/** Bodies up to this size are copied behind their headers, so that a message is one write. */
const COPIED_BODY = 16_384

/** What amqplib hands on as the `properties` of a message: what its headers held, or why not. */
export type ReadContent = Content | { readonly malformed: Error }

/** Writes to the connection of one channel, and reads its content headers. */
export class Frames {
  readonly #connection: AmqplibConnection
  readonly #writer: Writer
  #corked = false

  constructor(model: ChannelModel) {
    this.#connection = connectionOf(model)
    this.#writer = new Writer(Math.min(this.#connection.frameMax, 131_072))
    readHeadersOurselves(this.#connection)
  }

  /** The most that a body frame holds. */
  get #bodyMax(): number {
    return this.#connection.frameMax - FRAME_OVERHEAD
  }

  /** Bytes that have arrived, ever, and those that the system has not taken from us yet. */
  get traffic(): { readonly received: number; readonly unsent: number } {
    const { bytesRead, writableLength, _handle: handle } = this.#connection.stream
    return { received: bytesRead, unsent: handle?.writeQueueSize ?? writableLength }
  }

  /** Drops the socket; amqplib hears of it only by an error. */
  destroy(error?: Error): void {
    this.#connection.stream.destroy(error)
  }

  /**
   * Sends a message; returns at once.
   *
   *     frame 1   60 40, reserved short, exchange shortstr, routing-key shortstr, bits
   *     frame 2   60, weight short, body size longlong, properties
   *     frame 3…  the body
   *
   * @throws EncodeError, LimitExceeded
   */
  publish(channel: number, message: Message, to: PublishFields): void {
    const writer = this.#writer
    writer.reset()
    frame(writer, METHOD, channel, () => {
      writer.short(BASIC)
      writer.short(PUBLISH)
      writer.short(0)
      writer.shortstr(to.exchange, 'the name of the exchange')
      writer.shortstr(to.routingKey, 'the routing key')
      writer.octet(to.mandatory ? 1 : 0)
    })
    frame(writer, HEADER, channel, () => {
      writer.short(BASIC)
      writer.short(0)
      writer.longlong(message.body.length)
      writeProperties(writer, message)
    })
    this.#sendBody(channel, message.body)
  }

  /** Sends what the writer holds, and the body behind it. */
  #sendBody(channel: number, body: Buffer): void {
    const head = this.#writer.buffer.subarray(0, this.#writer.offset)
    if (body.length === 0) return this.#write(Buffer.from(head))
    if (body.length <= COPIED_BODY) {
      const all = Buffer.allocUnsafe(head.length + body.length + FRAME_OVERHEAD)
      all.set(head)
      putFrame(all, head.length, channel, body)
      return this.#write(all)
    }
    this.#write(Buffer.from(head))
    for (let at = 0; at < body.length; at += this.#bodyMax) {
      const part = body.subarray(at, at + this.#bodyMax)
      const front = Buffer.allocUnsafe(7)
      putFront(front, 0, BODY, channel, part.length)
      this.#write(front)
      this.#write(part)
      this.#write(END)
    }
  }

  ack(channel: number, deliveryTag: number): void {
    this.#settle(channel, ACK, deliveryTag, 0)
  }

  reject(channel: number, deliveryTag: number): void {
    this.#settle(channel, REJECT, deliveryTag, 0)
  }

  /** Not basic.reject: from RabbitMQ 4.3 on this one counts as no failure. @see https://www.rabbitmq.com/docs/nack */
  requeue(channel: number, deliveryTag: number): void {
    this.#settle(channel, NACK, deliveryTag, 2)
  }

  /** `60 80, delivery-tag longlong, bits` */
  #settle(channel: number, method: number, deliveryTag: number, bits: number): void {
    const bytes = Buffer.allocUnsafe(21)
    putFront(bytes, 0, METHOD, channel, 13)
    bytes.writeUInt16BE(BASIC, 7)
    bytes.writeUInt16BE(method, 9)
    bytes.writeUInt32BE(Math.floor(deliveryTag / 0x1_0000_0000), 11)
    bytes.writeUInt32BE(deliveryTag % 0x1_0000_0000, 15)
    bytes[19] = bits
    bytes[20] = FRAME_END
    this.#write(bytes)
  }

  /** What is written in one turn of the event loop goes out as one. */
  #write(bytes: Buffer): void {
    const { stream } = this.#connection
    if (stream.destroyed || stream.writableEnded) {
      throw new OperationalError('the connection to the broker is closed')
    }
    if (!this.#corked) {
      this.#corked = true
      stream.cork()
      setImmediate(() => {
        this.#corked = false
        stream.uncork()
      })
    }
    this.#connection.sentSinceLastCheck = true
    stream.write(bytes)
  }
}

export interface PublishFields {
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory?: boolean
}

const END = Buffer.from([FRAME_END])

function frame(writer: Writer, type: number, channel: number, write: () => void): void {
  const at = writer.offset
  writer.octet(type)
  writer.short(channel)
  writer.long(0)
  write()
  writer.buffer.writeUInt32BE(writer.offset - at - 7, at + 3)
  writer.octet(FRAME_END)
}

function putFront(to: Buffer, at: number, type: number, channel: number, size: number): void {
  to[at] = type
  to.writeUInt16BE(channel, at + 1)
  to.writeUInt32BE(size, at + 3)
}

function putFrame(to: Buffer, at: number, channel: number, body: Buffer): void {
  putFront(to, at, BODY, channel, body.length)
  to.set(body, at + 7)
  to[at + 7 + body.length] = FRAME_END
}

/**
 * Takes content headers out of what arrived before amqplib sees them; a header that cannot be read
 * makes that one delivery `malformed`, and nothing else.
 */
function readHeadersOurselves(connection: AmqplibConnection): void {
  const recvFrame = connection.recvFrame.bind(connection)
  connection.recvFrame = () => {
    const { rest } = connection
    if (rest.length < FRAME_OVERHEAD || rest[0] !== HEADER) return recvFrame()
    const end = rest.readUInt32BE(3) + FRAME_OVERHEAD
    if (end > rest.length || end > connection.frameMax || rest[end - 1] !== FRAME_END) {
      return recvFrame()
    }
    connection.rest = rest.subarray(end)
    const payload = rest.subarray(7, end - 1)
    return {
      id: payload.readUInt16BE(0),
      channel: rest.readUInt16BE(1),
      size: Number(payload.readBigUInt64BE(4)),
      fields: readContent(payload),
    }
  }
}

function readContent(payload: Buffer): ReadContent {
  try {
    return readProperties(new Reader(payload, 12))
  } catch (error) {
    return { malformed: error as Error }
  }
}

function connectionOf(model: ChannelModel): AmqplibConnection {
  const connection = model.connection as unknown as AmqplibConnection
  const known =
    typeof connection.recvFrame === 'function' &&
    Buffer.isBuffer(connection.rest) &&
    typeof connection.frameMax === 'number' &&
    typeof connection.stream.cork === 'function' &&
    typeof connection.stream.bytesRead === 'number'
  if (!known) throw new Error('this release of amqplib is not the one that celeriac was made for')
  return connection
}

/** The number of a channel on its connection. */
export function channelNumber(channel: Channel): number {
  const { ch } = channel as unknown as { readonly ch: unknown }
  if (typeof ch === 'number') return ch
  throw new Error('this release of amqplib is not the one that celeriac was made for')
}
