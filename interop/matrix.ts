/** Which brokers, result backends and releases of Python Celery the cases run against. */

import { execFileSync } from 'node:child_process'
import { amqpUrl, redisUrl } from '../test/support/services.ts'
import type { Surroundings } from './harness.ts'

/** A Python that has Celery. */
export interface PythonCelery {
  readonly version: string
  readonly python: string
  readonly env: Readonly<Record<string, string>>
}

/** A broker and a backend that go together. */
export interface Pairing {
  readonly name: string
  open(): Promise<Surroundings>
}

export const PAIRINGS: readonly Pairing[] = [
  {
    name: 'Redis, results in Redis',
    open: async () => ({ broker: await redisUrl(), backend: await redisUrl() }),
  },
  {
    name: 'RabbitMQ, results in Redis',
    open: async () => ({ broker: await amqpUrl(), backend: await redisUrl() }),
  },
  {
    name: 'RabbitMQ, results over rpc',
    open: async () => ({ broker: await amqpUrl(), backend: 'rpc://' }),
  },
  {
    name: 'Redis, results over rpc',
    open: async () => ({ broker: await redisUrl(), backend: 'rpc://' }),
  },
]

/** Where the parts of a chord can be counted. */
export const COUNTING: readonly Pairing[] = PAIRINGS.filter(({ name }) => name.endsWith('Redis'))

/**
 * The Celery that is installed (`CELERIAC_TEST_PYTHON`, else Debian's), and the one whose sources
 * `CELERIAC_TEST_CELERY_PATH` names, as PYTHONPATH: celery, kombu, billiard, vine, amqp, redis.
 */
export function celeries(): readonly PythonCelery[] {
  const python = process.env['CELERIAC_TEST_PYTHON'] ?? '/usr/bin/python3'
  const path = process.env['CELERIAC_TEST_CELERY_PATH']
  const found = [release(python, {})]
  if (path) found.push(release(python, { PYTHONPATH: path }))
  return found
}

function release(python: string, env: Readonly<Record<string, string>>): PythonCelery {
  const program = 'import celery, sys; sys.stdout.write(celery.__version__)'
  const version = execFileSync(python, ['-c', program], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { version, python, env }
}
