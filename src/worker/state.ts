/** What this worker has in hand: scheduled, reserved, active; how much it ran; and what not to run. */

import { saferepr } from '../../protocol/python/repr.ts'
import type { Clock } from '../runtime/clock.ts'
import { shown } from './log-line.ts'
import { Survivors } from './redelivery.ts'
import { Revoked, type RevokedOptions } from './revoked.ts'
import { RevokedStamps, type Stamped } from './stamps.ts'
import type { TimeLimit } from './time-limit.ts'

/** What the state needs to know of a request. */
export interface Tracked {
  readonly id: string
  readonly taskName: string
}

/** @see celery 5.6, worker/state.py, which keeps it in globals: here every worker has its own. */
export class WorkerState<R extends Tracked = Tracked> {
  /** Waits for its eta. */
  readonly scheduled: Set<R> = new Set()
  /** Given to the pool; the active ones too. */
  readonly reserved: Set<R> = new Set()
  /** Runs now. */
  readonly active: Set<R> = new Set()
  /** How often each task was accepted; its names are those of the registry. */
  readonly totals: Map<string, number> = new Map()
  /** The time limits that a remote command gave a task in place of its own; a null is none of its own. */
  readonly limits: Map<string, TimeLimit> = new Map()
  readonly revoked: Revoked
  readonly revokedStamps: RevokedStamps
  /** What it let go of without a run that died. */
  readonly survivors: Survivors = new Survivors()
  /** Hears of each that is over, or no longer ours. */
  onReady: () => void = () => {}
  /** Hears of each id and stamp that is revoked. */
  onRevoked: () => void = () => {}

  constructor(clock?: Clock, bounds: Pick<RevokedOptions, 'maxLength' | 'expires'> = {}) {
    const onAdded = (): void => this.onRevoked()
    const options = { ...bounds, ...(clock === undefined ? {} : { clock }), onAdded }
    this.revoked = new Revoked(options)
    this.revokedStamps = new RevokedStamps(options)
  }

  /** Whether any task could be revoked: without, there is nothing to look up. */
  get hasRevoked(): boolean {
    return this.revoked.size > 0 || this.revokedStamps.size > 0
  }

  /**
   * Why a task must not run, for the end of a log line; undefined when it may.
   *
   * @see celery 5.6, worker/request.py, `revoked`
   */
  revocation(message: Stamped & { readonly id: string }): string | undefined {
    if (this.revoked.size > 0 && this.revoked.has(message.id)) return ''
    if (this.revokedStamps.size === 0 || message.stampedHeaders === null) return undefined
    const [found] = this.revokedStamps.matches(message)
    return found && ` (revoked by header: ${shown(saferepr({ [found[0]]: found[1] }))})`
  }

  accepted(request: R): void {
    this.active.add(request)
    this.totals.set(request.taskName, (this.totals.get(request.taskName) ?? 0) + 1)
  }

  /** It is over, or no longer ours. */
  ready(request: R): void {
    this.reserved.delete(request)
    this.active.delete(request)
    this.onReady()
  }
}
