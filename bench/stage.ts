/** The servers of the benchmark, empty before each measurement, and the programs that run on them. */

import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { Celery } from 'celeriac'
import { Redis } from 'ioredis'
import { Process } from '../test/support/process.ts'
import { startRabbitmq } from '../test/support/rabbitmq.ts'
import { startRedis } from '../test/support/redis.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const CELERIAC = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url))
export const PYTHON: string = process.env['CELERIAC_TEST_PYTHON'] ?? '/usr/bin/python3'
export const QUEUE = 'bench'
export const TASK = 'bench.noop'
/** How many it is given. */
export const SIZE_TASK = 'bench.size'

export type Broker = 'redis' | 'amqp'

/** Whose worker. */
export type Kind = 'celeriac' | 'celeriac2' | 'bare' | 'python'

/** Python's worker starts no part that it could do without; both log warnings only. */
const PYTHON_OPTIONS = ['-c', '2', '--without-mingle', '--without-gossip', '--without-heartbeat']

const WORKERS: Readonly<Record<Kind, (broker: Broker) => readonly [string, ...string[]]>> = {
  celeriac: () => [process.execPath, CELERIAC, ...worker('tasks.mjs', '-c', '100')],
  celeriac2: () => [process.execPath, CELERIAC, ...worker('tasks.mjs', '-c', '2')],
  bare: (broker) => [process.execPath, `bare-${broker}.mjs`],
  python: () => [PYTHON, '-m', 'celery', ...worker('tasks', ...PYTHON_OPTIONS)],
}

function worker(app: string, ...options: readonly string[]): readonly string[] {
  return ['-A', app, 'worker', '-Q', QUEUE, '-l', 'warning', ...options]
}

export interface Stage {
  readonly broker: Broker
  readonly brokerUrl: string
  /** The database of the results, which holds nothing else. */
  readonly results: Redis
  /** Removes all messages and results. */
  clear(): Promise<void>
  app(): Celery
  worker(kind: Kind): Process
  /** Runs `client.py` to its end; resolves to what it printed. */
  python(what: 'publish' | 'trips' | 'chord' | 'chain', count: number): Promise<unknown>
}

export interface Stages {
  readonly stages: readonly Stage[]
  readonly versions: { readonly redis: string; readonly rabbitmq: string }
  readonly close: () => void
}

/** The servers are stopped by `stopServices`. */
export async function openStages(): Promise<Stages> {
  const [redis, rabbitmq] = await Promise.all([startRedis(), startRabbitmq()])
  const messages = new URL('/1', redis.url).href
  const results = new URL('/2', redis.url).href
  const [client, stored] = [new Redis(messages), new Redis(results)]
  const clearRedis = async (): Promise<void> => void (await client.flushdb())
  const info = await client.info('server')
  return {
    stages: [
      open('redis', messages, stored, clearRedis),
      open('amqp', rabbitmq.url, stored, () => deleteQueue(rabbitmq.url)),
    ],
    versions: {
      redis: /redis_version:(\S+)/.exec(info)?.[1] ?? '?',
      rabbitmq: await rabbitmqVersion(rabbitmq.url),
    },
    close: () => {
      client.disconnect()
      stored.disconnect()
    },
  }
}

function open(
  broker: Broker,
  brokerUrl: string,
  results: Redis,
  clearBroker: () => Promise<void>,
): Stage {
  const { host, port, db } = results.options
  const resultBackend = `redis://${host}:${port}/${db}`
  const env = { CELERY_BROKER_URL: brokerUrl, CELERY_RESULT_BACKEND: resultBackend }
  const options = { cwd: HERE, env: { ...env, C_FORCE_ROOT: '1' } }
  return {
    broker,
    brokerUrl,
    results,
    clear: async () => void (await Promise.all([clearBroker(), results.flushdb()])),
    app: () => new Celery('bench', { brokerUrl, resultBackend, taskDefaultQueue: QUEUE }),
    worker: (kind) => {
      const [command, ...args] = WORKERS[kind](broker)
      return new Process(command, args, options)
    },
    python: async (what, count) => {
      const client = new Process(PYTHON, ['client.py', what, String(count)], options)
      const code = await client.exited
      if (code !== 0) throw new Error(`client.py ended with ${String(code)}: ${client.output}`)
      return JSON.parse(client.output.trim().split('\n').at(-1) ?? '') as unknown
    },
  }
}

async function deleteQueue(url: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  await channel.deleteQueue(QUEUE)
  await connection.close()
}

async function rabbitmqVersion(url: string): Promise<string> {
  const connection = await connect(url)
  const { version } = connection.connection.serverProperties
  await connection.close()
  return version
}
