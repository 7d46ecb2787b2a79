/** What every result backend is opened with, next to its URL. */

import type { ConnectionOptions } from 'node:tls'
import type { Codec } from '../../protocol/codec.ts'
import type { Connection } from '../messaging/connection.ts'
import type { Producer } from '../messaging/producer.ts'
import type { Logger } from '../runtime/log.ts'
import type { Backoff, RetryPolicy } from '../runtime/retry.ts'

/** Celery's `redis_*` settings. Seconds throughout. */
export interface RedisBackendSettings {
  /** Until a command has its reply. @see celery 5.6, `redis_socket_timeout`; default 120 */
  readonly socketTimeout: number | undefined
  /** Until there is a connection. @see celery 5.6, `redis_socket_connect_timeout` */
  readonly socketConnectTimeout: number | undefined
  /** @see celery 5.6, `redis_client_name` */
  readonly clientName: string | undefined
  /** @see celery 5.6, `redis_backend_use_ssl` */
  readonly tls: boolean | ConnectionOptions | undefined
}

/** What `rpc://` borrows from the app: results travel through the broker. */
export interface RpcDeps {
  /** The name of this client's reply queue, and the `reply_to` of what it sends. */
  readonly oid: string
  /** A connection of its own to the broker; the backend closes it. */
  connection(): Connection
  /** The producer that tasks are sent with; the app closes it. */
  producer(): Producer
  /** Whether results survive a restart of the broker. @see celery 5.6, `result_persistent` */
  readonly persistent: boolean
}

/** Celery's `database_*` settings. */
export interface DatabaseSettings {
  /** Where `db://` is when its URL does not say. @see celery 5.6, `database_url` */
  readonly url: string | undefined
  /** Names as they were given. @see celery 5.6, `database_engine_options` */
  readonly engineOptions: Readonly<Record<string, unknown>>
  /** `task` and `group`. @see celery 5.6, `database_table_schemas` */
  readonly tableSchemas: Readonly<Record<string, unknown>>
  /** `task` and `group`. @see celery 5.6, `database_table_names` */
  readonly tableNames: Readonly<Record<string, unknown>>
  /** @see celery 5.6, `database_create_tables_at_setup` */
  readonly createTablesAtSetup: boolean
}

/** Celery's `cache_*` settings. */
export interface CacheSettings {
  /** Where `cache` is when its URL does not say. @see celery 5.6, `cache_backend` */
  readonly backend: string | undefined
  /** @see celery 5.6, `cache_backend_options` */
  readonly options: Readonly<Record<string, unknown>>
}

/** Celery's `result_backend_*` settings of retries. */
export interface RetrySettings {
  /** Whether it goes on when the policy is used up. @see celery 5.6, `result_backend_always_retry` */
  readonly always: boolean
  /** How many times then; null is without end. @see celery 5.6, `result_backend_max_retries` */
  readonly maxRetries: number | null
  /** @see celery 5.6, `result_backend_base_sleep_between_retries_ms` */
  readonly baseSleepMs: number
  /** @see celery 5.6, `result_backend_max_sleep_between_retries_ms` */
  readonly maxSleepMs: number
}

export interface BackendDeps {
  readonly codec: Codec
  /** The name of a registered serializer. @see celery 5.6, `result_serializer` */
  readonly resultSerializer: string
  /** Content types that may be read. @see celery 5.6, `result_accept_content`, else `accept_content` */
  readonly accept: ReadonlySet<string>
  /** Seconds until a stored result is gone; null and 0 are never. @see celery 5.6, `result_expires` */
  readonly resultExpires: number | null
  /** Whether metas come with name, arguments and worker of their task. @see celery 5.6, `result_extended` */
  readonly resultExtended: boolean
  /** Names in camelCase: `globalKeyprefix`, `retryPolicy`, `masterName`, `sentinelKwargs`. @see celery 5.6, `result_backend_transport_options` */
  readonly transportOptions: Readonly<Record<string, unknown>>
  readonly retry: RetrySettings
  readonly redis: RedisBackendSettings
  readonly database: DatabaseSettings
  readonly cache: CacheSettings
  readonly rpc: RpcDeps
  readonly log: Logger
}

/** @see celery 5.6, backends/base.py, `Backend.retry_policy` */
const RETRY_POLICY: RetryPolicy = {
  maxRetries: 20,
  intervalStart: 0,
  intervalStep: 1,
  intervalMax: 1,
}

/**
 * Celery's policy for results, with what `retryPolicy` of the transport options says otherwise, and then
 * with `result_backend_always_retry` more and more slowly.
 *
 * @see celery 5.6, backends/base.py, `Backend.store_result`
 */
export function retryPolicy({ transportOptions, retry }: BackendDeps): Backoff {
  const given = transportOptions['retryPolicy']
  const policy: RetryPolicy = isRecord(given) ? { ...RETRY_POLICY, ...given } : RETRY_POLICY
  const { maxRetries } = policy
  if (!retry.always || maxRetries === null) return policy
  return {
    ...policy,
    maxRetries: retry.maxRetries === null ? null : maxRetries + Math.trunc(retry.maxRetries),
    intervalOf: (retries) =>
      retries < maxRetries
        ? Math.min(policy.intervalStart + policy.intervalStep * retries, policy.intervalMax)
        : Math.min(retry.maxSleepMs, retry.baseSleepMs * 2 ** (retries - maxRetries + 1)) / 1000,
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
