/** A simulated worker process: it runs a real worker on simulated ports, and may die between any two steps. */

import type { Celery } from '../../src/app/celery.ts'
import { Worker } from '../../src/worker/worker.ts'
import { SimBackend, type ResultStore } from './backend.ts'
import type { Broker } from './broker.ts'
import type { Checker } from './checker.ts'
import type { SimConnection } from './connection.ts'
import type { Phase, Watched } from './facts.ts'
import { processApp } from './host.ts'
import type { Mutant } from './mutants.ts'
import { SimTransport } from './transport.ts'
import type { Actor, World } from './world.ts'

/** Where processes live, and what goes wrong there. */
export interface Surroundings {
  readonly world: World
  readonly broker: Broker
  readonly store: ResultStore
  readonly checker: Checker
  readonly app: Celery
  readonly connections: Set<SimConnection>
  /** A bug that is put in. */
  readonly mutant: Mutant
  readonly faults: {
    refusals: number
    nacks: number
    backendFailures: number
  }
}

/** A real app of one process, on the simulated ports. */
export function appOf(actor: Actor, surroundings: Surroundings): Celery {
  const { world, broker, store, checker, app, connections, faults, mutant } = surroundings
  const backend = new SimBackend({
    world,
    store,
    actor,
    observer: checker,
    fails: () => faults.backendFailures > 0 && (faults.backendFailures -= 1) >= 0,
  })
  const transport = (): SimTransport =>
    new SimTransport({
      world,
      broker,
      actor,
      connections,
      observer: checker,
      mutant,
      refuses: () => faults.refusals > 0 && (faults.refusals -= 1) >= 0,
      refusesMessage: () => faults.nacks > 0 && (faults.nacks -= 1) >= 0,
    })
  return processApp(app, { transport, backend: mutant.backend?.(backend) ?? backend })
}

export interface ProcessOptions {
  readonly concurrency: number
  readonly prefetchMultiplier: number
}

export class WorkerProcess implements Watched {
  readonly actor: Actor
  readonly worker: Worker
  readonly prefetchCount: number
  readonly revoked: Set<string> = new Set()
  readonly etas: Map<number, number> = new Map()
  readonly options: ProcessOptions
  readonly #surroundings: Surroundings
  phase: Phase = 'running'
  shaken = false

  constructor(name: string, surroundings: Surroundings, options: ProcessOptions) {
    const { world, checker, mutant } = surroundings
    this.#surroundings = surroundings
    this.options = options
    this.actor = { name, alive: true }
    this.prefetchCount = options.concurrency * options.prefetchMultiplier
    world.actor = this.actor
    this.worker = new Worker(appOf(this.actor, surroundings), {
      hostname: `${name}@sim`,
      pool: 'async',
      ...options,
      ...(mutant.clock === undefined ? {} : { clock: mutant.clock(world.time) }),
    })
    mutant.worker?.(this.worker)
    checker.watch(this)
  }

  get over(): boolean {
    return this.phase === 'warmEnd' || this.phase === 'coldEnd' || this.phase === 'crashed'
  }

  async start(onOver: () => void): Promise<void> {
    const { world } = this.#surroundings
    void this.worker.closed.then(() => {
      world.note(`${this.actor.name} has ended`)
      this.phase = this.phase === 'cold' ? 'coldEnd' : 'warmEnd'
      onOver()
    })
    await world.as(this.actor, () => {
      this.worker
        .start()
        .catch((error: unknown) => world.note(`${this.actor.name}: ${String(error)}`))
    })
  }

  async stop(): Promise<void> {
    if (this.phase !== 'running') return
    this.phase = 'warm'
    await this.#tell('SIGTERM', () => void this.worker.stop())
  }

  async terminate(): Promise<void> {
    if (this.over || this.phase === 'cold') return
    this.phase = 'cold'
    await this.#tell('SIGQUIT', () => void this.worker.terminate())
  }

  /** kill -9 */
  crash(): void {
    if (this.over) return
    const { world, connections } = this.#surroundings
    world.note(`${this.actor.name}: SIGKILL`)
    this.phase = 'crashed'
    world.kill(this.actor)
    for (const connection of connections) {
      if (connection.options.actor === this.actor) connection.abandon()
    }
  }

  async #tell(signal: string, act: () => void): Promise<void> {
    const { world } = this.#surroundings
    world.note(`${this.actor.name}: ${signal}`)
    await world.as(this.actor, act)
  }
}
