/** A broker message as every transport carries it: the body as bytes, headers, and properties. */

/** Header names and values as they stand on the wire (snake_case, plain data). */
export type Headers = Readonly<Record<string, unknown>>

/** 1 is kept in memory only, 2 survives a restart of the broker. */
export type DeliveryMode = 1 | 2

/** The AMQP basic properties that Celery uses, without content type, encoding and headers. */
export interface Properties {
  readonly correlationId?: string
  readonly replyTo?: string
  readonly deliveryMode?: DeliveryMode
  /** 0 to 9 (255 on AMQP); absent when the caller named none. */
  readonly priority?: number
  /** Milliseconds to live, as decimal digits. */
  readonly expiration?: string
  readonly messageId?: string
  /** Seconds since 1970. */
  readonly timestamp?: number
  readonly type?: string
  readonly userId?: string
  readonly appId?: string
  /** Properties that are not AMQP's: kept by the virtual transports, dropped on AMQP, as kombu does. */
  readonly extra?: Readonly<Record<string, unknown>>
}

export interface Message {
  readonly body: Buffer
  /** Such as `application/json`; `''` when the sender gave none. */
  readonly contentType: string
  /** Such as `utf-8` or `binary`; `''` when the sender gave none. */
  readonly contentEncoding: string
  readonly headers: Headers
  readonly properties: Properties
}
