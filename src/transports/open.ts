/** Chooses the transport by the scheme of a broker URL. */

import { ImproperlyConfigured } from '../errors.ts'
import type { Transport, TransportOptions } from '../messaging/transport.ts'
import { parseUrl } from '../runtime/url.ts'
import { AmqpTransport } from './amqp/transport.ts'
import { MemoryTransport } from './memory/transport.ts'
import { RedisTransport } from './redis/transport.ts'

type Make = (url: string, options: TransportOptions) => Transport

const amqp: Make = (url, options) => new AmqpTransport(url, options)
const redis: Make = (url, options) => new RedisTransport(url, options)

const TRANSPORTS: ReadonlyMap<string, Make> = new Map([
  ['amqp', amqp],
  ['amqps', amqp],
  ['pyamqp', amqp],
  ['redis', redis],
  ['rediss', redis],
  ['redis+socket', redis],
  ['sentinel', redis],
  ['memory', (url: string): Transport => new MemoryTransport(url)],
])

/**
 * Nothing is opened yet. The URLs of several sentinels are one, with `;` between.
 *
 * @throws ImproperlyConfigured when the URL is none, or of a broker that celeriac does not speak to
 */
export function openTransport(url: string, options: TransportOptions): Transport {
  const [first = ''] = url.split(';', 1)
  const { scheme } = parseUrl(first)
  const make = TRANSPORTS.get(scheme)
  if (make !== undefined) return make(url, options)
  const known = [...TRANSPORTS.keys()].map((name) => `${name}://`).join(', ')
  throw new ImproperlyConfigured(
    `no transport for ${scheme}://: the broker URL may begin with ${known}`,
  )
}
