/** Opens a Redis connection from a URL: TCP, TLS, unix socket or Sentinel; its errors never show a password. */

import type { ConnectionOptions } from 'node:tls'
import { Redis, type RedisOptions } from 'ioredis'
import { ImproperlyConfigured, OperationalError } from './errors.ts'
import { parseRedisUrl, VERIFIED_TLS, type RedisAddress } from './runtime/redis-url.ts'
import { deadline } from './runtime/retry.ts'

export type { Redis } from 'ioredis'

/** How a connection is opened, next to its URL. Seconds throughout. */
export interface RedisConnectOptions {
  /** Until there is a usable connection. @default 10 */
  readonly connectTimeout?: number | undefined
  /** Until a command has its reply; absent is no limit. @see redis-py, `socket_timeout` */
  readonly commandTimeout?: number | undefined
  /** Seconds of silence before the kernel probes the peer. @default 15 */
  readonly keepAlive?: number | undefined
  /** Shown by CLIENT LIST. */
  readonly clientName?: string | undefined
  /** TLS although the URL does not say so, or how. */
  readonly tls?: boolean | ConnectionOptions | undefined
  /** The master's name, for `sentinel://`. */
  readonly masterName?: string | undefined
  /** Credentials of the sentinels themselves. */
  readonly sentinelKwargs?:
    { readonly username?: string | undefined; readonly password?: string | undefined } | undefined
  /** Hears when certificates are not verified, at each connect. */
  readonly onInsecure?: ((message: string) => void) | undefined
}

const CONNECT_TIMEOUT = 10
const KEEP_ALIVE = 15
/** The oldest that we are tested against; before 6.0 there is no CLIENT TRACKING. */
const OLDEST_SERVER = [6, 2] as const

/**
 * A client that is not connected yet (`lazyConnect`) and never reconnects by itself: its owner opens
 * a new one, so that nothing is sent twice behind our back. Every command fails once it is down.
 */
function createRedis(url: string, options: RedisConnectOptions = {}): Redis {
  const address = parseRedisUrl(url)
  const tls = mergeTls(address, options)
  if (tls?.rejectUnauthorized === false) {
    options.onInsecure?.(
      `the certificate of ${address.display} is not verified: ssl_cert_reqs is none`,
    )
  }
  const seconds = options.connectTimeout ?? CONNECT_TIMEOUT
  const settings: RedisOptions = {
    ...endpoint(address, options, tls),
    db: address.db,
    protocol: 2, // RESP2: invalidation messages reach a subscriber only there; nothing else needs 3
    lazyConnect: true,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    keepAlive: (options.keepAlive ?? KEEP_ALIVE) * 1000,
    connectTimeout: seconds * 1000,
    ...(options.commandTimeout === undefined
      ? {}
      : { commandTimeout: options.commandTimeout * 1000 }),
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(options.clientName === undefined ? {} : { connectionName: options.clientName }),
  }
  const client = new Redis({ ...settings, replyMapping: 'legacy' })
  // Without a listener an 'error' would end the process; what matters also rejects a command or 'connect'.
  client.on('error', () => {})
  return client
}

function mergeTls(
  address: RedisAddress,
  options: RedisConnectOptions,
): ConnectionOptions | undefined {
  const given = options.tls
  if (given === undefined || given === false) return address.tls
  const base = address.tls ?? VERIFIED_TLS
  return given === true ? base : { ...base, ...given }
}

function endpoint(
  address: RedisAddress,
  options: RedisConnectOptions,
  tls: ConnectionOptions | undefined,
): RedisOptions {
  if (address.path !== undefined) return { path: address.path }
  if (address.sentinels === undefined) {
    const servername =
      tls === undefined || /^[\d.:]+$/.test(address.host) ? {} : { servername: address.host }
    return {
      host: address.host,
      port: address.port,
      ...(tls ? { tls: { ...servername, ...tls } } : {}),
    }
  }
  if (options.masterName === undefined) {
    throw new ImproperlyConfigured(
      "sentinel:// needs the transport option 'masterName' (master_name): which master to ask for",
    )
  }
  const { username, password } = options.sentinelKwargs ?? {}
  return {
    sentinels: address.sentinels.map((sentinel) => ({ ...sentinel })),
    name: options.masterName,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(tls === undefined ? {} : { tls, enableTLSForSentinelMode: true }),
  }
}

/**
 * A connected client, on a server that can serve us.
 *
 * @throws OperationalError when there is none within the connect timeout, or it is loading or a replica
 * @throws ImproperlyConfigured when the server is too old or a cluster
 */
export async function openRedis(
  url: string,
  options: RedisConnectOptions = {},
  signal?: AbortSignal,
): Promise<Redis> {
  const client = createRedis(url, options)
  const { display } = parseRedisUrl(url)
  const seconds = options.connectTimeout ?? CONNECT_TIMEOUT
  const onTimeout = (): Error =>
    new OperationalError(`no connection to ${display} within ${seconds} s`)
  let last: unknown
  client.on('error', (error) => (last = error))
  try {
    await deadline(greet(client, display), seconds, onTimeout, signal)
    return client
  } catch (error) {
    closeRedis(client)
    throw redisError(isClosed(error) ? (last ?? error) : error, `cannot connect to ${display}`)
  }
}

/** Ends a connection; of one that has ended ioredis would wait two seconds more for the end. */
export function closeRedis(client: Redis): void {
  if (client.status !== 'end') client.disconnect()
}

/** ioredis says only this when the true reason was emitted as 'error'. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Connection is closed')
}

async function greet(client: Redis, display: string): Promise<void> {
  await client.connect()
  await client.ping()
  const info = await client.info().catch(noPermission)
  const field = (name: string): string =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  const [major = 99, minor = 99] = field('redis_version').split('.').filter(Boolean).map(Number)
  if (major < OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor < OLDEST_SERVER[1])) {
    throw new ImproperlyConfigured(
      `${display} is Redis ${field('redis_version')}; ${OLDEST_SERVER.join('.')} or later is needed`,
    )
  }
  if (field('redis_mode') === 'cluster') {
    throw new ImproperlyConfigured(
      `${display} is a Redis Cluster, where Celery's keys cannot live: use a single server or Sentinel`,
    )
  }
  if (field('role') === 'slave') throw new OperationalError(`${display} is a read-only replica`)
}

/** An access list may forbid INFO: then the server is taken as it is. */
function noPermission(error: unknown): string {
  if (error instanceof Error && error.message.startsWith('NOPERM')) return ''
  throw error
}

/** What an error reply means for us. */
export type RedisFault =
  /** The connection cannot be used any more: open another. */
  | 'lost'
  /** The server refuses for now; the connection is fine: try again later. */
  | 'busy'
  /** The script is not there: send its text. */
  | 'noscript'
  /** The command itself was wrong. */
  | 'refused'

const FAULTS: readonly (readonly [RegExp, RedisFault])[] = [
  [/\bNOSCRIPT\b/, 'noscript'],
  [/\bOOM\b|\bMISCONF\b|\bBUSY\b|\bNOREPLICAS\b|\bTRYAGAIN\b/, 'busy'],
  [/\bREADONLY\b|\bLOADING\b|\bMASTERDOWN\b|\bUNBLOCKED\b|\bNOAUTH\b|\bWRONGPASS\b/, 'lost'],
  [/^(ERR|WRONGTYPE|NOPERM|NOGROUP|EXECABORT|MOVED|ASK|CLUSTERDOWN)\b|script/i, 'refused'],
]

/** Which kind of failure; what is no error reply (a socket's error, a passed deadline) is `lost`. */
export function redisFault(error: unknown): RedisFault {
  if (error instanceof TypeError || error instanceof RangeError) return 'refused' // ours, not the server's
  const message = error instanceof Error ? error.message : String(error)
  return FAULTS.find(([pattern]) => pattern.test(message))?.[1] ?? 'lost'
}

/** Our error for one of the client's; ours pass. The reply's text holds no arguments of ours. */
export function redisError(error: unknown, doing: string): Error {
  if (error instanceof OperationalError || error instanceof ImproperlyConfigured) return error
  if (error instanceof Error && 'code' in error && error.code === 'ERR_ABORTED') return error
  const reason = error instanceof Error ? error.message : 'no reason given'
  return new OperationalError(`${doing}: ${reason}`, { cause: withoutCommand(error) })
}

/** ioredis hangs the command with its arguments, passwords and payloads, on the error. */
function withoutCommand(error: unknown): unknown {
  if (error instanceof Error && 'command' in error) delete error.command
  return error
}
