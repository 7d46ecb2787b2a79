/** One history: drawn from its seed, lived through to a quiet end, and checked at every step. */

import { ResultStore } from './backend.ts'
import { Broker } from './broker.ts'
import { Checker, Violation } from './checker.ts'
import { faultsOf, type Act, type Scene } from './fate.ts'
import { drawApp, drawTask, enter, linkOf, withNext, type TaskSpec } from './load.ts'
import { appOf, WorkerProcess, type ProcessOptions, type Surroundings } from './process.ts'
import { SOUND, type Mutant } from './mutants.ts'
import { World, type Actor } from './world.ts'

export interface HistoryOptions {
  readonly seed: number
  /** @default false */
  readonly traced?: boolean
  /** A bug that is put in, to see whether it is found. */
  readonly mutant?: Mutant
}

export interface HistoryResult {
  readonly steps: number
  readonly violation: string | undefined
  readonly trace: readonly string[]
}

/** Nothing happens by script after so many steps. */
const SCRIPT_STEPS = 90
/** A history that has not come to its end after so many is stuck. */
const MAX_STEPS = 6000

/** How often all may be told to go home. */
const MAX_ROUNDS = 4

/** Lives through one history. What goes wrong in it comes back as text; this does not reject. */
export async function live(options: HistoryOptions): Promise<HistoryResult> {
  const { stackTraceLimit } = Error
  // to write down where each error came from takes longer than most of what happens
  if (options.traced !== true) Error.stackTraceLimit = 0
  const history = new History(options)
  let violation: string | undefined
  const { world } = history
  const unhandled = (error: unknown): void => history.fail(`unhandled rejection: ${String(error)}`)
  process.on('unhandledRejection', unhandled)
  world.time.install()
  try {
    await history.run()
  } catch (error) {
    violation = error instanceof Violation ? error.message : String((error as Error).stack)
  } finally {
    world.time.uninstall()
    process.off('unhandledRejection', unhandled)
    enter(undefined)
    Error.stackTraceLimit = stackTraceLimit
  }
  return { steps: world.steps, violation, trace: world.trace }
}

class History {
  readonly world: World
  readonly #checker: Checker
  readonly #surroundings: Surroundings
  readonly #client: Actor = { name: 'client', alive: true }
  readonly #specs: readonly TaskSpec[]
  readonly #script = new Map<number, Act[]>()
  readonly #slots: WorkerProcess[] = []
  #born = 0
  #ending = false
  /** What is to be done before the next step. */
  readonly #next: Act[] = []

  constructor({ seed, traced = false, mutant = SOUND }: HistoryOptions) {
    this.world = new World({ seed, traced })
    const { random } = this.world
    const count = random.between(1, 6)
    this.#specs = Array.from({ length: count }, (_, n) => drawTask(random, n + 1))
    this.#checker = new Checker(this.world, this.#specs.flatMap(withNext))
    const store = new ResultStore(this.#checker)
    const broker = new Broker(this.world, random.pick(['amqp', 'redis']), this.#checker)
    const faults = { refusals: 0, nacks: 0, backendFailures: 0 }
    const connections = new Set<never>()
    const checker = this.#checker
    const { world } = this
    const app = drawApp(random)
    this.#surroundings = { world, broker, store, checker, app, connections, faults, mutant }
  }

  fail(what: string): void {
    this.#checker.fail(what)
  }

  async run(): Promise<void> {
    const { random } = this.world
    enter(this.#checker)
    this.#write()
    const options = {
      concurrency: random.between(1, 3),
      prefetchMultiplier: random.pick([1, 1, 2, 4]),
    }
    const workers = random.pick([1, 1, 2])
    for (let slot = 0; slot < workers; slot += 1) await this.#spawn(slot, options)
    await this.#until(() => this.world.steps > SCRIPT_STEPS && this.#checker.drained)
    await this.#end()
  }

  /** Whom to start anew when it is over, as a supervisor does. */
  async #spawn(slot: number, options: ProcessOptions): Promise<void> {
    const process = new WorkerProcess(`w${(this.#born += 1)}`, this.#surroundings, options)
    this.#slots[slot] = process
    await process.start(() => this.#respawn(slot, options))
  }

  #respawn(slot: number, options: ProcessOptions): void {
    if (this.#ending) return
    const { time, fate, random } = this.world
    time.afterFor(fate, random.below(1500), () => {
      this.#next.push(() => (this.#ending ? undefined : this.#spawn(slot, options)))
    })
  }

  async #until(done: () => boolean): Promise<void> {
    const { world } = this
    const checker = this.#checker
    while (!done()) {
      for (const act of this.#due()) await act()
      const went = await world.step()
      checker.check()
      if (checker.violation !== undefined) throw checker.violation
      if (world.steps < MAX_STEPS && (went || world.steps <= SCRIPT_STEPS)) continue
      if (done()) return
      throw new Violation(`it does not come to its end: ${checker.missing()}`)
    }
  }

  /** What the script says for this step, and what was put off to it. */
  #due(): readonly Act[] {
    const due = [...this.#next.splice(0), ...(this.#script.get(this.world.steps) ?? [])]
    this.#script.delete(this.world.steps)
    return due
  }

  /** All is done: now everybody goes home, and leaves nothing behind. */
  async #end(): Promise<void> {
    this.#ending = true
    for (let round = 1; ; round += 1) {
      await this.#stopAll()
      if (this.#checker.drained || round === MAX_ROUNDS) break
      // what they gave back is for the next one
      await this.#spawn(0, { concurrency: 1, prefetchMultiplier: 1 })
      await this.#until(() => this.#checker.drained)
    }
    for (const process of this.#slots) this.#checkLeft(process)
    this.#checker.checkEnd()
    if (this.#checker.violation !== undefined) throw this.#checker.violation
    if (!this.#checker.drained) throw new Violation(`left undone: ${this.#checker.missing()}`)
  }

  async #stopAll(): Promise<void> {
    const living = (): WorkerProcess[] => this.#slots.filter((process) => !process.over)
    for (const process of living()) await process.stop()
    await this.#until(() => living().length === 0)
  }

  #checkLeft({ actor, worker, phase }: WorkerProcess): void {
    if (phase !== 'warmEnd') return
    const { scheduled, reserved, active } = worker.state
    const left = scheduled.size + reserved.size + active.size
    if (left > 0) throw new Violation(`${actor.name} has ended, with ${left} requests in hand`)
    const alarms = this.world.time.pending(actor)
    if (alarms > 0) throw new Violation(`${actor.name} has ended, and left ${alarms} timers behind`)
  }

  // -- the script

  #write(): void {
    const { random } = this.world
    for (const spec of this.#specs) {
      this.#at(random.below(40), () => this.#publish(spec))
      if (this.#surroundings.app.conf.workerEnableRemoteControl && random.chance(0.4)) {
        this.#at(random.between(10, 70), () => this.#revoke(spec, random.chance(0.5)))
      }
    }
    const faults = random.pick([0, 1, 1, 2, 3, 5])
    for (let n = 0; n < faults; n += 1) {
      const fault = random.pick(faultsOf(this.#scene))
      this.#at(random.between(3, SCRIPT_STEPS), fault)
    }
    this.#at(SCRIPT_STEPS, () => this.#quiet())
  }

  #at(step: number, act: Act): void {
    this.#script.set(step, [...(this.#script.get(step) ?? []), act])
  }

  #publish(spec: TaskSpec): Promise<void> {
    const { world } = this
    const facts = this.#checker.facts.get(spec.id)
    world.note(`client: sends ${spec.id}: ${JSON.stringify(spec)}`)
    return world.as(this.#client, () => {
      const link = spec.next === undefined ? {} : { link: linkOf(spec.next) }
      const options = { taskId: spec.id, ...spec.options, ...link }
      void this.#clientApp.sender.send(spec.task, [spec.id], options).then(
        () => {
          world.note(`client: ${spec.id} is confirmed`)
          if (facts !== undefined) facts.confirmed = true
        },
        (error: unknown) => world.note(`client: ${spec.id} is refused: ${String(error)}`),
      )
    })
  }

  #revoke({ id }: TaskSpec, terminate: boolean): Promise<void> {
    const facts = this.#checker.facts.get(id)
    if (facts !== undefined) facts.revoked = true
    const command = { method: 'revoke', arguments: { task_id: id, terminate } }
    this.world.note(`client: revokes ${id}${terminate ? ', terminate' : ''}`)
    return this.world.as(this.#client, () => {
      void this.#clientApp.control['mailbox'].cast(command).catch(() => {})
    })
  }

  get #scene(): Scene {
    return {
      surroundings: this.#surroundings,
      processes: this.#slots,
      crash: (process) => this.#crash(process),
      later: (steps, act) => this.#at(this.world.steps + steps, act),
    }
  }

  #crash(process: WorkerProcess): void {
    if (process.over) return
    process.crash()
    this.#checker.unsure += 1
    const slot = this.#slots.indexOf(process)
    const { concurrency, prefetchMultiplier } = process.options
    this.#respawn(slot, { concurrency, prefetchMultiplier })
  }

  /** From now on nothing goes wrong any more. */
  #quiet(): void {
    this.world.note('fate: is quiet from now on')
    this.world.calm()
    Object.assign(this.#surroundings.faults, { refusals: 0, nacks: 0, backendFailures: 0 })
  }

  get #clientApp(): ReturnType<typeof appOf> {
    this.#app ??= appOf(this.#client, this.#surroundings)
    return this.#app
  }

  #app: ReturnType<typeof appOf> | undefined
}
