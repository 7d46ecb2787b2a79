/** What a Redis URL says: where the server is, who we are, which database, and how TLS is done. */

import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { ImproperlyConfigured } from '../errors.ts'
import { parseUrl, type Url } from './url.ts'

export interface RedisEndpoint {
  readonly host: string
  readonly port: number
}

export interface RedisAddress extends RedisEndpoint {
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** The unix socket, instead of host and port. */
  readonly path: string | undefined
  /** The sentinels, instead of host and port. */
  readonly sentinels: readonly RedisEndpoint[] | undefined
  readonly tls: ConnectionOptions | undefined
  /** For logs and errors: without user and password. */
  readonly display: string
}

const PORTS = new Map([
  ['redis', 6379],
  ['rediss', 6379],
  ['redis+socket', 0],
  ['sentinel', 26379],
])

/**
 * Reads a broker or backend URL.
 *
 *     redis[s]://[user][:password]@host[:6379][/db][?ssl_…]
 *     redis+socket://[:password@]/path/to.sock[?virtual_host=db]
 *     sentinel://[:password@]host[:26379][/db];sentinel://host…    user, password and db: the first URL's
 *
 * @see kombu 5.6, transport/redis.py, `Channel._connparams`
 * @throws ImproperlyConfigured which never repeats the URL: it may hold a password
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [first = '', ...more] = text.split(';').filter((part) => part !== '')
  const url = parseUrl(first)
  const endpoint = endpointOf(url)
  const path = url.scheme === 'redis+socket' ? `/${url.hostname ?? ''}${url.path ?? ''}` : undefined
  const name = url.query.get('virtual_host') ?? (path === undefined ? url.path : undefined)
  const db = database(name ?? '')
  const { host, port } = endpoint
  const place = path ?? `${host.includes(':') ? `[${host}]` : host}:${port}/${db}`
  return {
    ...endpoint,
    db,
    username: url.username,
    password: url.password,
    path,
    sentinels:
      url.scheme === 'sentinel'
        ? [endpoint, ...more.map((part) => endpointOf(parseUrl(part)))]
        : undefined,
    tls: tlsOf(url),
    display: `${url.scheme}://${place}`,
  }
}

function endpointOf({ scheme, hostname, port }: Url): RedisEndpoint {
  const usual = PORTS.get(scheme)
  if (usual === undefined) throw new ImproperlyConfigured(`'${scheme}://' is not a Redis URL`)
  return { host: hostname ?? 'localhost', port: port ?? usual }
}

/** @see kombu 5.6, transport/redis.py, `_prepare_virtual_host` */
function database(path: string): number {
  const text = path.replace(/^\//, '')
  if (text === '') return 0
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new ImproperlyConfigured('the database of a Redis URL is a number: redis://host:6379/0')
}

/** Query arguments that are not about TLS. What a setting or a transport option says as well is left to that. */
const OTHER_ARGUMENTS: ReadonlySet<string> = new Set([
  'virtual_host',
  'health_check_interval',
  'max_connections',
  'retry_on_timeout',
  'socket_connect_timeout',
  'socket_keepalive',
  'socket_timeout',
])

/** Certificates are checked, and nothing older is spoken: unless the URL or the options say otherwise. */
export const VERIFIED_TLS: ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' }

/**
 * TLS by the scheme or by any `ssl_` argument. Verified unless `ssl_cert_reqs=none` says otherwise
 * (kombu does not verify a bare `rediss://`; we do).
 */
function tlsOf({ scheme, query }: Url): ConnectionOptions | undefined {
  const keys = [...query.keys()]
  const wrong = keys.find((key) => !OTHER_ARGUMENTS.has(key) && !SSL_ARGUMENTS.has(key))
  if (wrong !== undefined) {
    throw new ImproperlyConfigured(`a Redis URL takes no argument '${wrong}'`)
  }
  if (scheme !== 'rediss' && !keys.some((key) => SSL_ARGUMENTS.has(key))) return undefined
  const given = [...query].map(([key, value]) => SSL_ARGUMENTS.get(key)?.(value) ?? {})
  return given.reduce((options, more) => ({ ...options, ...more }), VERIFIED_TLS)
}

const SSL_ARGUMENTS: ReadonlyMap<string, (value: string) => ConnectionOptions> = new Map([
  ['ssl_cert_reqs', (value): ConnectionOptions => ({ rejectUnauthorized: verified(value) })],
  ['ssl_ca_certs', (file): ConnectionOptions => ({ ca: readFile('ssl_ca_certs', file) })],
  ['ssl_certfile', (file): ConnectionOptions => ({ cert: readFile('ssl_certfile', file) })],
  ['ssl_keyfile', (file): ConnectionOptions => ({ key: readFile('ssl_keyfile', file) })],
  ['ssl_password', (passphrase): ConnectionOptions => ({ passphrase })],
  ['ssl_ciphers', (ciphers): ConnectionOptions => ({ ciphers })],
  ['ssl_check_hostname', checkHostname],
])

function checkHostname(value: string): ConnectionOptions {
  return /^(false|0|no|off)$/i.test(value) ? { checkServerIdentity: () => undefined } : {}
}

/** On a client's side Python's `optional` is as strict as `required`. */
const CERT_REQS: ReadonlyMap<string, boolean> = new Map([
  ['none', false],
  ['optional', true],
  ['required', true],
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
