/** Results in Memcached, under Celery's keys; it needs no driver. */

import { ImproperlyConfigured } from '../errors.ts'
import type { ChordStore } from '../results/backend.ts'
import type { BackendDeps } from './deps.ts'
import { KeyValueBackend } from './key-value-backend.ts'
import { keyValue } from './key-value.ts'
import { MemcachedChords } from './memcached/chords.ts'
import { MemcachedServers } from './memcached/servers.ts'

/** Seconds for a reply. */
const TIMEOUT = 5

/** @see celery 5.6, backends/cache.py, `CacheBackend` */
export class MemcachedBackend extends KeyValueBackend {
  readonly chords: ChordStore

  /** `url` is `memcached://host:11211;other:11211/`, with or without `cache+` before it. */
  constructor(url: string, deps: BackendDeps) {
    const { expires } = keyValue(deps)
    const servers = new MemcachedServers({ servers: serversOf(url), expires, timeout: TIMEOUT })
    super(servers, deps)
    checkOptions(deps.cache.options, serversOf(url).length)
    this.chords = new MemcachedChords({
      servers,
      groups: this.groups,
      keyValue: this.keyValue,
      log: deps.log,
      fetchMany: (taskIds) => this.fetchMany(taskIds),
      retry: (work) => this.retry(work),
    })
  }
}

function serversOf(url: string): readonly string[] {
  const [, rest = ''] = url.split('://')
  const servers = rest.replace(/\/+$/, '').split(';')
  return servers.filter((server) => server !== '')
}

/** How pylibmc spreads keys over servers, if it is not told otherwise. */
const PLACING: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['hash', ['default']],
  ['distribution', ['modula']],
  ['ketama', [false]],
  ['ketamaWeighted', [false]],
  ['ketama_weighted', [false]],
])

/** Most options tune Python's clients; what would have us look elsewhere than they do is refused. */
function checkOptions(options: Readonly<Record<string, unknown>>, servers: number): void {
  for (const name of ['username', 'password']) {
    if (options[name] === undefined || options[name] === null) continue
    throw new ImproperlyConfigured(
      `option '${name}' of 'cacheBackendOptions' is not supported: Memcached is used without SASL here`,
    )
  }
  const { behaviors } = options
  if (servers < 2 || typeof behaviors !== 'object' || behaviors === null) return
  for (const [name, value] of Object.entries(behaviors)) {
    const known = PLACING.get(name)
    if (known === undefined || known.includes(value)) continue
    throw new ImproperlyConfigured(
      `behavior '${name}' of 'cacheBackendOptions' is not supported: keys are spread over several ` +
        'servers as pylibmc does by default (hash default, distribution modula)',
    )
  }
}
