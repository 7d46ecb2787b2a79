/** Where a fault happens: a broker and a backend of its own behind proxies, workers of one kind, and a client. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { celeries } from '../interop/matrix.ts'
import { Celery } from '../src/index.ts'
import { Process } from '../test/support/process.ts'
import { Proxy } from '../test/support/proxy.ts'
import {
  startRabbitmq,
  startRedis,
  type RabbitmqServer,
  type Server,
} from '../test/support/services.ts'
import { Ledger } from './ledger.ts'
import type { Broker } from './row.ts'

export type Kind = 'celeriac' | 'python'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const HERE = fileURLToPath(new URL('.', import.meta.url))

/** Under Celery's own names, for both kinds of worker. */
export type Conf = Readonly<Record<string, unknown>>

export interface WorkerOptions {
  readonly name?: string
  readonly args?: readonly string[]
  readonly conf?: Conf
  /** Reach the broker directly, not by way of the proxy. */
  readonly direct?: boolean
}

export class Stage {
  readonly broker: Broker
  readonly kind: Kind
  /** By how much a time that is promised is stretched: a test shares its machine with others. */
  readonly slack: number
  readonly server: Server
  /** RabbitMQ's own commands. */
  readonly rabbitmq: RabbitmqServer | undefined
  readonly results: Server
  /** Between the workers and the broker. */
  readonly proxy: Proxy
  /** Between the workers and the backend. */
  readonly resultsProxy: Proxy
  readonly ledger: Ledger
  /** The client: of TypeScript, directly at the broker. */
  readonly app: Celery
  readonly #dir: string
  readonly #workers: Process[] = []
  #sent = 0

  private constructor(broker: Broker, kind: Kind, slack: number, servers: Servers, dir: string) {
    this.broker = broker
    this.kind = kind
    this.slack = slack
    this.server = servers.broker
    this.rabbitmq = servers.rabbitmq
    this.results = servers.results
    this.proxy = servers.proxy
    this.resultsProxy = servers.resultsProxy
    this.#dir = dir
    this.ledger = new Ledger(join(dir, 'ledger'))
    this.app = new Celery('faults').configFromObject({
      broker_url: this.server.url,
      result_backend: this.results.url,
    })
  }

  static async open(broker: Broker, kind: Kind, slack: number = 1): Promise<Stage> {
    const rabbitmq = broker === 'amqp' ? await startRabbitmq() : undefined
    const server = rabbitmq ?? (await startRedis({ persistent: true }))
    const results = await startRedis({ persistent: true })
    const proxy = await new Proxy({ host: '127.0.0.1', port: server.port }).start()
    const resultsProxy = await new Proxy({ host: '127.0.0.1', port: results.port }).start()
    const servers = { broker: server, rabbitmq, results, proxy, resultsProxy }
    return new Stage(broker, kind, slack, servers, mkdtempSync(join(tmpdir(), 'celeriac-faults-')))
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) await worker.kill()
    await this.app.close()
    await this.proxy.stop()
    await this.resultsProxy.stop()
    await this.server.stop()
    await this.results.stop()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** A worker of the stage's kind, ready: one process that runs two tasks at a time, in Python two processes. */
  async worker(options: WorkerOptions = {}): Promise<Process> {
    const worker = this.start(options)
    await worker.says(/ ready\./, 60)
    return worker
  }

  /** The same, but it may still be on its way. */
  start({ name = 'w1', args = [], conf = {}, direct = false }: WorkerOptions = {}): Process {
    const flags = ['worker', '-l', 'info', '-n', `${name}@%h`, '-c', '2', ...args]
    const env = { FAULTS_LEDGER: this.ledger.path, FAULTS_CONF: this.#conf(conf, direct) }
    const worker = this.kind === 'celeriac' ? ours(flags, env) : pythons(flags, env)
    this.#workers.push(worker)
    return worker
  }

  /** Sends tasks, each confirmed; resolves to their ids. */
  async send(
    task: string,
    count: number,
    {
      args = [],
      ...options
    }: { readonly args?: readonly unknown[]; readonly countdown?: number } = {},
  ): Promise<readonly string[]> {
    const ids = Array.from({ length: count }, () => `t${(this.#sent += 1)}`)
    const send = (id: string): Promise<unknown> =>
      this.app.sendTask(task, [id, ...args], { taskId: id, ...options })
    await Promise.all(ids.map(send))
    return ids
  }

  /** Stops the broker in order. */
  async halt(): Promise<void> {
    if (this.rabbitmq !== undefined) await this.rabbitmq.ctl('stop_app')
    else await this.redis('shutdown', 'nosave')
  }

  /** Starts it again. */
  async resume(): Promise<void> {
    if (this.rabbitmq !== undefined) await this.rabbitmq.ctl('start_app')
    else await this.server.restart()
  }

  /** Runs a command of Redis at the broker. */
  async redis(...args: readonly string[]): Promise<void> {
    const run = promisify(execFile)
    await run('redis-cli', ['-p', String(this.server.port), ...args], { timeout: 10_000 })
  }

  #conf(conf: Conf, direct: boolean): string {
    const through = direct ? this.server.url : this.proxy.url(this.server.url)
    const result_backend = direct ? this.results.url : this.resultsProxy.url(this.results.url)
    return JSON.stringify({ broker_url: through, result_backend, ...conf })
  }
}

interface Servers {
  readonly broker: Server
  readonly rabbitmq: RabbitmqServer | undefined
  readonly results: Server
  readonly proxy: Proxy
  readonly resultsProxy: Proxy
}

function ours(flags: readonly string[], env: Readonly<Record<string, string>>): Process {
  const main = ['--import', 'tsx', 'src/cli/main.ts', '-A', 'faults/tasks.ts']
  return new Process(process.execPath, [...main, ...flags], { cwd: ROOT, env })
}

/** The newest Celery that there is. */
function pythons(flags: readonly string[], env: Readonly<Record<string, string>>): Process {
  const celery = celeries().at(-1)
  if (celery === undefined) throw new Error('there is no Python Celery')
  const quiet = ['--without-mingle', '--without-gossip']
  const args = ['-m', 'celery', '-A', 'tasks', ...flags, ...quiet]
  return new Process(celery.python, args, {
    cwd: HERE,
    env: { ...env, ...celery.env, C_FORCE_ROOT: '1' },
  })
}
