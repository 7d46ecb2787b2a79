/** What the tests of the Redis transport share. */

import { Redis } from 'ioredis'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import type { TransportOptions } from '../../../src/messaging/transport.ts'
import { SILENT, type Logger } from '../../../src/runtime/log.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { redisUrl } from '../../support/services.ts'

export const OPTIONS: TransportOptions = {
  connectTimeout: 4,
  heartbeat: 0,
  transportOptions: {},
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}

/** A logger that remembers its lines. */
export function recorder(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const log = (message: string): void => void lines.push(message)
  return { lines, logger: { debug: () => {}, info: log, warning: log, error: log, critical: log } }
}

/** A database of its own, a plain client on it, and transports that are closed at the end. */
export class Bench {
  readonly url: string
  readonly redis: Redis
  readonly #closers: (() => Promise<void>)[] = []

  constructor(url: string) {
    this.url = url
    this.redis = new Redis(url)
  }

  static async open(url?: string): Promise<Bench> {
    return new Bench(url ?? (await redisUrl()))
  }

  transport(
    transportOptions: Readonly<Record<string, unknown>> = {},
    more: Partial<TransportOptions> = {},
  ): RedisTransport {
    return new RedisTransport(this.url, { ...OPTIONS, transportOptions, ...more })
  }

  async connect(
    transportOptions?: Readonly<Record<string, unknown>>,
    more?: Partial<TransportOptions>,
  ): Promise<Awaited<ReturnType<RedisTransport['connect']>>> {
    const connection = await this.transport(transportOptions, more).connect()
    this.#closers.push(() => connection.close())
    return connection
  }

  async channel(
    transportOptions?: Readonly<Record<string, unknown>>,
    more?: Partial<TransportOptions>,
  ): Promise<Awaited<ReturnType<Awaited<ReturnType<RedisTransport['connect']>>['channel']>>> {
    return await (await this.connect(transportOptions, more)).channel()
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()))
    this.redis.disconnect()
  }
}
