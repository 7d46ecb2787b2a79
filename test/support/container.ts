/** Servers of the tests that run in containers: the same port and the same data until they are stopped. */

import { spawnSync } from 'node:child_process'
import type { StartedTestContainer, GenericContainer } from 'testcontainers'

/** An image, and the variable that names another one. */
export interface Image {
  readonly name: string
  readonly env: string
}

export interface ContainerOptions {
  readonly image: Image
  /** Ports of the container, and where they are found outside. */
  readonly ports: readonly { readonly container: number; readonly host: number }[]
  /** What it says once it is ready. */
  readonly ready: RegExp
  /** The rest of what it needs. */
  configure(container: GenericContainer): GenericContainer
}

export interface Container {
  /** Where its ports are. */
  readonly host: string
  /** Runs a command in it and gives what it printed. */
  exec(command: readonly string[]): Promise<string>
  stop(): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
}

/** How long a container may take to be ready once its image is there. */
const START_LIMIT_MS = 90_000
/** How long it may take to end in order. */
const STOP_LIMIT_MS = 10_000

const running = new Set<string>()

/** Whether there is a Docker to start containers with. */
export async function dockerAnswers(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return await getContainerRuntimeClient().then(
    () => true,
    () => false,
  )
}

/** The image of a server: what the variable says, or the usual one. */
export function imageOf(env: string, usual: string): Image {
  return { name: process.env[env] ?? usual, env }
}

/** Fetches an image that is not here yet. */
export async function pullImage({ name, env }: Image): Promise<void> {
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers')
  const { image: images } = await getContainerRuntimeClient()
  const image = ImageName.fromString(name)
  if (await images.exists(image)) return
  console.log(`> docker pull ${name}`)
  await images.pull(image).catch((cause: unknown) => {
    throw new Error(`no image ${name} (${env} names another one): ${String(cause)}`, { cause })
  })
}

export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers')
  let output = ''
  const container = options
    .configure(new GenericContainer(options.image.name))
    .withExposedPorts(...options.ports)
    .withWaitStrategy(Wait.forLogMessage(options.ready))
    .withStartupTimeout(START_LIMIT_MS)
    .withLogConsumer((log) => {
      log.on('data', (chunk: Buffer) => void (output = (output + String(chunk)).slice(-4000)))
    })
  const started = await container.start().catch((cause: unknown) => {
    throw new Error(hint(options, cause, output), { cause })
  })
  const id = started.getId()
  running.add(id)
  const { container: containers } = await getContainerRuntimeClient()
  return {
    host: started.getHost().replace(/^localhost$/, '127.0.0.1'),
    exec: (command) => exec(started, command),
    stop: async () => {
      await started.stop({ timeout: STOP_LIMIT_MS })
      running.delete(id)
    },
    kill: () => containers.getById(id).kill() as Promise<void>,
    // Docker keeps the ports, since they were asked for by number, and the files.
    restart: () => started.restart(),
  }
}

async function exec(container: StartedTestContainer, command: readonly string[]): Promise<string> {
  const { output, exitCode } = await container.exec([...command])
  if (exitCode === 0) return output
  throw new Error(`${command.join(' ')} failed with ${exitCode} in its container: ${output}`)
}

function hint({ image }: ContainerOptions, cause: unknown, output: string): string {
  const said = output === '' ? '' : `; it said:\n${output}`
  return (
    `no container of ${image.name} (${image.env} names another image; where no registry can be reached, ` +
    `TESTCONTAINERS_RYUK_DISABLED=true does without the one of Ryuk): ${String(cause)}${said}`
  )
}

// Ryuk, where it is not disabled, removes what a killed run leaves behind; this is for all others.
process.once('exit', () => {
  if (running.size === 0) return
  const args = ['rm', '--force', '--volumes', ...running]
  spawnSync('docker', args, { stdio: 'ignore', timeout: 20_000 })
})
