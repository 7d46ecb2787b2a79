/** A node's end of the mailbox: hears commands that are for it, runs them, and replies. */

import { exceptionRepr } from '../../protocol/python/exception.ts'
import { repr } from '../../protocol/python/repr.ts'
import type { PidboxRequest } from '../../protocol/pidbox.ts'
import type { PlainObject } from '../../protocol/plain.ts'
import { NotSupported } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import { Consumer } from '../messaging/consumer.ts'
import type { Delivery } from '../messaging/transport.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import type { Service } from '../runtime/service.ts'
import type { Mailbox } from './mailbox.ts'
import { matches } from './match.ts'

/**
 * Does what its name says, and gives what the node replies. It may throw: that is the reply then.
 * What must not wait it does before it returns.
 */
export type PanelCommand = (args: PlainObject) => unknown

/** Of a command that is not to be replied to, whoever asks. */
export const NO_REPLY: unique symbol = Symbol('no reply')

/** The commands that a node knows, by name. */
export type Panel = ReadonlyMap<string, PanelCommand>

export interface NodeOptions {
  readonly mailbox: Mailbox
  /** Its name, `celery@host`. */
  readonly hostname: string
  /** It opens a channel of its own there, and does not close it. */
  readonly connection: Connection
  readonly panel: Panel
  readonly log: Logger
}

/** Replies that may be on their way; a flood of questions gets no more answers than that. */
const MAX_REPLIES = 1000

/** @see kombu 5.6, pidbox.py, `Node`; celery 5.6, worker/pidbox.py, `Pidbox` */
export class Node implements Service {
  readonly #options: NodeOptions
  readonly #consumer: Consumer
  #replying = 0

  constructor(options: NodeOptions) {
    this.#options = options
    const { mailbox, hostname, connection, log } = options
    this.#consumer = new Consumer(connection, {
      queues: [mailbox.queue(hostname)],
      prefetchCount: 0,
      noAck: true,
      onDelivery: (delivery) => this.#receive(delivery),
      // Who owns the connection tells of it.
      onFailed: () => {},
      logger: log,
    })
  }

  /** Resolves when it listens. Never rejects: tasks run without remote control too. */
  async start(): Promise<void> {
    try {
      await this.#consumer.start()
    } catch (error) {
      const reason = oneLine((error as Error).message)
      this.#options.log.error(`pidbox: Remote control is off: ${reason}`)
    }
  }

  stop(): Promise<void> {
    return this.#consumer.stop()
  }

  /** Whatever is in it, it does not throw. */
  #receive({ message }: Delivery): void {
    const { mailbox, log } = this.#options
    mailbox.clock.forward()
    try {
      const request = mailbox.read(message)
      if (this.#isFor(request)) void this.#dispatch(request)
    } catch (error) {
      log.error(`pidbox: Control command error: ${shown(error)}`)
    }
  }

  #isFor({ destination, pattern, matcher }: PidboxRequest): boolean {
    const { hostname } = this.#options
    if (destination !== null) return destination.includes(hostname)
    return pattern === null || matcher === null || matches(hostname, pattern, matcher)
  }

  /** Never rejects. */
  async #dispatch({ method, arguments: args, replyTo, ticket }: PidboxRequest): Promise<void> {
    const { mailbox, hostname, log } = this.#options
    const counted = replyTo !== null && this.#replying < MAX_REPLIES
    if (counted) this.#replying += 1
    try {
      const reply = await this.#run(method, args)
      if (replyTo === null || reply === NO_REPLY) return
      if (!counted) throw new NotSupported(`more than ${MAX_REPLIES} replies are on their way`)
      if (replyTo.exchange !== mailbox.replyExchange.name) {
        throw new NotSupported(`replies go to exchange '${mailbox.replyExchange.name}' only`)
      }
      await mailbox.reply({ [hostname]: reply }, replyTo, ticket)
    } catch (error) {
      log.error(`pidbox: Cannot reply to ${repr(method)}: ${shown(error)}`)
    } finally {
      if (counted) this.#replying -= 1
    }
  }

  async #run(method: string, args: PlainObject): Promise<unknown> {
    const { panel, log } = this.#options
    try {
      const command = panel.get(method)
      if (command !== undefined) return (await command(args)) ?? null
      const error = `KeyError(${repr(method)})`
      log.error(`pidbox command error: ${error}`)
      return { error }
    } catch (thrown) {
      const error = exceptionRepr(thrown)
      log.error(`pidbox command error: ${oneLine(error)}`)
      return { error }
    }
  }
}

function shown(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error))
}
