/** The binding tables that live in Redis sets, and the queues that a message reaches by them. */

import {
  lookup,
  topicPattern,
  type VirtualExchangeType,
} from '../../../protocol/virtual/exchange.ts'
import type { BindingMember } from '../../../protocol/virtual/redis-keys.ts'
import { NotSupported } from '../../errors.ts'
import type { Exchange, Queue } from '../../messaging/entity.ts'
import type { Redis } from '../../redis.ts'
import type { RedisTransportSettings } from './options.ts'

/** One binding of a queue that we made. */
interface Made {
  readonly exchange: string
  readonly member: string
}

/**
 * The type of an exchange is known to those who declare it only: it is not kept in Redis.
 *
 * @see kombu 5.6, transport/redis.py, `_queue_bind`, `get_table` and `_lookup`
 */
export class Bindings {
  readonly #client: Redis
  readonly #settings: RedisTransportSettings
  readonly #types = new Map<string, VirtualExchangeType>()
  readonly #made = new Map<string, Map<string, Made>>()
  readonly #reading = new Map<string, Promise<readonly BindingMember[]>>()

  constructor(client: Redis, settings: RedisTransportSettings) {
    this.#client = client
    this.#settings = settings
  }

  declare({ name, type }: Exchange): void {
    if (type === 'headers') throw new NotSupported('Redis has no exchanges of type headers')
    if (name !== '') this.#types.set(name, type)
  }

  typeOf(exchange: string): VirtualExchangeType {
    return this.#types.get(exchange) ?? 'direct'
  }

  /** Writes a queue's bindings, again if need be: somebody may have removed them. */
  async bind(queue: Queue): Promise<void> {
    const made = this.#made.get(queue.name) ?? new Map<string, Made>()
    this.#made.set(queue.name, made)
    for (const { exchange, routingKey } of queue.bindings) {
      this.declare(exchange)
      if (exchange.name === '') continue
      const member = this.#member(exchange.name, routingKey, queue.name)
      await this.#client.sadd(this.#settings.keys.binding(exchange.name), member)
      made.set(`${exchange.name}\n${member}`, { exchange: exchange.name, member })
    }
  }

  /** Removes the bindings of a queue that this connection made. */
  async unbind(queue: string): Promise<void> {
    for (const { exchange, member } of this.#made.get(queue)?.values() ?? []) {
      await this.#client.srem(this.#settings.keys.binding(exchange), member)
    }
    this.#made.delete(queue)
  }

  /** The queues that a message for an exchange reaches; messages of one moment share one look. */
  async lookup(
    exchange: string,
    routingKey: string,
    type: VirtualExchangeType = this.typeOf(exchange),
  ): Promise<readonly string[]> {
    if (exchange === '') return [routingKey]
    const members = await this.#read(exchange)
    return lookup(type, members, routingKey)
  }

  /**
   * The queues that a message goes back to. Where no binding is left (the set was evicted or
   * removed), the routing key is taken for the queue's name, as Celery's own queues have it: kombu
   * deletes the message there. Only topics have patterns, so that the type of one that others have
   * declared is known, too.
   */
  async lookupToRestore(exchange: string, routingKey: string): Promise<readonly string[]> {
    if (exchange === '') return [routingKey]
    const members = await this.#read(exchange)
    const hasPatterns = members.some(({ pattern }) => pattern !== '')
    const type = this.#types.get(exchange) ?? (hasPatterns ? 'topic' : 'direct')
    const queues = lookup(type, members, routingKey)
    if (queues.length > 0) return queues
    return [this.#settings.deadletterQueue ?? (routingKey || exchange)]
  }

  #member(exchange: string, routingKey: string, queue: string): string {
    const pattern = this.typeOf(exchange) === 'topic' ? topicPattern(routingKey) : ''
    return this.#settings.keys.bindingMember({ routingKey, pattern, queue })
  }

  #read(exchange: string): Promise<readonly BindingMember[]> {
    const reading = this.#reading.get(exchange)
    if (reading !== undefined) return reading
    const { keys } = this.#settings
    const read = this.#client
      .smembers(keys.binding(exchange))
      .then((texts) => texts.map((text) => keys.readBindingMember(text)).filter(isMember))
      .finally(() => this.#reading.delete(exchange))
    this.#reading.set(exchange, read)
    return read
  }
}

function isMember(member: BindingMember | undefined): member is BindingMember {
  return member !== undefined
}
