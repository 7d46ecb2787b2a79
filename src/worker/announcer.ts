/** Tells those who listen what the worker did with messages before they ran. */

import { peekTask } from '../../protocol/task/decode.ts'
import { NotRegistered, TaskRevokedError } from '../errors.ts'
import type { Delivery } from '../messaging/transport.ts'
import type { Logger } from '../runtime/log.ts'
import type { Marker } from '../task/marker.ts'
import type { Request, Revocation } from './request.ts'
import { taskReceived, taskRejected, taskRevoked, taskUnknown } from './signals.ts'
import type { Verdicts } from './verdict.ts'

export interface AnnounceOptions {
  /** The node name. */
  readonly hostname: string
  readonly log: Logger
  readonly verdicts: Verdicts
  readonly marker: Marker
}

export class Announcer {
  readonly #options: AnnounceOptions

  constructor(options: AnnounceOptions) {
    this.#options = options
  }

  received({ message }: Request): void {
    const { hostname, log } = this.#options
    if (taskReceived.active) void taskReceived.send(hostname, { request: message }, log)
  }

  refused({ message }: Delivery, error: Error): void {
    const { hostname, log } = this.#options
    if (!(error instanceof NotRegistered)) {
      if (taskRejected.active) void taskRejected.send(hostname, { message, exc: error }, log)
    } else if (taskUnknown.active) {
      const id = peekTask(message)?.id ?? null
      void taskUnknown.send(hostname, { message, exc: error, name: error.message, id }, log)
    }
  }

  /** Stores REVOKED, unless the task's results are ignored. */
  async revoked(
    { message, policy, taskName }: Request,
    { reason, signum }: Revocation,
  ): Promise<void> {
    const { verdicts, marker, log } = this.#options
    const error = new TaskRevokedError(reason)
    if (!policy.ignoreResult || policy.storeErrorsEvenIfIgnored) {
      await verdicts.revoked(message, error)
    }
    const { chord, chain } = message.embed
    if (chord !== null || chain !== null) await marker.revoked(message, error)
    if (!taskRevoked.active) return
    const [terminated, expired] = [reason === 'terminated', reason === 'expired']
    await taskRevoked.send(taskName, { request: message, terminated, signum, expired }, log)
  }
}
