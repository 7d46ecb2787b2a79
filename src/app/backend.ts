/** From the result settings to the backend. */

import type { Codec } from '../../protocol/codec.ts'
import { openBackend } from '../backends/open.ts'
import type { Settings } from '../conf/settings.ts'
import type { Connection } from '../messaging/connection.ts'
import type { Producer } from '../messaging/producer.ts'
import type { ResultBackend } from '../results/backend.ts'
import type { Logger } from '../runtime/log.ts'
import { tlsOptions } from './broker.ts'

/** What a backend borrows from its app. */
export interface BackendApp {
  readonly conf: Settings
  readonly codec: Codec
  readonly log: Logger
  readonly oid: string
  readonly producer: Producer
  connectionForRead(): Connection
}

/** Nothing is opened yet. @throws ImproperlyConfigured when there is no backend of that URL */
export function openAppBackend(app: BackendApp): ResultBackend {
  const { conf, codec, log, oid } = app
  const tls = conf.redisBackendUseSsl
  return openBackend(conf.resultBackend, {
    codec,
    log,
    resultSerializer: conf.resultSerializer,
    accept: codec.serializers.contentTypes(conf.resultAcceptContent),
    resultExpires: conf.resultExpires,
    resultExtended: conf.resultExtended,
    transportOptions: conf.resultBackendTransportOptions,
    retry: {
      always: conf.resultBackendAlwaysRetry,
      maxRetries: conf.resultBackendMaxRetries,
      baseSleepMs: conf.resultBackendBaseSleepBetweenRetriesMs,
      maxSleepMs: conf.resultBackendMaxSleepBetweenRetriesMs,
    },
    redis: {
      socketTimeout: conf.redisSocketTimeout ?? undefined,
      socketConnectTimeout: conf.redisSocketConnectTimeout ?? undefined,
      clientName: conf.redisClientName ?? undefined,
      tls: tls === null ? undefined : tlsOptions(tls),
    },
    database: {
      url: conf.databaseUrl ?? undefined,
      engineOptions: conf.databaseEngineOptions ?? {},
      tableSchemas: conf.databaseTableSchemas ?? {},
      tableNames: conf.databaseTableNames ?? {},
      createTablesAtSetup: conf.databaseCreateTablesAtSetup,
    },
    cache: { backend: conf.cacheBackend ?? undefined, options: conf.cacheBackendOptions },
    rpc: {
      oid,
      connection: () => app.connectionForRead(),
      producer: () => app.producer,
      persistent: conf.resultPersistent ?? false,
    },
  })
}
