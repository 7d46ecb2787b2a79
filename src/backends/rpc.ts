/** Results as messages: each goes to the reply queue of the client that sent the task, and can be heard only there. */

import { resultLimits, type Limits } from '../../protocol/limits.ts'
import type { Message } from '../../protocol/message.ts'
import { decodeMeta, encodeRpcMeta, type ResultMeta } from '../../protocol/result.ts'
import { CeleryError, NotSupported, OperationalError } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import { Consumer } from '../messaging/consumer.ts'
import type { Queue } from '../messaging/entity.ts'
import type { Delivery } from '../messaging/transport.ts'
import { oneLine } from '../runtime/log.ts'
import { deadline, type RetryPolicy } from '../runtime/retry.ts'
import type {
  BackendCapabilities,
  ResultBackend,
  StoreOptions,
  Unsubscribe,
} from '../results/backend.ts'
import { Waiters } from '../results/waiters.ts'
import { retryPolicy, type BackendDeps } from './deps.ts'
import { pendingMeta, unreadable } from './key-value.ts'
import { RecentMetas } from './rpc/recent-metas.ts'

/** Seconds until a task is not sent because its reply queue could not be declared. */
const DECLARE_TIMEOUT = 30
/** Seconds until a result that the broker did not take is given up. */
const PUBLISH_TIMEOUT = 60
/** The longest that RabbitMQ lets a queue live unused, in milliseconds. */
const MAX_EXPIRES_MS = 2 ** 32 - 1

/** Who saves a group is told, too. @see celery 5.6, backends/rpc.py, `E_NO_CHORD_SUPPORT` */
const NO_CHORDS = `The "rpc" result backend does not support chords, and cannot save groups!

Note that a group chained with a task is also upgraded to be a chord,
as this pattern requires synchronization.

Result backends that supports chords: Redis, Database, Memcached, and more.`

interface Pending {
  resolve(): void
  reject(reason: Error): void
}

/**
 * A result can be had only by the process that sent the task, and only while its connection lives:
 * the reply queue goes with it, as Celery declares it, and so do the results that came meanwhile.
 *
 * @see celery 5.6, backends/rpc.py, `RPCBackend`
 */
export class RpcBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: false }
  readonly address = 'rpc://'
  readonly #deps: BackendDeps
  readonly #policy: RetryPolicy
  readonly #limits: Limits
  readonly #waiters = new Waiters()
  readonly #recent = new RecentMetas()
  #connection: Connection | undefined
  #consumer: Consumer | undefined
  /** Whether the reply queue is consumed on the connection of now. */
  #ready = false
  /** Those who wait for that. */
  readonly #onReady = new Set<Pending>()
  #closed: Promise<void> | undefined

  constructor(deps: BackendDeps) {
    this.#deps = deps
    this.#policy = retryPolicy(deps)
    this.#limits = resultLimits(deps.codec.limits)
  }

  get groups(): never {
    throw new NotSupported(NO_CHORDS)
  }

  async start(): Promise<void> {}

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Without a `replyTo` nobody asked for the result: it is dropped, as in Celery. */
  async store(meta: ResultMeta, options: StoreOptions = {}): Promise<void> {
    const { replyTo, correlationId } = options
    if (!replyTo) return
    await this.#deps.rpc.producer().publish(this.#message(meta, correlationId ?? meta.taskId), {
      exchange: '',
      routingKey: replyTo,
      retry: this.#policy,
      timeout: PUBLISH_TIMEOUT,
    })
  }

  async fetch(taskId: string): Promise<ResultMeta> {
    return this.#recent.get(taskId) ?? pendingMeta(taskId)
  }

  fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return Promise.all(taskIds.map((taskId) => this.fetch(taskId)))
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    const known = this.#waiters.has(taskId)
    const unsubscribe = this.#waiters.add(taskId, { onMeta, onEnd })
    const meta = this.#recent.get(taskId)
    if (meta !== undefined && !known) queueMicrotask(() => this.#waiters.tell(meta))
    if (this.#closed === undefined) {
      this.onTaskCall().catch((error: unknown) => this.#waiters.end(taskId, error as CeleryError))
    }
    return unsubscribe
  }

  /** Resolves when the reply queue is consumed: no result can be missed. */
  async onTaskCall(
    _taskId?: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    if (this.#ready) return
    let pending: Pending | undefined
    const ready = new Promise<void>((resolve, reject) => {
      this.#onReady.add((pending = { resolve, reject }))
      this.#listen().catch(reject)
    })
    const onTimeout = (): Error =>
      new OperationalError(`no reply queue for results within ${DECLARE_TIMEOUT} s`)
    await deadline(ready, DECLARE_TIMEOUT, onTimeout, options.signal).finally(() => {
      if (pending !== undefined) this.#onReady.delete(pending)
    })
  }

  async forget(taskId: string): Promise<void> {
    this.#recent.delete(taskId)
  }

  async #listen(): Promise<void> {
    if (this.#closed !== undefined) throw closedError()
    if (this.#consumer !== undefined) return
    this.#connection = this.#deps.rpc.connection()
    this.#consumer = new Consumer(this.#connection, {
      queues: [this.#queue()],
      prefetchCount: 0,
      noAck: true,
      onDelivery: (delivery) => this.#hear(delivery),
      onConnected: () => this.#setReady(),
      onLost: () => void (this.#ready = false),
      onFailed: (error) => this.#fail(error),
      logger: this.#deps.log,
    })
    await this.#consumer.start().catch(async (error: unknown) => {
      await this.#stop(error as Error)
      throw error
    })
    this.#setReady()
  }

  #setReady(): void {
    this.#ready = true
    for (const waiter of this.#onReady) waiter.resolve()
  }

  /** There is no way back to the broker: who waits hears it, and the next call tries anew. */
  #fail(error: Error): void {
    const message = `no result can come any more: ${error.message}`
    const reason = new OperationalError(message, { cause: error })
    this.#waiters.endAll(reason)
    void this.#stop(reason)
  }

  /** @see celery 5.6, backends/rpc.py, `RPCBackend.binding` */
  #queue(): Queue {
    const expires = Math.min((this.#deps.resultExpires ?? 0) * 1000, MAX_EXPIRES_MS)
    return {
      name: this.#deps.rpc.oid,
      bindings: [],
      durable: false,
      autoDelete: true,
      ...(expires > 0 ? { arguments: { 'x-expires': Math.trunc(expires) } } : {}),
    }
  }

  #message(meta: ResultMeta, correlationId: string): Message {
    const { codec, resultSerializer, rpc } = this.#deps
    return {
      ...codec.serializers.dumps(encodeRpcMeta(meta), resultSerializer),
      headers: {},
      properties: { correlationId, deliveryMode: rpc.persistent ? 2 : 1, priority: 0 },
    }
  }

  #hear({ message }: Delivery): void {
    const taskId = message.properties.correlationId
    try {
      const { codec, accept } = this.#deps
      const meta = decodeMeta(codec.serializers.loads(message, accept, this.#limits), taskId)
      if (this.#recent.put(meta, message.body.length)) this.#waiters.tell(meta)
    } catch (error) {
      const reason = unreadable(taskId ?? 'without an id', error)
      this.#deps.log.error(`Received a result that cannot be read: ${oneLine(reason.message)}`)
      if (taskId !== undefined) this.#waiters.end(taskId, reason)
    }
  }

  async #close(): Promise<void> {
    this.#waiters.close()
    await this.#stop(closedError())
  }

  /** Those who wait for the reply queue are told why it does not come. */
  async #stop(reason: Error): Promise<void> {
    for (const waiter of this.#onReady) waiter.reject(reason)
    const [consumer, connection] = [this.#consumer, this.#connection]
    this.#consumer = this.#connection = undefined
    this.#ready = false
    await consumer?.stop()
    await connection?.close()
  }
}

function closedError(): CeleryError {
  return new CeleryError('ERR_ABORTED', 'the result backend is closed')
}
