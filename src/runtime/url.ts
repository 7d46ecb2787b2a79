/** Broker and backend URLs: read as kombu reads them, and shown without the password. */

import { ImproperlyConfigured } from '../errors.ts'

/** The parts of a URL, percent-decoded; absent where the URL names none. */
export interface Url {
  /** In lower case, such as `amqp` or `redis+socket`. */
  readonly scheme: string
  readonly username?: string
  readonly password?: string
  /** Without the brackets of an IPv6 address. */
  readonly hostname?: string
  readonly port?: number
  /** Without its first slash: the virtual host of RabbitMQ, the database of Redis, the path of a socket. */
  readonly path?: string
  readonly query: ReadonlyMap<string, string>
}

//               scheme                      authority  path       query       fragment
const PARTS = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#.*)?$/is
const HOST = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/

/**
 * @throws ImproperlyConfigured when it is no URL; its message does not repeat the URL, for the password in it
 * @see kombu 5.6, utils/url.py, `url_to_parts`
 */
export function parseUrl(url: string): Url {
  const [, scheme, authority = '', path = '', query = ''] = PARTS.exec(url) ?? []
  if (scheme === undefined) {
    throw new ImproperlyConfigured(
      'a broker or backend URL must look like scheme://user:password@host:port/path',
    )
  }
  const at = authority.lastIndexOf('@')
  return {
    scheme: scheme.toLowerCase(),
    ...credentials(authority.slice(0, Math.max(at, 0)), scheme),
    ...address(authority.slice(at + 1), scheme),
    ...given('path', decode(path.slice(1), scheme)),
    query: new Map(new URLSearchParams(query)),
  }
}

function credentials(userinfo: string, scheme: string): Pick<Url, 'username' | 'password'> {
  const colon = userinfo.indexOf(':')
  const username = colon < 0 ? userinfo : userinfo.slice(0, colon)
  const password = colon < 0 ? '' : userinfo.slice(colon + 1)
  return {
    ...given('username', decode(username, scheme)),
    ...given('password', decode(password, scheme)),
  }
}

function address(text: string, scheme: string): Pick<Url, 'hostname' | 'port'> {
  const [matched, bracketed, plain = '', digits = ''] = HOST.exec(text) ?? []
  const port = Number(digits)
  if (matched === undefined || port > 65_535) {
    throw new ImproperlyConfigured(`the ${scheme}:// URL has no valid host:port`)
  }
  return {
    ...given('hostname', decode(bracketed ?? plain, scheme)),
    ...(port > 0 ? { port } : {}),
  }
}

/** An empty part counts as none, as in kombu. */
function given<K extends string>(key: K, value: string): { [P in K]?: string } {
  return (value === '' ? {} : { [key]: value }) as { [P in K]?: string }
}

function decode(text: string, scheme: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    const message = `the ${scheme}:// URL is not percent-encoded UTF-8: write % as %25`
    throw new ImproperlyConfigured(message, { cause })
  }
}

const PASSWORD = /(:\/\/[^/?#:]*:)[^/?#]*@/gs
const SECRETS = /([?&](?:[a-z0-9_]*(?:password|secret|token|passphrase))=)[^&#;]*/gi

/**
 * The same text with `**` for each password, also of the URLs in a list `a;b` and in a sentence: for
 * logs and errors. @see kombu 5.6, utils/url.py, `maybe_sanitize_url`
 */
export function redactUrl(url: string): string {
  return url.replace(PASSWORD, '$1**@').replace(SECRETS, '$1**')
}

/**
 * The brokers of a setting: a list, or one text with `;` between. Sentinels next to each other are
 * one broker, and stay one text. @see kombu 5.6, connection.py; transport/redis.py, `SentinelChannel`
 */
export function splitUrls(urls: string | readonly string[]): string[] {
  const list = typeof urls === 'string' ? [urls] : urls
  const all = list.flatMap((text) => text.split(';')).map((text) => text.trim())
  const brokers: string[] = []
  for (const url of all.filter((text) => text !== '')) {
    const last = brokers.at(-1)
    if (isSentinel(url) && last !== undefined && isSentinel(last)) {
      brokers[brokers.length - 1] = `${last};${url}`
    } else {
      brokers.push(url)
    }
  }
  return brokers
}

function isSentinel(url: string): boolean {
  return /^sentinel:/i.test(url)
}

/** Where a RabbitMQ is, and how to log in; nothing is missing. */
export interface AmqpUrl {
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly virtualHost: string
  readonly tls: boolean
  /** Seconds, where the URL says so. */
  readonly heartbeat?: number
  /** Seconds, where the URL says so. */
  readonly connectTimeout?: number
}

/** @see kombu 5.6, transport/pyamqp.py, `default_connection_params`; connection.py, `Connection.__init__` */
export function amqpUrl(url: string): AmqpUrl {
  const { scheme, hostname, port, username, password, path, query } = parseUrl(url)
  const ssl = query.get('ssl')?.toLowerCase()
  const tls = scheme === 'amqps' || ssl === 'true' || ssl === '1'
  return {
    hostname: hostname ?? 'localhost',
    port: port ?? (tls ? 5671 : 5672),
    username: username ?? 'guest',
    password: password ?? 'guest',
    virtualHost: path ?? '/',
    tls,
    ...seconds('heartbeat', query.get('heartbeat')),
    ...seconds('connectTimeout', query.get('connect_timeout') ?? query.get('connection_timeout')),
  }
}

function seconds<K extends string>(key: K, text: string | undefined): { [P in K]?: number } {
  if (text === undefined) return {}
  const value = Number(text)
  if (text !== '' && Number.isFinite(value) && value >= 0)
    return { [key]: value } as { [P in K]?: number }
  throw new ImproperlyConfigured(`?${key} of the broker URL must be a number of seconds`)
}

/** As Celery shows a broker: `amqp://guest:**@localhost:5672//`. @see kombu 5.6, connection.py, `as_uri` */
export function amqpAddress(url: AmqpUrl): string {
  const host = url.hostname.includes(':') ? `[${url.hostname}]` : url.hostname
  const scheme = url.tls ? 'amqps' : 'amqp'
  return `${scheme}://${encodeURIComponent(url.username)}:**@${host}:${url.port}/${url.virtualHost}`
}
