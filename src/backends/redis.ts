/** Results on Redis, under Celery's keys: stored and published at once, heard by who waits. */

import { SUCCESS } from '../../protocol/states.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { openRedis, type RedisConnectOptions } from '../redis.ts'
import { parseRedisUrl } from '../runtime/redis-url.ts'
import { deadline, type RetryPolicy } from '../runtime/retry.ts'
import type {
  BackendCapabilities,
  ChordStore,
  GroupStore,
  ResultBackend,
  Unsubscribe,
} from '../results/backend.ts'
import type { CeleryError } from '../errors.ts'
import { retryPolicy, type BackendDeps } from './deps.ts'
import { keyValue, pendingMeta, unreadable, type KeyValue } from './key-value.ts'
import { RedisChords } from './redis/chords.ts'
import { RedisGroups } from './redis/groups.ts'
import { RedisLink } from './redis/link.ts'
import { ResultReader } from './redis/reader.ts'
import { ResultSubscriber } from './redis/subscriber.ts'
import { ResultWriter } from './redis/writer.ts'

/** Seconds between two looks at what is waited for. */
const REREAD_INTERVAL = 5
/** Seconds that `close` waits for what is still to be stored. */
const CLOSE_TIMEOUT = 5

/** @see celery 5.6, backends/redis.py, `RedisBackend` */
export class RedisBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: true }
  readonly address: string
  readonly groups: GroupStore
  readonly chords: ChordStore
  readonly #keyValue: KeyValue
  readonly #link: RedisLink
  readonly #writer: ResultWriter
  readonly #reader: ResultReader
  readonly #subscriber: ResultSubscriber
  #closed: Promise<void> | undefined

  constructor(url: string, deps: BackendDeps) {
    this.address = parseRedisUrl(url).display
    this.#keyValue = keyValue(deps)
    const policy = retryPolicy(deps)
    const options = connectOptions(deps)
    this.#link = link(url, options, policy, deps)
    this.#writer = new ResultWriter({
      link: this.#link,
      expires: this.#keyValue.expires,
      serializer: deps.resultSerializer,
    })
    this.#reader = new ResultReader(this.#link)
    this.groups = new RedisGroups({
      link: this.#link,
      writer: this.#writer,
      reader: this.#reader,
      keyValue: this.#keyValue,
    })
    this.chords = new RedisChords({
      link: this.#link,
      groups: this.groups,
      keyValue: this.#keyValue,
      serializer: deps.resultSerializer,
      ordered: deps.transportOptions['resultChordOrdered'] !== false,
    })
    this.#subscriber = new ResultSubscriber({
      link: link(url, options, policy, deps),
      read: (key) => this.#reader.read(key),
      probeRead: (seconds) => this.#link.probe(seconds),
      keyValue: this.#keyValue,
      rereadInterval: REREAD_INTERVAL,
    })
  }

  async start(): Promise<void> {
    await this.#link.client()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  store(meta: ResultMeta): Promise<void> {
    const key = this.#keyValue.keys.task(meta.taskId)
    let value: Buffer
    try {
      value = this.#keyValue.encode(meta)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#writer.tellsSuccess) return this.#writer.store(key, value)
    return this.fetch(meta.taskId).then(({ status }) =>
      status === SUCCESS ? undefined : this.#writer.store(key, value),
    )
  }

  async fetch(taskId: string): Promise<ResultMeta> {
    const raw = await this.#reader.read(this.#keyValue.keys.task(taskId))
    if (raw === null) return pendingMeta(taskId)
    try {
      return this.#keyValue.decode(raw, taskId)
    } catch (error) {
      throw unreadable(taskId, error)
    }
  }

  fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return Promise.all(taskIds.map((taskId) => this.fetch(taskId)))
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    return this.#subscriber.subscribe(taskId, { onMeta, onEnd })
  }

  /** Nothing to do: who comes later reads the key. */
  async onTaskCall(): Promise<void> {}

  async forget(taskId: string): Promise<void> {
    const key = this.#keyValue.keys.task(taskId)
    await this.#link.retry('cannot forget a result', (redis) => redis.del(key))
  }

  async #close(): Promise<void> {
    const onTimeout = (): Error => new Error('not all results were stored in time')
    this.#subscriber.close()
    // what could not be stored in time was told to those who wait for it, by the link's end
    await deadline(this.#writer.flushed(), CLOSE_TIMEOUT, onTimeout).catch(() => {})
    this.#link.close()
    await this.#writer.flushed()
  }
}

function link(
  url: string,
  options: RedisConnectOptions,
  policy: RetryPolicy,
  { log }: BackendDeps,
): RedisLink {
  return new RedisLink({ open: (signal) => openRedis(url, options, signal), policy, log })
}

function connectOptions({ redis, transportOptions, log }: BackendDeps): RedisConnectOptions {
  const { masterName, sentinelKwargs } = transportOptions
  return {
    connectTimeout: redis.socketConnectTimeout,
    commandTimeout: redis.socketTimeout,
    clientName: redis.clientName,
    tls: redis.tls,
    masterName: typeof masterName === 'string' ? masterName : undefined,
    sentinelKwargs: sentinelKwargs as RedisConnectOptions['sentinelKwargs'],
    onInsecure: (message) => log.warning(message),
  }
}
