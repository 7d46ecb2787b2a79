/** One open connection to RabbitMQ, as its channels see it: open a channel, call the broker, know the end. */

import type { Channel as RawChannel, ChannelModel } from 'amqplib'
import type { Logger } from '../../runtime/log.ts'
import { CeleryError, OperationalError } from '../../errors.ts'
import { deadline } from '../../runtime/retry.ts'
import { refusal } from './errors.ts'
import { channelNumber, Frames } from './frames.ts'

/** Seconds that the broker may take for an answer. */
const RPC_TIMEOUT = 30
/** Seconds that it may take to say goodbye. */
const CLOSE_TIMEOUT = 2

/** A channel of amqplib with its number, and whether it is still open. */
export interface OpenChannel<C extends RawChannel = RawChannel> {
  readonly raw: C
  readonly number: number
  open: boolean
  /** Why it was closed, when the broker or the network did it. */
  reason: Error | undefined
}

export interface LinkOptions {
  readonly address: string
  readonly maxBodyBytes: number
  readonly logger: Logger
}

export class Link {
  readonly frames: Frames
  readonly address: string
  readonly maxBodyBytes: number
  readonly logger: Logger
  readonly #model: ChannelModel
  #asking: Promise<OpenChannel> | undefined

  constructor(model: ChannelModel, options: LinkOptions) {
    this.#model = model
    this.frames = new Frames(model)
    this.address = options.address
    this.maxBodyBytes = options.maxBodyBytes
    this.logger = options.logger
  }

  /** Set when the connection is over: why, as an error for whoever calls later. */
  lost: OperationalError | undefined
  blocked = false

  /** Opens a channel; `onClose` is called once, whoever closes it. */
  async open(onClose: (channel: OpenChannel) => void): Promise<OpenChannel> {
    return await this.#opened(
      this.call('channel.open', () => this.#model.createChannel()),
      onClose,
    )
  }

  /** The same with publisher confirms switched on. */
  async openConfirming(onClose: (channel: OpenChannel) => void): Promise<OpenChannel> {
    const opening = this.call('channel.open', () => this.#model.createConfirmChannel())
    return await this.#opened(opening, onClose)
  }

  async #opened(
    opening: Promise<RawChannel>,
    onClose: (channel: OpenChannel) => void,
  ): Promise<OpenChannel> {
    const raw = await opening
    const channel: OpenChannel = { raw, number: channelNumber(raw), open: true, reason: undefined }
    raw.on('error', (error) => {
      channel.reason = error
    })
    raw.on('close', () => {
      channel.open = false
      // amqplib closes the channels before it tells that the connection is lost, which is the reason.
      process.nextTick(() => {
        channel.reason ??= this.lost
        onClose(channel)
      })
    })
    return channel
  }

  /** Makes the broker say something, on a channel where nothing else waits for an answer. */
  ask(): void {
    this.#asking ??= this.open(() => (this.#asking = undefined))
    this.#asking
      .then(async ({ raw }) => await raw.prefetch(0))
      .catch(() => {
        // The connection is lost; or the broker closed the channel, which is an answer, too.
        this.#asking = undefined
      })
  }

  /** Calls the broker; a silent one counts as lost, unless it has told us to wait. */
  async call<T>(what: string, rpc: () => Promise<T>): Promise<T> {
    if (this.lost !== undefined) throw this.lost
    const silent = (): Error => {
      const text = `${this.address} did not answer ${what} within ${RPC_TIMEOUT} s`
      const error = new OperationalError(text)
      if (!this.blocked) this.frames.destroy(error)
      return error
    }
    try {
      return await deadline(rpc(), RPC_TIMEOUT, silent)
    } catch (error) {
      if (error instanceof CeleryError) throw error
      throw this.lost ?? refusal(error, what)
    }
  }

  /** Closes a channel, as far as the broker lets us; never rejects. */
  async closeChannel(channel: OpenChannel | undefined): Promise<void> {
    if (channel === undefined || !channel.open) return
    channel.open = false
    await this.#politely(() => channel.raw.close())
  }

  async close(): Promise<void> {
    await this.#politely(() => this.#model.close())
    this.frames.destroy(new OperationalError(`the connection to ${this.address} is closed`))
  }

  async #politely(goodbye: () => Promise<void>): Promise<void> {
    if (this.lost !== undefined) return
    const tooLong = (): Error => new OperationalError('no goodbye')
    await deadline(Promise.resolve().then(goodbye), CLOSE_TIMEOUT, tooLong).catch(() => {
      // It is closed already, or will be by the destruction of its socket.
    })
  }
}
