/** From the URL of a result backend to the backend. */

import { ImproperlyConfigured } from '../errors.ts'
import type { ResultBackend } from '../results/backend.ts'
import { hint } from '../runtime/nearest.ts'
import { redactUrl } from '../runtime/url.ts'
import type { BackendDeps } from './deps.ts'
import { DisabledBackend } from './disabled.ts'
import { djangoDatabaseUrl } from './django/address.ts'
import { importDriver } from './driver.ts'
import { LazyBackend } from './lazy.ts'
import { MemoryBackend } from './memory.ts'
import { RedisBackend } from './redis.ts'
import { RpcBackend } from './rpc.ts'
import { parseSqlUrl, type SqlDialect } from './sql/url.ts'

export type { BackendDeps } from './deps.ts'

type Open = (url: string, deps: BackendDeps) => ResultBackend
type Load = (url: string, deps: BackendDeps) => Promise<ResultBackend>

/** A backend whose code is loaded when it is used; whether it counts chords by itself is known before. */
function lazy({ chords }: { readonly chords: boolean }, load: Load): Open {
  return (url, deps) =>
    new LazyBackend({ address: redactUrl(url), chords, load: () => load(url, deps) })
}

const redis: Open = (url, deps) => new RedisBackend(url, deps)
const rpc: Open = (_, deps) => new RpcBackend(deps)
const memory: Open = (url, deps) => new MemoryBackend(url, deps)
const disabled: Open = () => new DisabledBackend()
const file = lazy({ chords: false }, async (url, deps) => {
  const { FileBackend } = await import('./file.ts')
  return new FileBackend(url, deps)
})

const memcached = lazy({ chords: true }, async (url, deps) => {
  const { MemcachedBackend } = await import('./memcached.ts')
  return new MemcachedBackend(url, deps)
})

/** Where it is says the setting `cache_backend`, in the form of a URL without `cache+`. */
const cache: Open = (url, deps) => {
  const place = url.replace(/^cache(:\/\/)?/, '') || (deps.cache.backend ?? '')
  const scheme = `cache+${place.split(':', 1)[0] ?? ''}`
  const open = BACKENDS.get(scheme)
  if (open !== undefined) return open(`cache+${place}`, deps)
  throw new ImproperlyConfigured(
    "the result backend 'cache' needs a place: cache+memcached://host:11211/, or 'cacheBackend'",
  )
}

/** What to install for each database. */
const PACKAGES: Readonly<Record<SqlDialect, string>> = {
  postgresql: 'pg',
  mysql: 'mysql2',
  sqlite: 'libsql',
}

/** What is missing in its address is an error now, not at its first use. */
const django: Open = (url, deps) => {
  const address = djangoDatabaseUrl(url)
  const { dialect } = parseSqlUrl(address)
  const load: Load = async () => {
    await importDriver('django-db', ['kysely'], PACKAGES[dialect])
    const { DjangoBackend } = await import('./django/backend.ts')
    return new DjangoBackend(address, deps)
  }
  return lazy({ chords: true }, load)(`django-db+${address}`, deps)
}

/** `db://` alone is what `database_url` says. What is wrong with its address is an error now. */
const database: Open = (url, deps) => {
  const bare = /^(?:db|database)(?::\/*)?$/.test(url)
  const address = bare ? deps.database.url : url
  if (address === undefined) {
    throw new ImproperlyConfigured(
      'the result backend db:// needs the URL of the database: db+postgresql://…, or database_url',
    )
  }
  const { dialect, display } = parseSqlUrl(address)
  const load: Load = async () => {
    await importDriver(`db+${display}`, ['kysely'], PACKAGES[dialect])
    const { SqlAlchemyBackend } = await import('./sqlalchemy/backend.ts')
    return new SqlAlchemyBackend(address, deps)
  }
  return lazy({ chords: false }, load)(`db+${display}`, deps)
}

/**
 * By the whole scheme of the URL.
 *
 * @see celery 5.6, app/backends.py, `BACKEND_ALIASES`
 */
const BACKENDS: ReadonlyMap<string, Open> = new Map([
  ['redis', redis],
  ['rediss', redis],
  ['redis+socket', redis],
  ['sentinel', redis],
  ['rpc', rpc],
  ['memory', memory],
  ['cache', cache],
  ['cache+memory', memory],
  ['cache+memcached', memcached],
  ['cache+memcache', memcached],
  ['cache+pylibmc', memcached],
  ['file', file],
  ['disabled', disabled],
])

/** By what stands in the scheme before its plus: `db` is `db+postgresql`, too. */
const FAMILIES: ReadonlyMap<string, Open> = new Map<string, Open>([
  ['django-db', django],
  ['db', database],
  ['database', database],
])

/** What else Celery knows; its own names, so that the error can tell them from a slip of the pen. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'arangodb',
  'azureblockblob',
  'cassandra',
  'consul',
  'cosmosdbsql',
  'couchbase',
  'couchdb',
  'django-cache',
  'dynamodb',
  'elasticsearch',
  'gs',
  'mongodb',
  'riak',
  's3',
])

/**
 * The backend of a URL, or of a bare scheme such as `rpc`; nothing is opened yet.
 *
 * @throws ImproperlyConfigured when there is none of that scheme; it never repeats the URL
 */
export function openBackend(url: string | null | undefined, deps: BackendDeps): ResultBackend {
  if (url === null || url === undefined || url === '') return new DisabledBackend()
  const [scheme = ''] = url.split(':', 1)
  const [family = ''] = scheme.split('+', 1)
  const open = BACKENDS.get(scheme) ?? FAMILIES.get(family)
  if (open !== undefined) return open(url, deps)
  throw new ImproperlyConfigured(unknown(scheme, family))
}

function unknown(scheme: string, family: string): string {
  const names = [...new Set([...BACKENDS.keys(), ...FAMILIES.keys()])]
  const known = names.map((name) => `${name}://`).join(', ')
  const what = UNSUPPORTED.has(family)
    ? `Celery's result backend '${scheme}://' is not one of celeriac's`
    : `no result backend for '${scheme}://'${hint(scheme, names)}`
  return (
    `${what}: celeriac knows ${known}. ` +
    'For another, give all sides one of these, or have the tasks whose results you need run by Python workers, ' +
    "with ignoreResult for celeriac's"
  )
}
