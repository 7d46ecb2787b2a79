/** What must hold at every step of a history, and at its end. */

import type { ResultMeta } from '../../protocol/result.ts'
import { READY_STATES, REVOKED } from '../../protocol/states.ts'
import type { TaskContext } from '../../src/task/context.ts'
import type { PortObserver } from './connection.ts'
import type { BrokerObserver, Copy, Exit, Holder } from './copy.ts'
import type { SimDelivery } from './delivery.ts'
import {
  allowed,
  factsOf,
  isDone,
  isOpen,
  isOwed,
  retriesOf,
  type Facts,
  type Watched,
} from './facts.ts'
import { KINDS, type Stage, type TaskSpec } from './load.ts'
import type { StoreObserver } from './backend.ts'
import type { Actor, World } from './world.ts'

/** A history that must not be. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** Runs of these may give their message back: as they were told, or because the next try could not be sent. */
const ENDINGS_AGAIN: ReadonlySet<string> = new Set(['requeueOnce', 'retry', 'giveUp'])
/** @see src/worker/eta.ts, `AHEAD_MS` */
const ETA_RAISES_MS = 1000
/** A simulated broker has answered by then. */
const MOVES_MS = 10_000
/** @see src/conf/settings.ts, `max_deliveries` */
const MAX_DELIVERIES = 5
export class Checker implements BrokerObserver, StoreObserver, PortObserver, Stage {
  readonly #world: World
  readonly facts = new Map<string, Facts>()
  readonly #watched = new Map<Actor, Watched>()
  readonly #settled = new Map<number, string>()
  readonly #arrivals = new Map<string, number>()
  readonly #starts = new Map<string, number>()
  readonly #attempted = new Map<string, Set<string>>()
  /** Connections that were lost while something was published. */
  unsure = 0

  constructor(world: World, specs: readonly TaskSpec[]) {
    this.#world = world
    for (const spec of specs) this.facts.set(spec.id, factsOf(spec))
    for (const { spec } of this.facts.values()) {
      const next = spec.next && this.facts.get(spec.next.id)
      if (next !== undefined) next.sender = this.facts.get(spec.id)
    }
  }

  watch(watched: Watched): void {
    this.#watched.set(watched.actor, watched)
  }

  // -- the body

  spec(id: string): TaskSpec {
    return this.#known(id).spec
  }

  starts({ id }: TaskSpec): number {
    return this.#known(id).starts
  }

  started({ request }: TaskContext, spec: TaskSpec): void {
    const facts = this.#known(spec.id)
    const { actor } = this.#world
    facts.starts += 1
    this.#world.note(`${actor.name}: ${spec.id} starts, retries ${request.retries}`)
    const key = `${actor.name} ${spec.id} ${request.retries}`
    const starts = add(this.#starts, key)
    if (starts > (this.#arrivals.get(key) ?? 0)) {
      this.fail(`${spec.id} ran ${starts} times in ${actor.name}, more often than it was delivered`)
    }
    this.#inTime(spec, request)
    if (this.#watched.get(actor)?.revoked.has(spec.id) === true && !this.#startsSlowly(spec)) {
      this.fail(`${spec.id} was started although ${actor.name} knew that it was revoked`)
    }
  }

  #inTime(spec: TaskSpec, { eta, expires }: TaskContext['request']): void {
    const now = this.#world.time.now()
    if (eta !== null && now < Date.parse(eta)) {
      this.fail(`${spec.id} was started ${Date.parse(eta) - now} ms before its eta`)
    }
    if (expires !== null && now > Date.parse(expires) && !this.#startsSlowly(spec)) {
      this.fail(`${spec.id} was started ${now - Date.parse(expires)} ms after it had expired`)
    }
  }

  /** Whether time may pass between the last look and the first line. */
  #startsSlowly({ id, task }: TaskSpec): boolean {
    return KINDS[task].slowStart || this.#known(id).rerun
  }

  ended(spec: TaskSpec, how: 'value' | 'error' | 'retry' | 'reject' | 'ignore'): void {
    const facts = this.#known(spec.id)
    this.#world.note(`${this.#world.actor.name}: ${spec.id} ends with ${how}`)
    if (how === 'ignore' || (how === 'reject' && spec.ending === 'reject')) facts.over = true
    // what was acked early cannot be given back any more: Celery loses it, too
    if (how === 'reject' && !KINDS[spec.task].late) facts.over = true
    if (!KINDS[spec.task].stores && (how === 'value' || how === 'error')) facts.over = true
  }

  pause(ms: number, goOn: () => void): void {
    this.#world.time.pause(ms, goOn)
  }

  // -- the broker

  entered(copy: Copy): void {
    const facts = this.#of(copy)
    if (facts === undefined) return
    const retries = retriesOf(copy)
    facts.copies.add(copy)
    facts.entered[retries] = (facts.entered[retries] ?? 0) + 1
    for (const [watched, tried] of facts.owed) if (tried < retries) facts.owed.delete(watched)
    const sources = retries === 0 ? (facts.sender?.starts ?? 1) : facts.starts
    if (facts.entered[retries] > sources + this.unsure) {
      this.fail(`${facts.spec.id} was sent more often than anybody asked for`)
    }
  }

  handed(copy: Copy, { actor, held, prefetchCount }: Holder): void {
    const facts = this.#of(copy)
    if (facts !== undefined) countHanded(facts, retriesOf(copy))
    if (prefetchCount > 0 && held.size >= prefetchCount) {
      this.fail(`${actor.name} was given more than its prefetch count`)
    }
  }

  copied(copy: Copy): void {
    this.#world.note(`message ${copy.serial} is a copy`)
    this.#of(copy)?.copies.add(copy)
  }

  returned(copy: Copy, why: string): void {
    this.#world.note(`message ${copy.serial} is back: ${why}`)
  }

  left(copy: Copy, how: Exit, actor: Actor): void {
    this.#world.note(`message ${copy.serial} is gone: ${how} by ${actor.name}`)
    const facts = this.#of(copy)
    if (facts === undefined) return
    facts.copies.delete(copy)
    if (how === 'expired') facts.over = true
    const watched = this.#watched.get(actor)
    if (how !== 'ack' || watched === undefined || KINDS[facts.spec.task].late) return
    facts.owed.set(watched, retriesOf(copy))
  }

  // -- the port of the worker

  arrived(delivery: SimDelivery): void {
    const { copy, channel } = delivery
    const { actor } = channel.holder
    const facts = this.#of(copy)
    if (facts !== undefined) {
      add(this.#arrivals, `${actor.name} ${facts.spec.id} ${retriesOf(copy)}`)
      add(this.#arrivals, `${actor.name} ${facts.spec.id}`)
    }
    if (copy.message.headers['eta'] != null) {
      this.#watched.get(actor)?.etas.set(delivery.deliveryTag, this.#world.time.now())
    }
    const id = revokedBy(delivery)
    if (id !== undefined) this.#watched.get(actor)?.revoked.add(id)
  }

  settling(delivery: SimDelivery, how: string): void {
    const { copy, channel, deliveryTag } = delivery
    const { actor } = channel.holder
    this.#world.note(`${actor.name}: will ${how} ${deliveryTag}, message ${copy.serial}`)
    const before = this.#settled.get(deliveryTag)
    this.#settled.set(deliveryTag, how)
    if (before !== undefined) {
      this.fail(`${actor.name} settled delivery ${deliveryTag} twice: ${before}, then ${how}`)
    }
    const facts = this.#of(copy)
    if (facts === undefined) return
    if (how === 'ack' && KINDS[facts.spec.task].late) this.#checkLateAck(facts, copy, actor)
    if (how === 'postpone') this.#watched.get(actor)?.etas.set(deliveryTag, this.#world.time.now())
    if (how === 'reject') this.#checkReject(facts, actor)
    if (how === 'bury') this.#checkBury(facts, delivery)
    if (how === 'requeue') this.#checkRequeue(facts, delivery)
  }

  /** Nothing is left to be told: the result is stored, or the task was sent again. */
  #checkLateAck(facts: Facts, copy: Copy, actor: Actor): void {
    if (facts.told || isDone(facts) || (facts.entered[retriesOf(copy) + 1] ?? 0) > 0) return
    this.fail(`${actor.name} acked ${facts.spec.id}, a late-ack task, before its result was stored`)
  }

  #checkReject(facts: Facts, actor: Actor): void {
    const { ending, task } = facts.spec
    if (ending === 'reject' || (task === 'sim.lateStrict' && (facts.told || isDone(facts)))) return
    this.fail(`${actor.name} rejected ${facts.spec.id}, which nobody asked for`)
  }

  /** Only what has ended too many workers. */
  #checkBury(facts: Facts, { deliveryCount, channel }: SimDelivery): void {
    if (deliveryCount + 1 >= MAX_DELIVERIES && isDone(facts)) return
    this.fail(`${channel.holder.actor.name} buried ${facts.spec.id}, which can be read`)
  }

  #checkRequeue({ spec }: Facts, { channel, redelivered }: SimDelivery): void {
    // where no broker counts, what was delivered before goes back once, to be counted
    if (redelivered) return
    const { actor } = channel.holder
    const watched = this.#watched.get(actor)
    const limited = spec.options.timeLimit !== undefined || spec.options.softTimeLimit !== undefined
    if (watched === undefined || watched.phase !== 'running' || watched.shaken) return
    if (ENDINGS_AGAIN.has(spec.ending) || (limited && spec.task === 'sim.lateStrict')) return
    this.fail(`${actor.name} gave ${spec.id} back without a reason`)
  }

  /**
   * By how much eta tasks may raise the prefetch count: those that came a second ago, and those in hand,
   * which may be on their way to the broker besides, until its answer is there.
   */
  #etas({ etas }: Watched): number {
    const now = this.#world.time.now()
    let count = 0
    for (const [tag, arrived] of etas) {
      const inHand = !this.#settled.has(tag)
      if (inHand || arrived >= now - ETA_RAISES_MS) count += 1
      if (inHand || arrived >= now - MOVES_MS) count += 1
    }
    return count
  }

  /** A copy could not be sent: the original is still to be answered. */
  unsettled({ deliveryTag }: SimDelivery): void {
    this.#settled.delete(deliveryTag)
  }

  qos(actor: Actor, prefetchCount: number): void {
    const watched = this.#watched.get(actor)
    // the consumer of remote commands has no limit, and says so; after a loss Celery asks for fewer
    if (watched === undefined || prefetchCount === 0) return
    const most = watched.prefetchCount + this.#etas(watched)
    if (prefetchCount > most) {
      this.fail(`${actor.name} asked for ${prefetchCount} messages, not for at most ${most}`)
    }
  }

  // -- the backend

  storing({ taskId, status }: ResultMeta, actor: Actor): void {
    const facts = this.facts.get(taskId)
    if (facts === undefined || !READY_STATES.has(status) || status === 'REVOKED') return
    const key = `${actor.name} ${taskId}`
    const attempted = this.#attempted.get(key) ?? new Set<string>()
    this.#attempted.set(key, attempted.add(status))
    if (attempted.size > (this.#arrivals.get(key) ?? 0)) {
      this.fail(
        `${actor.name} stored two ends of one run of ${taskId}: ${[...attempted].join(', ')}`,
      )
    }
  }

  stored({ taskId, status }: ResultMeta, before: ResultMeta | undefined, actor: Actor): void {
    this.#world.note(`${actor.name}: ${taskId} is ${status}, was ${before?.status}`)
    const facts = this.facts.get(taskId)
    if (facts === undefined) return
    facts.status = status
    if (READY_STATES.has(status)) facts.told = true
    if (status === 'SUCCESS') this.#checkNext(facts)
    if (before === undefined || !READY_STATES.has(before.status) || status === before.status) return
    if (facts.rerun && !READY_STATES.has(status)) return
    if (!this.#mayDiffer(facts)) {
      this.fail(`${taskId} was ${before.status}, and became ${status}`)
    }
  }

  /** What follows is on its way before anybody can see that it should be. */
  #checkNext({ spec }: Facts): void {
    const next = spec.next && this.facts.get(spec.next.id)
    if (next === undefined) return
    if (next.entered.length === 0) this.fail(`${spec.id} is SUCCESS, and what follows was not sent`)
    next.confirmed = true
  }

  /** Whether two runs of it may end in different ways. */
  #mayDiffer({ spec, revoked, rerun }: Facts): boolean {
    const { expires, timeLimit, softTimeLimit } = spec.options
    const limited = expires !== undefined || timeLimit !== undefined || softTimeLimit !== undefined
    // a run fails when what follows, or the next try, was not confirmed, and may be sent all the same
    const retries = spec.ending === 'retry' || spec.ending === 'giveUp'
    if (retries && !KINDS[spec.task].late) return true
    return revoked || ((limited || retries || spec.next !== undefined) && rerun)
  }

  failed({ taskId, status }: ResultMeta): void {
    const facts = this.facts.get(taskId)
    // what ran keeps its slot until it is stored; what did not run is told once
    if (facts !== undefined && status === REVOKED) facts.unstored = true
  }

  // -- every step

  check(): void {
    for (const facts of this.facts.values()) {
      const owed = isOwed(facts)
      if (!facts.confirmed || facts.copies.size > 0 || facts.lost || isDone(facts)) continue
      if (owed) continue
      this.fail(`${facts.spec.id} is nowhere: in no queue, in nobody's hand, without an end`)
    }
  }

  /** Whether nothing is left to be done. */
  get drained(): boolean {
    for (const facts of this.facts.values()) if (isOpen(facts)) return false
    return true
  }

  /** What is missing, for the message of a history that does not come to its end. */
  missing(): string {
    return [...this.facts.values()]
      .filter(isOpen)
      .map(({ spec, status, copies }) => {
        const places = [...copies].map(({ serial, place }) => `message ${serial} ${place}`)
        return `${spec.id} (${spec.task}, ${spec.ending}) is ${status}, ${places.join(', ')}`
      })
      .join('; ')
  }

  checkEnd(): void {
    for (const { spec, status, revoked, handed } of this.facts.values()) {
      if (status === undefined || !READY_STATES.has(status)) continue
      if (handed >= MAX_DELIVERIES && status === 'FAILURE') continue
      if (!allowed(spec, revoked).includes(status)) {
        this.fail(`${spec.id}, which should end with ${spec.ending}, is ${status}`)
      }
    }
  }

  #of({ message }: Copy): Facts | undefined {
    const id = message.headers['id']
    return typeof id === 'string' ? this.facts.get(id) : undefined
  }

  #known(id: string): Facts {
    const facts = this.facts.get(id)
    if (facts === undefined) throw new Error(`no task ${id} in this history`)
    return facts
  }

  fail(what: string): void {
    this.#world.note(`VIOLATION: ${what}`)
    this.violation ??= new Violation(what)
  }

  /** The first one; thrown after the step, for the code under test must not catch it. */
  violation: Violation | undefined
}

function countHanded(facts: Facts, retries: number): void {
  facts.handed += 1
  const times = (facts.handedBy[retries] ?? 0) + 1
  facts.handedBy[retries] = times
  if (times > 1) facts.rerun = true
}

/** The task that a remote command revokes. */
function revokedBy({ message, queue }: SimDelivery): string | undefined {
  if (!queue.endsWith('pidbox')) return undefined
  const command = JSON.parse(message.body.toString()) as { arguments?: { task_id?: string } }
  return command.arguments?.task_id
}

function add(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1
  counts.set(key, count)
  return count
}
