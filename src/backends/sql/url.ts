/** What a SQLAlchemy URL says: which database it is, where, and how to log in. */

import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { ImproperlyConfigured } from '../../errors.ts'

export type SqlDialect = 'postgresql' | 'mysql' | 'sqlite'

export interface SqlAddress {
  readonly dialect: SqlDialect
  readonly host: string
  readonly port: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** The name of the database; of SQLite the path of its file. */
  readonly database: string | undefined
  /** The unix socket, instead of host and port: of PostgreSQL the folder that it is in. */
  readonly socketPath: string | undefined
  readonly tls: ConnectionOptions | undefined
  /** Seconds, where the URL says so. */
  readonly connectTimeout: number | undefined
  readonly applicationName: string | undefined
  /** For logs and errors: without user and password. */
  readonly display: string
}

/** Celery's `db+postgresql+psycopg2://` names a Python driver, too; we have one each. */
const DIALECTS: ReadonlyMap<string, SqlDialect> = new Map([
  ['postgresql', 'postgresql'],
  ['postgres', 'postgresql'],
  ['mysql', 'mysql'],
  ['mariadb', 'mysql'],
  ['sqlite', 'sqlite'],
])

const PORTS: Record<SqlDialect, number> = { postgresql: 5432, mysql: 3306, sqlite: 0 }

/** @see SQLAlchemy 1.4 and 2.0, engine/url.py, `_parse_rfc1738_args` */
const URL_PARTS =
  /^(?<name>[\w+]+):\/\/(?:(?<username>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<ipv6>[^/?\]]+)\]|(?<host>[^/:?]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s

/**
 * Reads a URL as SQLAlchemy does, with or without Celery's `db+`.
 *
 *     [db+]postgresql[+driver]://[user[:password]@][host][:port]/database[?sslmode=…]
 *     [db+]mysql[+driver]://…          mariadb is the same
 *     [db+]sqlite:///relative/path     and sqlite:////absolute/path
 *
 * @throws ImproperlyConfigured which never repeats the URL: it may hold a password
 */
export function parseSqlUrl(text: string): SqlAddress {
  const url = text.replace(/^(?:db|database)\+/i, '')
  const parts = URL_PARTS.exec(url)?.groups
  if (parts === undefined) {
    throw new ImproperlyConfigured(
      'a database URL must look like db+postgresql://user:password@host:port/database',
    )
  }
  const dialect = dialectOf(parts['name'] ?? '')
  const query = new Map(new URLSearchParams(parts['query'] ?? ''))
  checkArguments(dialect, query)
  if (dialect === 'sqlite') return sqliteAddress(parts['database'])
  const { host, port, socketPath } = place(dialect, parts, query)
  const database = given(parts['database'])
  const shown = socketPath ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    dialect,
    host,
    port,
    socketPath,
    database,
    username: decode(given(parts['username']) ?? query.get('user')),
    password: decode(given(parts['password'])) ?? query.get('password'),
    tls: tlsOf(dialect, query, socketPath),
    connectTimeout: seconds(query, 'connect_timeout'),
    applicationName: query.get('application_name'),
    display: `${dialect}://${shown}/${database ?? ''}`,
  }
}

function dialectOf(name: string): SqlDialect {
  const [plain = ''] = name.toLowerCase().split('+', 1)
  const dialect = DIALECTS.get(plain)
  if (dialect !== undefined) return dialect
  const known = [...DIALECTS.keys()].join(', ')
  throw new ImproperlyConfigured(`no database '${plain}': celeriac knows ${known}`)
}

/** Each process would have a memory of its own, and nobody would see another's results. */
function sqliteAddress(path: string | undefined): SqlAddress {
  if (path === undefined || path === '' || path === ':memory:' || path.startsWith('file:')) {
    throw new ImproperlyConfigured(
      'a SQLite URL must name a file: db+sqlite:///relative.db or db+sqlite:////absolute/path.db',
    )
  }
  return {
    dialect: 'sqlite',
    host: '',
    port: 0,
    username: undefined,
    password: undefined,
    database: path,
    socketPath: undefined,
    tls: undefined,
    connectTimeout: undefined,
    applicationName: undefined,
    display: `sqlite:///${path}`,
  }
}

type Query = ReadonlyMap<string, string>
type Parts = Readonly<Record<string, string>>

/** libpq and the MySQL drivers take host, port and socket from the arguments, too. */
function place(
  dialect: SqlDialect,
  parts: Parts,
  query: Query,
): Pick<SqlAddress, 'host' | 'port' | 'socketPath'> {
  const host = parts['ipv6'] ?? given(parts['host']) ?? query.get('host')
  const socket = query.get('unix_socket') ?? (host?.startsWith('/') ? host : undefined)
  const digits = given(parts['port']) ?? query.get('port') ?? String(PORTS[dialect])
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0
  if (port < 1 || port > 65_535) {
    throw new ImproperlyConfigured(`the ${dialect}:// URL has no valid host:port`)
  }
  return { host: decode(host) ?? 'localhost', port, socketPath: socket }
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** As Python's `unquote`: what is no escape stays as it is. */
function decode(text: string | undefined): string | undefined {
  if (!text?.includes('%')) return text
  try {
    return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'))
  } catch (cause) {
    const message = 'a database URL is not percent-encoded UTF-8: write % as %25'
    throw new ImproperlyConfigured(message, { cause })
  }
}

function seconds(query: Query, name: string): number | undefined {
  const text = query.get(name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text !== '' && Number.isFinite(value) && value > 0) return value
  throw new ImproperlyConfigured(`?${name} of the database URL must be a number of seconds`)
}

/** What the URLs of Python's drivers may say, and whether it has a meaning here (`-` is passed over). */
const ARGUMENTS: Record<SqlDialect, string> = {
  postgresql: `host port user password sslmode sslrootcert sslcert sslkey connect_timeout application_name
    -client_encoding -options -keepalives -keepalives_idle -keepalives_interval -keepalives_count
    -target_session_attrs -gssencmode -channel_binding -tcp_user_timeout -fallback_application_name
    -async_fallback`,
  mysql: `host port user password unix_socket connect_timeout ssl ssl_ca ssl_cert ssl_key ssl_disabled
    ssl_verify_cert ssl_verify_identity ssl_check_hostname ssl_mode
    -charset -use_unicode -read_timeout -write_timeout -init_command -sql_mode -local_infile
    -autocommit -binary_prefix -auth_plugin -collation -compress`,
  sqlite: '-timeout -check_same_thread -isolation_level -cached_statements -detect_types',
}

function checkArguments(dialect: SqlDialect, query: Query): void {
  const known = new Set(ARGUMENTS[dialect].split(/[\s-]+/))
  const wrong = [...query.keys()].find((name) => !known.has(name))
  if (wrong === undefined) return
  throw new ImproperlyConfigured(`a ${dialect} URL takes no argument '${wrong.slice(0, 50)}' here`)
}

/** libpq passes over `sslmode` on a unix socket; a mode that is none is refused there, too. */
function tlsOf(
  dialect: SqlDialect,
  query: Query,
  socketPath: string | undefined,
): ConnectionOptions | undefined {
  if (dialect !== 'postgresql') return mysqlTls(query)
  const tls = postgresqlTls(query)
  return socketPath === undefined ? tls : undefined
}

/**
 * libpq checks no certificate below `verify-ca`, unless there is a root to check with. Its default
 * `prefer` falls back to plain text, which hinders nobody on the way: it is plain text here.
 *
 * @see PostgreSQL 15, libpq, table "SSL Mode Descriptions"
 */
function postgresqlTls(query: Query): ConnectionOptions | undefined {
  const mode = query.get('sslmode') ?? 'prefer'
  const files = tlsFiles(query, ['sslrootcert', 'sslcert', 'sslkey'])
  const chain = mode === 'verify-ca' || (mode === 'require' && files.ca !== undefined)
  if (mode === 'disable' || mode === 'allow' || mode === 'prefer') return undefined
  if (mode === 'verify-full') return { ...files, rejectUnauthorized: true }
  if (chain) return { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined }
  if (mode === 'require') return { ...files, rejectUnauthorized: false }
  throw new ImproperlyConfigured(
    'sslmode is one of disable, allow, prefer, require, verify-ca and verify-full',
  )
}

/** @see PyMySQL 1.0, connections.py, `Connection.__init__`; mysqlclient's `ssl_mode` */
function mysqlTls(query: Query): ConnectionOptions | undefined {
  const says = (name: string): boolean => /^(?:true|1|yes|on)$/i.test(query.get(name) ?? '')
  const mode = query.get('ssl_mode')?.toUpperCase()
  const files = tlsFiles(query, ['ssl_ca', 'ssl_cert', 'ssl_key'])
  const wanted = says('ssl') || Object.keys(files).length > 0 || (mode ?? 'DISABLED') !== 'DISABLED'
  if (!wanted || says('ssl_disabled')) return undefined
  const identity = says('ssl_verify_identity') || says('ssl_check_hostname')
  const verified = files.ca !== undefined || says('ssl_verify_cert') || mode?.startsWith('VERIFY')
  if (identity || mode === 'VERIFY_IDENTITY') return { ...files, rejectUnauthorized: true }
  const lax = { checkServerIdentity: (): undefined => undefined }
  return verified
    ? { ...files, ...lax, rejectUnauthorized: true }
    : { ...files, rejectUnauthorized: false }
}

function tlsFiles(query: Query, names: readonly [string, string, string]): ConnectionOptions {
  const [ca, cert, key] = names.map((name) => {
    const path = query.get(name)
    return path === undefined ? undefined : readFile(name, path)
  })
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
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
