/** A private RabbitMQ server, with empty vhosts at hand. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Process } from './process.ts'
import { freePort, type Server } from './server.ts'

export interface RabbitmqServer extends Server {
  readonly port: number
  /** The URL of vhost `t<n>`, from 1 on; made when it is not there yet. */
  vhostUrl(n: number): Promise<string>
  /** Runs `rabbitmqctl`. */
  ctl(...args: string[]): Promise<string>
}

export interface RabbitmqOptions {
  /** Lines of `rabbitmq.conf`. */
  readonly conf?: readonly string[]
  /** Vhosts to make at the start, which is quicker than later. @default 0 */
  readonly vhosts?: number
}

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const CTL = '/usr/lib/rabbitmq/bin/rabbitmqctl'
const run = promisify(execFile)

export async function startRabbitmq(options: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  if (!existsSync(SERVER)) {
    throw new Error('no RabbitMQ: set CELERIAC_TEST_AMQP_URL, or apt install rabbitmq-server')
  }
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-rabbitmq-'))
  const port = await freePort()
  const env = await configure(dir, port, options)
  const start = async (): Promise<Process> => {
    const server = new Process(SERVER, [], { env, cwd: dir })
    await server.says('Server startup complete', 60)
    return server
  }
  let server = await start()
  const ctl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(CTL, args, { env: { ...process.env, ...env }, timeout: 60_000 })
    return stdout
  }
  let made = options.vhosts ?? 0
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    port,
    dir,
    ctl,
    vhostUrl: async (n) => {
      for (; made < n; made += 1) await ctl('eval', addVhost(`t${made + 1}`))
      return `amqp://guest:guest@127.0.0.1:${port}/t${n}`
    },
    stop: async () => void (await server.stop(20)),
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}

/** A vhost that guest may use, in one call of `rabbitmqctl eval` (each call costs a second). */
function addVhost(name: string): string {
  const permissions = `rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${name}">>, <<".*">>, <<".*">>, <<".*">>, <<"celeriac">>)`
  return `rabbit_vhost:add(<<"${name}">>, <<"celeriac">>), ${permissions}.`
}

async function configure(
  dir: string,
  port: number,
  options: RabbitmqOptions,
): Promise<Record<string, string>> {
  const definitions = join(dir, 'definitions.json')
  const names = ['/', ...Array.from({ length: options.vhosts ?? 0 }, (_, n) => `t${n + 1}`)]
  const all = { configure: '.*', write: '.*', read: '.*' }
  await writeFile(
    definitions,
    JSON.stringify({
      users: [{ name: 'guest', password: 'guest', tags: 'administrator' }],
      vhosts: names.map((name) => ({ name })),
      permissions: names.map((vhost) => ({ user: 'guest', vhost, ...all })),
    }),
  )
  const conf = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'log.console = true',
    `load_definitions = ${definitions}`,
    ...(options.conf ?? []),
  ]
  await writeFile(join(dir, 'rabbitmq.conf'), `${conf.join('\n')}\n`)
  await writeFile(join(dir, 'enabled_plugins'), '[].\n')
  return {
    HOME: dir,
    RABBITMQ_NODENAME: `celeriac${port}@localhost`,
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
    RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_PID_FILE: join(dir, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_DIST_PORT: String(await freePort()),
  }
}
