/** The metas that came of late, for who asks after they came; a bounded number of them. */

import type { ResultMeta } from '../../../protocol/result.ts'
import { SUCCESS } from '../../../protocol/states.ts'

/** As many as Celery keeps. @see celery 5.6, backends/base.py, `MESSAGE_BUFFER_MAX` */
const MAX_METAS = 8192
const MAX_BYTES = 64 * 1024 * 1024

interface Recent {
  readonly meta: ResultMeta
  readonly bytes: number
}

/** When it is full, the oldest go; whose result was dropped stays PENDING. */
export class RecentMetas {
  readonly #metas = new Map<string, Recent>()
  #bytes = 0

  get(taskId: string): ResultMeta | undefined {
    return this.#metas.get(taskId)?.meta
  }

  /** False when a SUCCESS is known already: it is final, as in the other backends. */
  put(meta: ResultMeta, bytes: number): boolean {
    if (this.get(meta.taskId)?.status === SUCCESS) return false
    this.delete(meta.taskId)
    this.#metas.set(meta.taskId, { meta, bytes })
    this.#bytes += bytes
    for (const taskId of this.#metas.keys()) {
      if (this.#metas.size <= MAX_METAS && this.#bytes <= MAX_BYTES) break
      if (taskId !== meta.taskId) this.delete(taskId)
    }
    return true
  }

  delete(taskId: string): void {
    this.#bytes -= this.#metas.get(taskId)?.bytes ?? 0
    this.#metas.delete(taskId)
  }
}
