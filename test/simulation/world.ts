/** The scheduler of a simulated world: everything that happens in it happens in one of its steps, drawn from the seed. */

import { Random } from './random.ts'
import { VirtualTime, type Actor } from './time.ts'

export type { Actor } from './time.ts'

interface Entry {
  readonly what: string
  readonly run: () => void
}

/** What is on its way from one to another, in order; each entry arrives in a step of its own. */
export class Wire {
  readonly #world: World
  readonly #entries: Entry[] = []
  /** Whose code runs when something arrives. */
  readonly to: Actor
  /** How likely it is taken when it is drawn: some wires are slow. */
  readonly speed: number
  #sealed = false

  constructor(world: World, to: Actor, speed = 1) {
    this.#world = world
    this.to = to
    this.speed = speed
  }

  get length(): number {
    return this.#entries.length
  }

  push(what: string, run: () => void): void {
    if (this.#sealed || !this.to.alive) return
    this.#entries.push({ what, run })
    if (this.#entries.length === 1) this.#world.wake(this)
  }

  shift(): Entry | undefined {
    return this.#entries.shift()
  }

  /** The last part is lost. */
  truncate(kept: number): void {
    this.#entries.length = Math.min(this.#entries.length, kept)
    if (this.#entries.length === 0) this.#world.sleep(this)
  }

  /** Nothing gets through any more, but for one last word. */
  seal(what?: string, run?: () => void): void {
    if (what !== undefined && run !== undefined) this.push(what, run)
    this.#sealed = true
  }
}

export interface WorldOptions {
  readonly seed: number
  /** Whether to write down what happens, which costs time. */
  readonly traced: boolean
}

const SLOW = 0.08

export class World {
  readonly random: Random
  readonly time: VirtualTime
  /** The outer world: the broker, the backend, those who send, and fate. */
  readonly fate: Actor = { name: 'fate', alive: true }
  /** Whose code runs now. */
  actor: Actor = this.fate
  steps = 0
  /** Without it, an event is as likely as any other that can happen. */
  #haste: number
  readonly #slowness: number
  /** How many milliseconds things that could happen are made to wait for an alarm. */
  #patience: number
  readonly #trace: string[] | undefined
  #ready: Wire[] = []

  constructor({ seed, traced }: WorldOptions) {
    this.random = new Random(seed)
    this.#trace = traced ? [] : undefined
    this.#haste = this.random.pick([0.02, 0.1, 0.3])
    this.#slowness = this.random.pick([0, 0.15, 0.4])
    this.#patience = this.random.pick([100, 1000, 3000, 40_000])
    const noise = new Random(seed ^ 0x5bd1e995)
    this.time = new VirtualTime({ owner: () => this.actor, random: noise.next })
  }

  get trace(): readonly string[] {
    return this.#trace ?? []
  }

  /** Whether anything is on its way. */
  get busy(): boolean {
    return this.#ready.length > 0
  }

  /** From now on only what can happen soon is made to wait for an alarm, and rarely. */
  calm(): void {
    this.#haste = 0.02
    this.#patience = 100
  }

  note(what: string): void {
    this.#trace?.push(`${String(this.steps).padStart(4)} ${this.time.now() % 1e8} ${what}`)
  }

  wire(to: Actor): Wire {
    return new Wire(this, to, this.random.chance(this.#slowness) ? SLOW : 1)
  }

  wake(wire: Wire): void {
    this.#ready.push(wire)
  }

  sleep(wire: Wire): void {
    this.#ready = this.#ready.filter((other) => other !== wire)
  }

  /** Its process ends here: its timers never ring, and nothing reaches it. */
  kill(actor: Actor): void {
    actor.alive = false
    this.time.forget(actor)
    this.#ready = this.#ready.filter(({ to }) => to.alive)
  }

  /** Runs code of an actor, until it waits for something of the world. */
  async as(actor: Actor, run: () => void): Promise<void> {
    this.actor = actor
    run()
    await this.time.settle()
    this.actor = this.fate
  }

  /** The next thing happens; false when nothing will ever happen any more by itself. */
  async step(): Promise<boolean> {
    this.steps += 1
    const { random, time } = this
    if (random.chance(0.3)) time.pass(random.below(4))
    const leaps = this.#ready.length === 0 || (random.chance(this.#haste) && this.#mayLeap)
    if (!leaps) {
      await this.#arrive(this.#draw())
      return true
    }
    const alarms = time.take()
    for (const { owner, ring, every } of alarms) {
      if (every === undefined) this.note(`${owner.name}: alarm`)
      await this.as(owner, ring)
    }
    return alarms.length > 0
  }

  get #mayLeap(): boolean {
    const { next } = this.time
    return next !== undefined && next - this.time.now() <= this.#patience
  }

  /** Slow ones are drawn again, unless there is no other. */
  #draw(): Wire {
    const { random } = this
    for (let tries = 0; tries < 4; tries += 1) {
      const wire = random.pick(this.#ready)
      if (wire.speed === 1 || random.chance(wire.speed)) return wire
    }
    return random.pick(this.#ready)
  }

  async #arrive(wire: Wire): Promise<void> {
    const entry = wire.shift()
    if (wire.length === 0) this.sleep(wire)
    if (entry === undefined || !wire.to.alive) return
    this.note(`${wire.to.name}: ${entry.what}`)
    await this.as(wire.to, entry.run)
  }
}
