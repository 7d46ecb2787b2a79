/** From the result settings to the backend. */

import type { Codec } from '../../protocol/codec.ts'
import { openBackend } from '../backends/open.ts'
import type { Settings } from '../conf/settings.ts'
import { ImproperlyConfigured } from '../errors.ts'
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

/** Nothing is opened yet. @throws ImproperlyConfigured */
export function openAppBackend(app: BackendApp): ResultBackend {
  const { conf, codec, log, oid } = app
  const tls = conf.redisBackendUseSsl
  return openBackend(conf.resultBackend, {
    codec,
    log,
    resultSerializer: conf.resultSerializer,
    accept: contentTypes(codec, conf.resultAcceptContent, 'resultAcceptContent'),
    resultExpires: conf.resultExpires,
    transportOptions: conf.resultBackendTransportOptions,
    redis: {
      socketTimeout: conf.redisSocketTimeout ?? undefined,
      socketConnectTimeout: conf.redisSocketConnectTimeout ?? undefined,
      clientName: conf.redisClientName ?? undefined,
      tls: tls === null ? undefined : tlsOptions(tls),
    },
    rpc: {
      oid,
      connection: () => app.connectionForRead(),
      producer: () => app.producer,
      persistent: conf.resultPersistent ?? false,
    },
  })
}

/** Names of serializers as the content types that are accepted. @throws ImproperlyConfigured */
export function contentTypes(
  codec: Codec,
  names: readonly string[],
  setting: string,
): ReadonlySet<string> {
  try {
    return codec.serializers.contentTypes(names)
  } catch (error) {
    throw new ImproperlyConfigured(
      `setting '${setting}' names a serializer that is not known here`,
      {
        cause: error,
      },
    )
  }
}
