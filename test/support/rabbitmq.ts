/** A private RabbitMQ server, as a process or in a container, with empty vhosts at hand. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { imageOf, startContainer } from './container.ts'
import { Process } from './process.ts'
import { freePort, sourceOf, tracked, type Program, type Server } from './server.ts'

export interface RabbitmqServer extends Server {
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

export const RABBITMQ: Program = {
  name: 'RabbitMQ',
  path: '/usr/lib/rabbitmq/bin/rabbitmq-server',
  debian: 'rabbitmq-server',
  env: 'CELERIAC_TEST_AMQP_URL',
  image: imageOf('CELERIAC_TEST_RABBITMQ_IMAGE', 'rabbitmq:4-management-alpine'),
}
const CTL = '/usr/lib/rabbitmq/bin/rabbitmqctl'
const READY = /Server startup complete/
const run = promisify(execFile)

export async function startRabbitmq(options: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  const source = await sourceOf(RABBITMQ)
  const server = await (source === 'process' ? startProcess(options) : startInside(options))
  let made = options.vhosts ?? 0
  return tracked({
    ...server,
    vhostUrl: async (n) => {
      for (; made < n; made += 1) await server.ctl('eval', addVhost(`t${made + 1}`))
      return new URL(`/t${n}`, server.url).href
    },
  })
}

type Started = Omit<RabbitmqServer, 'vhostUrl'>

async function startProcess(options: RabbitmqOptions): Promise<Started> {
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-rabbitmq-'))
  const port = await freePort()
  const env = await configure(dir, port, options)
  const start = async (): Promise<Process> => {
    const server = new Process(RABBITMQ.path, [], { env, cwd: dir })
    await server.says(READY, 60)
    return server
  }
  let server = await start()
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    port,
    ctl: async (...args) => {
      const { stdout } = await run(CTL, args, { env: { ...process.env, ...env }, timeout: 60_000 })
      return stdout
    },
    stop: async () => {
      await server.stop(20)
      await rm(dir, { recursive: true, force: true })
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}

async function startInside(options: RabbitmqOptions): Promise<Started> {
  const port = await freePort()
  const [conf, definitions] = ['/etc/rabbitmq/celeriac.conf', '/etc/rabbitmq/celeriac.json']
  const lines = ['listeners.tcp.default = 5672', 'loopback_users.guest = false']
  const server = await startContainer({
    image: RABBITMQ.image,
    ports: [{ container: 5672, host: port }],
    ready: READY,
    configure: (container) =>
      container
        .withEnvironment({ RABBITMQ_CONFIG_FILE: conf })
        // With no limit, as some Dockers have it, Erlang reserves gigabytes for its table of ports.
        .withUlimits({ nofile: { soft: 4096, hard: 4096 } })
        .withCopyContentToContainer([
          { target: conf, content: configuration(lines, definitions, options) },
          { target: definitions, content: JSON.stringify(guestAndVhosts(options)) },
        ]),
  })
  return {
    ...server,
    url: `amqp://guest:guest@${server.host}:${port}/`,
    port,
    ctl: (...args) => server.exec(['rabbitmqctl', ...args]),
  }
}

/** A vhost that guest may use, in one call of `rabbitmqctl eval` (each call costs a second). */
function addVhost(name: string): string {
  const permissions = `rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${name}">>, <<".*">>, <<".*">>, <<".*">>, <<"celeriac">>)`
  return `rabbit_vhost:add(<<"${name}">>, <<"celeriac">>), ${permissions}.`
}

/** `rabbitmq.conf`. */
function configuration(
  lines: readonly string[],
  definitions: string,
  { conf = [] }: RabbitmqOptions,
): string {
  const all = [...lines, 'log.console = true', `load_definitions = ${definitions}`, ...conf]
  return `${all.join('\n')}\n`
}

/** The definitions that it loads. */
function guestAndVhosts({ vhosts = 0 }: RabbitmqOptions): unknown {
  const names = ['/', ...Array.from({ length: vhosts }, (_, n) => `t${n + 1}`)]
  const all = { configure: '.*', write: '.*', read: '.*' }
  return {
    users: [{ name: 'guest', password: 'guest', tags: 'administrator' }],
    vhosts: names.map((name) => ({ name })),
    permissions: names.map((vhost) => ({ user: 'guest', vhost, ...all })),
  }
}

async function configure(
  dir: string,
  port: number,
  options: RabbitmqOptions,
): Promise<Record<string, string>> {
  const [conf, definitions] = [join(dir, 'rabbitmq.conf'), join(dir, 'definitions.json')]
  const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`]
  await writeFile(definitions, JSON.stringify(guestAndVhosts(options)))
  await writeFile(conf, configuration(lines, definitions, options))
  await writeFile(join(dir, 'enabled_plugins'), '[].\n')
  return {
    HOME: dir,
    RABBITMQ_NODENAME: `celeriac${port}@localhost`,
    RABBITMQ_CONFIG_FILE: conf,
    RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_PID_FILE: join(dir, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_DIST_PORT: String(await freePort()),
  }
}
