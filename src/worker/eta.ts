/** Tasks that wait for their eta. */

import type { Clock } from '../runtime/clock.ts'
import type { Timer } from '../runtime/timer.ts'
import type { Prefetch } from './prefetch.ts'
import type { Request } from './request.ts'
import type { WorkerState } from './state.ts'

export interface EtaContext {
  readonly clock: Clock
  readonly timer: Timer
  readonly prefetch: Pick<Prefetch, 'increment' | 'decrement'>
  readonly state: WorkerState<Request>
}

export class EtaTasks {
  readonly #context: EtaContext
  readonly #onDue: (request: Request) => void

  constructor(context: EtaContext, onDue: (request: Request) => void) {
    this.#context = context
    this.#onDue = onDue
  }

  /** Holds a task that is not due yet, and hands it on when it is; false when it may go on now. */
  hold(request: Request): boolean {
    const { clock, timer, prefetch, state } = this.#context
    const { eta } = request.schedule
    if (eta === undefined || eta <= clock.now()) return false
    state.scheduled.add(request)
    // It holds its delivery: one more may be fetched in its place.
    prefetch.increment()
    timer.callAt(eta, () => {
      this.#release(request)
      this.#onDue(request)
    })
    return true
  }

  /** Gives back all of them. */
  drop(): void {
    const { timer, state } = this.#context
    timer.clear()
    for (const request of state.scheduled) {
      this.#release(request)
      request.onDropped()
    }
  }

  #release(request: Request): void {
    this.#context.state.scheduled.delete(request)
    this.#context.prefetch.decrement()
  }
}
