/** A task that takes its process along comes again: so often, and no more. */

import { WorkerLostError } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { Pool } from './pool/pool.ts'

export interface RedeliveryContext {
  /** How often a message is delivered whose runs die; null is without end. */
  readonly maxDeliveries: number | null
  readonly pool: Pick<Pool<unknown>, 'info'>
}

/** What becomes of a delivery that is about to run. */
export type Admission = 'run' | 'count' | 'giveUp'

/**
 * A task that is acked late, and runs in the worker's own process, may have ended a worker before:
 * the broker only says that it was delivered before, and to how many that only waited beside it as
 * well. So it is counted now, when it is about to run, as afterwards there may be nobody left to do it. It goes back once for that, and the copy that comes instead runs.
 */
export function admissionOf(delivery: Delivery, context: RedeliveryContext): Admission {
  const { maxDeliveries, pool } = context
  if (maxDeliveries === null) return 'run'
  if (delivery.deliveryCount >= maxDeliveries) return 'giveUp'
  if (!delivery.redelivered) return 'run'
  return pool.info().processes.includes(process.pid) ? 'count' : 'run'
}

export function gaveUp(deliveries: number, reason = 'Worker exited prematurely.'): WorkerLostError {
  return new WorkerLostError(`${reason} Gave up after ${deliveries} deliveries.`)
}

/** Half of the ids that are remembered at most. */
const GENERATION = 5000

/**
 * What this process had in hand and let go of alive: it stopped to wait, its connection was lost, it
 * ended though its ack came too late. When that comes again, no run of it has died here, whatever the
 * broker says: it is not counted.
 */
export class Survivors {
  #young = new Set<string>()
  #old = new Set<string>()

  add(id: string): void {
    this.#young.add(id)
    if (this.#young.size < GENERATION) return
    this.#old = this.#young
    this.#young = new Set()
  }

  /** Whether it is one of them; it is forgotten then. */
  take(id: string): boolean {
    const [isYoung, isOld] = [this.#young.delete(id), this.#old.delete(id)]
    return isYoung || isOld
  }
}

/** A request that may have to wait. */
export interface Copy {
  readonly id: string
  execute(): void
  onDropped(): void
}

/**
 * A message that goes back to be counted is a copy on RabbitMQ, and comes back before the broker has
 * heard that the original is done. Were it run at once, and took its worker along, there were two then.
 */
export class Copies {
  readonly #originals = new Map<string, Promise<void>>()
  readonly #waiting = new Set<Copy>()

  /** A copy is on its way; `settled` resolves when the original is told to be done. */
  expect(id: string, settled: Promise<void>): void {
    const gone = settled.then(written)
    this.#originals.set(id, gone)
    void gone.then(() => {
      if (this.#originals.get(id) === gone) this.#originals.delete(id)
    })
  }

  /** Whether a request has to wait; it is executed by itself then, as soon as it may. */
  hold(request: Copy): boolean {
    const gone = this.#originals.get(request.id)
    if (gone === undefined) return false
    this.#waiting.add(request)
    void gone.then(() => {
      if (this.#waiting.delete(request)) request.execute()
    })
    return true
  }

  /** Gives back what waits. */
  drop(): void {
    for (const request of this.#waiting) {
      this.#waiting.delete(request)
      request.onDropped()
    }
  }
}

/** Acks of one turn are written together at its end, or early in the next. */
async function written(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1)
    await new Promise<void>((resolve) => setImmediate(resolve))
}
