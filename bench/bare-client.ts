/** Bare clients on ioredis and amqplib: publish a message that is ready, and wait for the result of a bare loop. */

import { connect, type Options } from 'amqplib'
import { Redis } from 'ioredis'
import { QUEUE, type Stage } from './stage.ts'

export interface BareClient {
  /** Resolves when the broker has the message. */
  readonly publish: () => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Takes the one message out of the queue that celeriac has put there, and publishes that again and again. */
export async function bareClient(stage: Stage): Promise<BareClient> {
  return stage.broker === 'redis' ? redisClient(stage.brokerUrl) : amqpClient(stage.brokerUrl)
}

async function redisClient(url: string): Promise<BareClient> {
  const redis = new Redis(url)
  const envelope = (await redis.rpop(QUEUE)) ?? ''
  return {
    publish: () => redis.lpush(QUEUE, envelope),
    close: async () => redis.disconnect(),
  }
}

async function amqpClient(url: string): Promise<BareClient> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  const message = await channel.get(QUEUE, { noAck: true })
  if (message === false) throw new Error(`queue '${QUEUE}' is empty`)
  const { content, properties } = message
  const options = properties as Options.Publish
  const publish = (): Promise<void> =>
    new Promise((resolve, reject) => {
      channel.publish('', QUEUE, content, options, (error: unknown) =>
        error === null || error === undefined ? resolve() : reject(error),
      )
    })
  return { publish, close: () => connection.close() }
}

/** Resolves with the next result that is published. */
export class ResultWatch {
  readonly #redis: Redis
  #heard: (() => void) | undefined

  constructor(results: Redis) {
    this.#redis = results.duplicate()
    this.#redis.on('pmessage', () => this.#heard?.())
  }

  async start(): Promise<void> {
    await this.#redis.psubscribe('celery-task-meta-*')
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = resolve
    })
  }

  close(): void {
    this.#redis.disconnect()
  }
}
