/** Opens a Redis connection from a URL: TCP, TLS, unix socket or Sentinel; its errors never show a password. */

import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Redis, type RedisOptions } from 'ioredis'
import { ImproperlyConfigured, OperationalError } from './errors.ts'
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

/** What a URL says. */
export interface RedisAddress {
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly host: string
  readonly port: number
  /** The unix socket, instead of host and port. */
  readonly path: string | undefined
  /** The sentinels, instead of host and port. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[] | undefined
  readonly tls: ConnectionOptions | undefined
  /** For logs and errors: without user and password. */
  readonly display: string
}

const DEFAULT_PORT = 6379
const SENTINEL_PORT = 26379
const CONNECT_TIMEOUT = 10
const KEEP_ALIVE = 15
/** Below it there is no RPOP with a count, no `GET` on SET, and tracking is young. */
const OLDEST_SERVER = [6, 2] as const

const SCHEMES = new Set(['redis', 'rediss', 'redis+socket', 'unix', 'socket', 'sentinel'])

/**
 * Reads a broker or backend URL.
 *
 *     redis[s]://[user][:password]@host[:6379][/db][?ssl_…]
 *     redis+socket://[:password@]/path/to.sock[?virtual_host=db]
 *     sentinel://[:password@]host[:26379][/db];sentinel://host…     user, password, db: the first URL's
 *
 * @see kombu 5.6, transport/redis.py, `Channel._connparams`
 * @throws ImproperlyConfigured which never repeats the URL: it may hold a password
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [first = '', ...more] = text.split(';').filter((part) => part !== '')
  const url = readUrl(first)
  const scheme = url.protocol.slice(0, -1)
  const socket = scheme === 'redis+socket' || scheme === 'unix' || scheme === 'socket'
  const sentinel = scheme === 'sentinel'
  const query = url.searchParams
  const host = decode(url.hostname).replace(/^\[|\]$/g, '') || 'localhost'
  const port = Number(url.port) || (sentinel ? SENTINEL_PORT : DEFAULT_PORT)
  const path = socket
    ? decode(`${url.hostname === '' ? '' : `/${url.hostname}`}${url.pathname}`)
    : undefined
  const db = database(query.get('virtual_host') ?? query.get('db') ?? (socket ? '' : url.pathname))
  const sentinels = sentinel ? [{ host, port }, ...more.map(sentinelOf)] : undefined
  return {
    db,
    username: decode(url.username) || undefined,
    password: decode(url.password) || undefined,
    host,
    port,
    path,
    sentinels,
    tls: tlsOf(scheme, query),
    display:
      path === undefined ? `${scheme}://${url.host || 'localhost'}/${db}` : `${scheme}://${path}`,
  }
}

/** The URL without user and password: for logs and errors. */
export function redisDisplay(text: string): string {
  return parseRedisUrl(text).display
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined)
    throw new ImproperlyConfigured('the Redis URL cannot be read: is its password percent-encoded?')
  const scheme = url.protocol.slice(0, -1)
  if (!SCHEMES.has(scheme)) throw new ImproperlyConfigured(`'${scheme}://' is not a Redis URL`)
  return url
}

function sentinelOf(text: string): { host: string; port: number } {
  const url = readUrl(text)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || SENTINEL_PORT }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** @see kombu 5.6, transport/redis.py, `_prepare_virtual_host` */
function database(path: string): number {
  const text = path.replace(/^\//, '')
  if (text === '') return 0
  if (!/^\d{1,5}$/.test(text)) {
    throw new ImproperlyConfigured('the database of a Redis URL is a number: redis://host:6379/0')
  }
  return Number(text)
}

/** Which `ssl_cert_reqs` ask for a verified certificate: Python's `optional` does, too, on the client's side. */
const CERT_REQS = new Map([
  ['none', false],
  ['optional', true],
  ['required', true],
])

/** Query arguments that are not about TLS; those that a setting or an option carries as well are left to it. */
const OTHER_ARGUMENTS = new Set([
  'virtual_host',
  'db',
  'health_check_interval',
  'max_connections',
  'retry_on_timeout',
  'socket_connect_timeout',
  'socket_keepalive',
  'socket_timeout',
])

/**
 * TLS by the scheme or by any `ssl_` argument. Verified unless `ssl_cert_reqs=none` says otherwise
 * (kombu does not verify a bare `rediss://`; we do).
 */
function tlsOf(scheme: string, query: URLSearchParams): ConnectionOptions | undefined {
  const keys = [...query.keys()]
  const wrong = keys.find((key) => !OTHER_ARGUMENTS.has(key) && !SSL_ARGUMENTS.has(key))
  if (wrong !== undefined)
    throw new ImproperlyConfigured(`a Redis URL takes no argument '${wrong}'`)
  if (scheme !== 'rediss' && !keys.some((key) => SSL_ARGUMENTS.has(key))) return undefined
  const options: ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' }
  for (const [key, value] of query) Object.assign(options, SSL_ARGUMENTS.get(key)?.(value))
  return options
}

const SSL_ARGUMENTS = new Map<string, (value: string) => ConnectionOptions>([
  ['ssl_cert_reqs', (value) => ({ rejectUnauthorized: verified(value) })],
  ['ssl_ca_certs', (file) => ({ ca: readFile('ssl_ca_certs', file) })],
  ['ssl_certfile', (file) => ({ cert: readFile('ssl_certfile', file) })],
  ['ssl_keyfile', (file) => ({ key: readFile('ssl_keyfile', file) })],
  ['ssl_password', (passphrase) => ({ passphrase })],
  ['ssl_ciphers', (ciphers) => ({ ciphers })],
  [
    'ssl_check_hostname',
    (value): ConnectionOptions =>
      /^(false|0|no)$/i.test(value) ? { checkServerIdentity: () => undefined } : {},
  ],
])

function verified(value: string): boolean {
  const answer = CERT_REQS.get(value.toLowerCase().replace(/^cert_/, ''))
  if (answer !== undefined) return answer
  throw new ImproperlyConfigured("ssl_cert_reqs is one of 'required', 'optional' and 'none'")
}

function readFile(argument: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new ImproperlyConfigured(`${argument} names a file that cannot be read: ${path}`, {
      cause,
    })
  }
}

/**
 * A client that is not connected yet (`lazyConnect`) and never reconnects by itself: its owner opens
 * a new one, so that nothing is sent twice behind our back. Every command fails once it is down.
 */
export function createRedis(url: string, options: RedisConnectOptions = {}): Redis {
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
  const base = address.tls ?? { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const }
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
    client.disconnect()
    throw redisError(isClosed(error) ? (last ?? error) : error, `cannot connect to ${display}`)
  }
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
