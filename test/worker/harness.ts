/** An app with a worker of its own, what they log, and a way to send them anything. */

import type { Message } from '../../protocol/message.ts'
import { Celery } from '../../src/app/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { LOG_LEVELS, type Logger } from '../../src/runtime/log.ts'
import { MemoryTransport } from '../../src/transports/memory/transport.ts'
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts'

let apps = 0

export class Harness {
  readonly url: string
  readonly app: Celery
  /** `info Task x[…] received`. */
  readonly logged: string[] = []
  readonly #workers: Worker[] = []

  constructor(settings: SettingsInput = {}) {
    this.url = `memory://worker-${(apps += 1)}`
    const defaults = { brokerUrl: this.url, resultBackend: 'memory://' }
    this.app = new Celery(
      'test',
      { ...defaults, ...settings },
      { logger: recorder(this.logged), env: {} },
    )
  }

  worker(options: WorkerOptions = {}): Worker {
    const worker = new Worker(this.app, { concurrency: 2, hostname: 'w1@host', ...options })
    this.#workers.push(worker)
    return worker
  }

  async started(options: WorkerOptions = {}): Promise<Worker> {
    const worker = this.worker(options)
    await worker.start()
    return worker
  }

  /** Sends a message as it is, whatever is in it. */
  async publish(message: Partial<Message>, queue = 'celery'): Promise<void> {
    const whole: Message = {
      body: Buffer.from('[[], {}, {}]'),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: {},
      properties: {},
      ...message,
    }
    const declare = [this.app.queues.get(queue)]
    await this.app.producer.publish(whole, { exchange: '', routingKey: queue, declare, timeout: 5 })
  }

  /** How many messages wait in the queue, with nobody. */
  async waiting(queue = 'celery'): Promise<number> {
    const connection = this.app.connectionForRead()
    try {
      const channel = await connection.channel()
      return (await channel.declareQueue(this.app.queues.get(queue))).messageCount
    } finally {
      await connection.close()
    }
  }

  /** What a broker that dies does to its connections. */
  async breakConnections(): Promise<void> {
    await new MemoryTransport(this.url).breakConnections()
  }

  logs(level: string): readonly string[] {
    return this.logged
      .filter((line) => line.startsWith(level))
      .map((line) => line.slice(level.length + 1))
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) await worker.terminate()
    await this.app.close()
  }
}

export function recorder(logged: string[]): Logger {
  const entries = LOG_LEVELS.map((level) => [
    level,
    (message: string): void => void logged.push(`${level} ${message}`),
  ])
  return Object.fromEntries(entries) as Logger
}

/** A task that ends when the test says so. */
export class Gate {
  readonly started: string[] = []
  readonly ended: string[] = []
  readonly reasons: unknown[] = []
  readonly #open = new Map<string, () => void>()

  async pass(name: string, signal?: AbortSignal): Promise<string> {
    this.started.push(name)
    await new Promise<void>((resolve, reject) => {
      this.#open.set(name, resolve)
      signal?.addEventListener('abort', () => {
        this.reasons.push(signal.reason)
        reject(signal.reason as Error)
      })
    })
    this.ended.push(name)
    return name
  }

  open(name: string): void {
    this.#open.get(name)?.()
  }
}
