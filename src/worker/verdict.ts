/** What the worker itself stores of a task that it did not run: REVOKED, or a FAILURE that says why. */

import { isoformat } from '../../protocol/python/datetime.ts'
import { encodeException } from '../../protocol/python/exception.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { FAILURE, REVOKED } from '../../protocol/states.ts'
import { TaskRevokedError } from '../errors.ts'
import type { ResultBackend, StoreOptions } from '../results/backend.ts'
import type { Logger } from '../runtime/log.ts'
import { metaOf, preciseNow, storeOptionsOf } from '../task/meta.ts'
import type { TaskRequest } from '../task/request.ts'
import { shown } from './log-line.ts'

/** As much of a task as is needed to store something of it. */
export interface Judged {
  readonly id: string
  readonly replyTo: string | null
  readonly correlationId: string | null
}

export interface VerdictOptions {
  /** Opened at the first use. */
  readonly backend: () => ResultBackend
  readonly log: Logger
  /** @default resultExtended */
  readonly extended: boolean
}

export class Verdicts {
  readonly #options: VerdictOptions

  constructor(options: VerdictOptions) {
    this.#options = options
  }

  /** @see celery 5.6, backends/base.py, `mark_as_revoked` */
  revoked(request: TaskRequest, error: Error): Promise<void> {
    const { extended } = this.#options
    const facts = { status: REVOKED, result: encodeException(error), traceback: null }
    const meta = metaOf(request, { ...facts, children: [], now: preciseNow, extended })
    return this.#store(request, meta, storeOptionsOf(request))
  }

  /** For a task that may be anywhere, or nowhere. @see celery 5.6, worker/control.py, `_revoke` */
  revokedById(id: string): Promise<void> {
    return this.#store(
      { id, replyTo: null, correlationId: null },
      {
        taskId: id,
        status: REVOKED,
        result: encodeException(new TaskRevokedError('revoked')),
        traceback: null,
        children: null,
        dateDone: isoformat(preciseNow()),
      },
    )
  }

  /** @see celery 5.6, worker/consumer/consumer.py, `on_unknown_task` */
  failed(task: Judged, error: Error): Promise<void> {
    return this.#store(task, {
      taskId: task.id,
      status: FAILURE,
      result: encodeException(error),
      traceback: null,
      children: [],
      dateDone: isoformat(preciseNow()),
    })
  }

  /** Never rejects: what cannot be stored is logged, and the delivery is settled all the same. */
  async #store(
    { id, replyTo, correlationId }: Judged,
    meta: ResultMeta,
    to: StoreOptions = replyTo === null ? {} : { replyTo, correlationId: correlationId ?? id },
  ): Promise<void> {
    try {
      await this.#options.backend().store(meta, to)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.log.error(
        `Couldn't store ${meta.status} of task ${shown(id)}: ${shown(reason)}`,
      )
    }
  }
}
