/** From the broker settings to connections: one to send on, and one for each that consumes. */

import { readFileSync } from 'node:fs'
import type { Limits } from '../../protocol/limits.ts'
import type { Settings } from '../conf/settings.ts'
import type { TlsSetting } from '../conf/structure.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { Connection } from '../messaging/connection.ts'
import type { TlsOptions, Transport, TransportOptions } from '../messaging/transport.ts'
import type { Logger } from '../runtime/log.ts'
import type { RetryPolicy } from '../runtime/retry.ts'
import { splitUrls } from '../runtime/url.ts'
import { openTransport } from '../transports/open.ts'

export interface BrokerDeps {
  readonly conf: Settings
  readonly limits: Limits
  readonly log: Logger
}

/**
 * The producer tries again as `taskPublishRetryPolicy` says, and each time the brokers are tried once,
 * so that a call with no broker behind it fails as soon as Celery's would.
 */
const ONCE: RetryPolicy = { maxRetries: 0, intervalStart: 0, intervalStep: 0, intervalMax: 0 }

/** A connection to send on; nothing is opened before the first message. */
export function connectionForWrite(deps: BrokerDeps): Connection {
  return connection(deps.conf.brokerWriteUrl, deps, ONCE)
}

/** A connection to consume from, which comes back as often as the settings say. */
export function connectionForRead(deps: BrokerDeps): Connection {
  return connection(deps.conf.brokerReadUrl, deps, readPolicy(deps.conf), 'consumer')
}

/**
 * As often as Celery, and as far apart; a broker that comes back meanwhile is noticed within a second.
 *
 * @see celery 5.6, worker/consumer/consumer.py, `ensure_connected`; kombu 5.6, connection.py, `ensure_connection`
 */
function readPolicy(conf: Settings): RetryPolicy {
  const { brokerConnectionRetry, brokerConnectionMaxRetries } = conf
  return {
    maxRetries: brokerConnectionRetry ? brokerConnectionMaxRetries || null : 0,
    intervalStart: 2,
    intervalStep: 2,
    intervalMax: 30,
  }
}

function connection(
  urls: string | readonly string[],
  { conf, limits, log }: BrokerDeps,
  retry: RetryPolicy,
  name?: string,
): Connection {
  const options: TransportOptions = {
    connectTimeout: conf.brokerConnectionTimeout,
    heartbeat: conf.brokerHeartbeat ?? 0,
    transportOptions: conf.brokerTransportOptions,
    ...(conf.brokerUseSsl === false ? {} : { tls: tlsOptions(conf.brokerUseSsl) }),
    limits,
    logger: log,
  }
  return new Connection({
    transports: brokers(urls).map((url): Transport => openTransport(url, options)),
    retry,
    failoverStrategy: conf.brokerFailoverStrategy ?? 'round-robin',
    ...(name === undefined ? {} : { name }),
    logger: log,
  })
}

function brokers(urls: string | readonly string[]): readonly string[] {
  const each = splitUrls(urls)
  if (each.length === 0) throw new ImproperlyConfigured("setting 'brokerUrl' names no broker")
  return each
}

/** Python's settings name files; Node wants their contents. */
export function tlsOptions(setting: boolean | TlsSetting): boolean | TlsOptions {
  if (typeof setting === 'boolean') return setting
  const { caCerts, certfile, keyfile, ...options } = setting
  return {
    ...options,
    ...(caCerts === undefined ? {} : { ca: read(caCerts, 'ca_certs') }),
    ...(certfile === undefined ? {} : { cert: read(certfile, 'certfile') }),
    ...(keyfile === undefined ? {} : { key: read(keyfile, 'keyfile') }),
  }
}

function read(path: string, what: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new ImproperlyConfigured(`the file of TLS option '${what}' cannot be read`, {
      cause: error,
    })
  }
}
