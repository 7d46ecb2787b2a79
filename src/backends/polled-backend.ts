/** The reading side of a backend that tells nobody of news: who asks, and who waits, looks at what is there. */

import type { ResultMeta } from '../../protocol/result.ts'
import type { CeleryError } from '../errors.ts'
import type { BackendCapabilities, Unsubscribe } from '../results/backend.ts'
import type { Logger } from '../runtime/log.ts'
import type { RetryPolicy } from '../runtime/retry.ts'
import { pendingMeta } from './key-value.ts'
import { Poller, type FailedLook } from './poller.ts'

/** Who asks for a state wants an answer, or an error, soon. */
export const READING: RetryPolicy = {
  maxRetries: 3,
  intervalStart: 0,
  intervalStep: 0.2,
  intervalMax: 0.2,
}
/** Who waits looks again soon anyway. */
const LOOKING: RetryPolicy = { ...READING, maxRetries: 0 }

export abstract class PolledBackend {
  readonly capabilities: BackendCapabilities = { persistent: true }
  protected readonly poller: Poller

  constructor(log: Logger) {
    this.poller = new Poller({
      fetchMany: (taskIds) => this.look(taskIds, LOOKING),
      address: () => this.address,
      log,
    })
  }

  abstract get address(): string

  /** One look at many, in their order; what is wrong with one does not hide the others. */
  protected abstract look(
    taskIds: readonly string[],
    policy: RetryPolicy,
  ): Promise<readonly (ResultMeta | FailedLook)[]>

  async fetch(taskId: string): Promise<ResultMeta> {
    const [meta = pendingMeta(taskId)] = await this.fetchMany([taskId])
    return meta
  }

  async fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    const looks = await this.look(taskIds, READING)
    return looks.map((look) => {
      if ('error' in look) throw look.error
      return look
    })
  }

  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe {
    return this.poller.subscribe(taskId, onMeta, onEnd)
  }

  /** Nothing to do: who comes later looks. */
  async onTaskCall(): Promise<void> {}
}
