/** RabbitMQ as a broker: opens connections within a deadline, and tells when one is lost. */

import { type ChannelModel, connect, type Options } from 'amqplib'
import { isIP } from 'node:net'
import { OperationalError } from '../../errors.ts'
import type {
  Capabilities,
  Channel,
  Transport,
  TransportConnection,
  TransportOptions,
} from '../../messaging/transport.ts'
import { deadline, reasonOf } from '../../runtime/retry.ts'
import { amqpAddress, type AmqpUrl, amqpUrl } from '../../runtime/url.ts'
import { Admin } from './admin.ts'
import { AmqpChannel } from './channel.ts'
import { Heartbeat } from './heartbeat.ts'
import { Link } from './link.ts'
import { Outbox } from './outbox.ts'

/** What py-amqp asks for, and RabbitMQ's own default. */
const FRAME_MAX = 131_072
const CHANNEL_MAX = 2047

export class AmqpTransport implements Transport {
  readonly capabilities: Capabilities = {
    driver: 'amqp',
    lowPriorityFirst: false,
    mandatory: true,
    // A third of RabbitMQ's default `consumer_timeout`, after which it closes the channel.
    holdLimit: 600,
  }
  readonly address: string
  readonly #url: AmqpUrl
  readonly #options: TransportOptions

  constructor(url: string, options: TransportOptions) {
    const parsed = amqpUrl(url)
    const tls = options.tls === undefined ? parsed.tls : options.tls !== false
    this.#url = { ...parsed, tls }
    this.#options = options
    this.address = amqpAddress(this.#url)
  }

  async connect(signal?: AbortSignal): Promise<TransportConnection> {
    if (signal?.aborted) throw reasonOf(signal)
    const seconds = this.#url.connectTimeout ?? this.#options.connectTimeout
    const socket = new AbortController()
    const opening = connect(this.#endpoint(), this.#socketOptions(socket.signal, seconds))
    const tooLate = (): Error => new OperationalError(`no answer within ${seconds} s`)
    try {
      const model = await deadline(opening, seconds, tooLate, signal)
      const { logger, limits } = this.#options
      const { address } = this
      const link = new Link(model, { address, logger, maxBodyBytes: limits.maxBodyBytes })
      const again = (stop: AbortSignal): Promise<TransportConnection> => this.connect(stop)
      const outbox = new Outbox({ connect: again, user: this.#url.username })
      return new AmqpConnection(model, { link, outbox, heartbeat: this.#heartbeat })
    } catch (cause) {
      socket.abort()
      opening.then(discard, () => {})
      if (signal?.aborted) throw reasonOf(signal)
      const why = (cause as Error).message
      throw new OperationalError(`cannot connect to ${this.address}: ${why}`, { cause })
    }
  }

  get #heartbeat(): number {
    return Math.ceil(this.#url.heartbeat ?? this.#options.heartbeat)
  }

  #endpoint(): Options.Connect {
    const { hostname, port, username, password, virtualHost, tls } = this.#url
    return {
      protocol: tls ? 'amqps' : 'amqp',
      hostname,
      port,
      username,
      password,
      vhost: encodeURIComponent(virtualHost), // amqplib decodes it
      frameMax: FRAME_MAX,
      channelMax: CHANNEL_MAX,
      heartbeat: this.#heartbeat,
    }
  }

  #socketOptions(signal: AbortSignal, seconds: number): Record<string, unknown> {
    const { tls, transportOptions, logger } = this.#options
    const secure = this.#url.tls && typeof tls === 'object' ? tls : {}
    if (secure.rejectUnauthorized === false) {
      logger.warning(`the certificate of ${this.address} is not verified`)
    }
    return {
      ...(this.#url.tls && isIP(this.#url.hostname) === 0
        ? { servername: this.#url.hostname }
        : {}),
      ...secure,
      signal,
      timeout: seconds * 1000,
      noDelay: true,
      keepAlive: true,
      keepAliveDelay: 30_000,
      clientProperties: {
        product: 'celeriac',
        information: 'Celery for TypeScript',
        connection_name: transportOptions['clientName'] ?? `celeriac ${process.pid}`,
      },
    }
  }
}

/** A connection that opened after nobody waited for it any more. */
function discard(model: ChannelModel): void {
  model.on('error', () => {})
  model.close().catch(() => {})
}

interface ConnectionParts {
  readonly link: Link
  readonly outbox: Outbox
  /** Seconds. */
  readonly heartbeat: number
}

class AmqpConnection implements TransportConnection {
  readonly closed: Promise<Error | undefined>
  readonly #link: Link
  readonly #admin: Admin
  readonly #outbox: Outbox
  readonly #heartbeat: Heartbeat
  readonly #waiting = new Set<() => void>()
  #closing: Promise<void> | undefined

  constructor(model: ChannelModel, { link, outbox, heartbeat }: ConnectionParts) {
    this.#link = link
    this.#admin = new Admin(link)
    this.#outbox = outbox
    this.#heartbeat = new Heartbeat(link, heartbeat)
    this.closed = new Promise((resolve) => {
      let reason: Error | undefined
      model.on('error', (error) => {
        reason = error
        this.#lose(error)
      })
      // The channels are told first: their close events need the reason.
      model.on('close', (error) => {
        this.#lose(error ?? reason)
        link.frames.destroy()
        resolve(this.#closing === undefined ? link.lost : undefined)
      })
    })
    model.on('blocked', (reason) => {
      link.blocked = true
      link.logger.warning(`${link.address} takes no messages for now: ${reason}`)
    })
    model.on('unblocked', () => {
      link.blocked = false
      this.#wake()
    })
  }

  get blocked(): boolean {
    return this.#link.blocked
  }

  unblocked(): Promise<void> {
    if (!this.#link.blocked || this.#link.lost !== undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  async channel(): Promise<Channel> {
    if (this.#link.lost !== undefined) throw this.#link.lost
    return new AmqpChannel(this.#link, this.#admin, this.#outbox)
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#link.close(), this.#outbox.close()]).then(() =>
      this.#lose(undefined),
    )
    return this.#closing
  }

  #lose(cause: Error | undefined): void {
    this.#heartbeat.stop()
    void this.#outbox.close()
    const how = this.#closing === undefined ? 'was lost' : 'is closed'
    const why = cause === undefined ? '' : `: ${cause.message}`
    this.#link.lost ??= new OperationalError(
      `the connection to ${this.#link.address} ${how}${why}`,
      cause === undefined ? {} : { cause },
    )
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
