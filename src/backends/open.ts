/** From the URL of a result backend to the backend. */

import { ImproperlyConfigured } from '../errors.ts'
import type { ResultBackend } from '../results/backend.ts'
import { redactUrl } from '../runtime/url.ts'
import type { BackendDeps } from './deps.ts'
import { DisabledBackend } from './disabled.ts'
import { LazyBackend } from './lazy.ts'
import { MemoryBackend } from './memory.ts'
import { RedisBackend } from './redis.ts'
import { RpcBackend } from './rpc.ts'

export type { BackendDeps } from './deps.ts'

type Open = (url: string, deps: BackendDeps) => ResultBackend
type Load = (url: string, deps: BackendDeps) => Promise<ResultBackend>

/** A backend whose code is loaded when it is used; whether it counts chords by itself is known before. */
export function lazy({ chords }: { readonly chords: boolean }, load: Load): Open {
  return (url, deps) =>
    new LazyBackend({ address: redactUrl(url), chords, load: () => load(url, deps) })
}

const redis: Open = (url, deps) => new RedisBackend(url, deps)
const rpc: Open = (_, deps) => new RpcBackend(deps)
const memory: Open = (url, deps) => new MemoryBackend(url, deps)
const disabled: Open = () => new DisabledBackend()

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
  ['cache+memory', memory],
  ['disabled', disabled],
])

/** By what stands in the scheme before its plus: `db` is `db+postgresql`, too. */
const FAMILIES: ReadonlyMap<string, Open> = new Map<string, Open>([])

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
  const known = [...BACKENDS.keys(), ...FAMILIES.keys()].map((name) => `${name}://`).join(', ')
  throw new ImproperlyConfigured(
    `no result backend for '${scheme}://': celeriac knows ${known}; for others, let Python workers keep the results`,
  )
}
