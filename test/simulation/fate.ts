/** What may go wrong in a simulated world. */

import type { SimConnection } from './connection.ts'
import type { Surroundings, WorkerProcess } from './process.ts'

/** Something that happens between two steps. */
export type Act = () => void | Promise<void>

export interface Scene {
  readonly surroundings: Surroundings
  /** Those of now, the dead ones among them. */
  readonly processes: readonly WorkerProcess[]
  /** kill -9, and a supervisor who sees it. */
  readonly crash: (process: WorkerProcess) => void
  readonly later: (steps: number, act: Act) => void
}

/** Everything that may; some of it more likely than other. */
export function faultsOf(scene: Scene): readonly Act[] {
  const { broker } = scene.surroundings
  const own =
    broker.flavour === 'redis' ? (): void => steal(scene) : (): void => breakChannel(scene)
  return [...connectionFaults(scene), ...processFaults(scene), ...refusals(scene), own]
}

function connectionFaults({ surroundings, processes }: Scene): readonly Act[] {
  const { world, connections, checker } = surroundings
  const cut = (): void => {
    const open: readonly SimConnection[] = [...connections]
    if (open.length === 0) return
    const connection = world.random.pick(open)
    const { name } = connection.options.actor
    world.note(`fate: cuts a connection of ${name}`)
    checker.unsure += 1
    shake(processes, name)
    connection.cut()
  }
  return [cut, cut]
}

function processFaults({ surroundings, processes, crash, later }: Scene): readonly Act[] {
  const { random } = surroundings.world
  const one = (): WorkerProcess => random.pick(processes)
  const kill = (): void => crash(one())
  const hurry = async (): Promise<void> => {
    const process = one()
    await process.stop()
    later(random.between(2, 20), () => process.terminate())
  }
  return [kill, kill, () => one().stop(), () => one().terminate(), hurry]
}

function refusals({ surroundings }: Scene): readonly Act[] {
  const { world, faults, broker } = surroundings
  const { random } = world
  return [
    () => void (faults.refusals += random.between(1, 8)),
    () => void (faults.nacks += random.between(1, 5)),
    () => void (faults.backendFailures += 1),
    () => broker.cancelConsumers('celery'),
  ]
}

function steal({ surroundings, processes }: Scene): void {
  const robbed = surroundings.broker.steal()
  if (robbed !== undefined) shake(processes, robbed)
}

/** RabbitMQ closes a channel: somebody held a message for too long. */
function breakChannel({ surroundings, processes }: Scene): void {
  const { world, connections, checker } = surroundings
  const open = [...connections].flatMap(({ channels }) => [...channels])
  if (open.length === 0) return
  const channel = world.random.pick(open)
  const { name } = channel.holder.actor
  world.note(`fate: closes a channel of ${name}`)
  checker.unsure += 1
  shake(processes, name)
  channel.breakDown()
}

/** It may give back what it has in hand. */
function shake(processes: readonly WorkerProcess[], name: string): void {
  for (const process of processes) if (process.actor.name === name) process.shaken = true
}
