/** Declares, deletes and purges on a channel of its own, because a refusal closes the channel. */

import type { Channel as RawChannel } from 'amqplib'
import { ImproperlyConfigured } from '../../errors.ts'
import type { Binding, Exchange, Queue } from '../../messaging/entity.ts'
import type { DeclaredQueue } from '../../messaging/transport.ts'
import type { Link, OpenChannel } from './link.ts'

export class Admin {
  readonly #link: Link
  #channel: OpenChannel | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(link: Link) {
    this.#link = link
  }

  async declareExchange(exchange: Exchange): Promise<void> {
    if (exchange.name === '') return
    await this.#run(`exchange '${exchange.name}'`, async (raw) => {
      if (exchange.passive) return await raw.checkExchange(exchange.name)
      return await raw.assertExchange(exchange.name, exchange.type, {
        durable: exchange.durable ?? true,
        autoDelete: exchange.autoDelete ?? false,
        arguments: argumentsOf(exchange),
      })
    })
  }

  /** In Celery's order: exchange, queue, binding. @see kombu 5.6, entity.py, `Queue._create_exchange` */
  async declareQueue(queue: Queue): Promise<DeclaredQueue> {
    if (queue.passive) return await this.checkQueue(queue.name)
    for (const { exchange } of queue.bindings) await this.declareExchange(exchange)
    const declared = await this.#run(`queue '${queue.name}'`, async (raw) =>
      raw.assertQueue(queue.name, {
        durable: queue.durable ?? true,
        exclusive: queue.exclusive ?? false,
        autoDelete: queue.autoDelete ?? false,
        arguments: argumentsOf(queue),
      }),
    )
    for (const binding of queue.bindings) await this.#bind(declared.queue, binding)
    return { ...declared, name: declared.queue }
  }

  async #bind(queue: string, { exchange, ...binding }: Binding): Promise<void> {
    if (exchange.name === '') return
    await this.#run(`binding of queue '${queue}' to exchange '${exchange.name}'`, async (raw) =>
      raw.bindQueue(queue, exchange.name, binding.routingKey, argumentsOf(binding)),
    )
  }

  async checkQueue(name: string): Promise<DeclaredQueue> {
    const found = await this.#run(`queue '${name}'`, async (raw) => raw.checkQueue(name))
    return { ...found, name: found.queue }
  }

  async deleteQueue(name: string): Promise<void> {
    await this.#run(`delete queue '${name}'`, async (raw) => raw.deleteQueue(name))
  }

  async purge(name: string): Promise<number> {
    const { messageCount } = await this.#run(`purge queue '${name}'`, async (raw) =>
      raw.purgeQueue(name),
    )
    return messageCount
  }

  /** One at a time: a refusal would take the others' answers with it. */
  async #run<T>(what: string, rpc: (raw: RawChannel) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#call(what, rpc))
    this.#turn = turn.catch(() => {})
    return await turn
  }

  async #call<T>(what: string, rpc: (raw: RawChannel) => Promise<T>): Promise<T> {
    if (!this.#channel?.open) this.#channel = await this.#link.open(() => {})
    const channel = this.#channel
    return await this.#link.call(what, () =>
      rpc(channel.raw).catch((error: unknown) => {
        throw isUnwritable(error) ? this.#unwritable(channel, what, error) : error
      }),
    )
  }

  /** On this channel amqplib waits for the answer to what it has not sent, and would hold up all that follows. */
  #unwritable(channel: OpenChannel, what: string, error: Error): ImproperlyConfigured {
    this.#channel = undefined
    void this.#link.closeChannel(channel)
    return new ImproperlyConfigured(`${what} cannot be written in AMQP: ${error.message}`, {
      cause: error,
    })
  }
}

/** A name of more than 255 bytes, or an argument of a type that AMQP has not. */
function isUnwritable(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError
}

/** amqplib wants them writable; RabbitMQ reads any kind of integer in them. */
function argumentsOf(of: {
  readonly arguments?: Readonly<Record<string, unknown>>
}): Record<string, unknown> {
  return { ...of.arguments }
}
