/** The result of a task that was run here and now. */

import type { ResultMeta } from '../../protocol/result.ts'
import { PROPAGATE_STATES, REVOKED, type TaskState } from '../../protocol/states.ts'
import { NotSupported, type CeleryError } from '../errors.ts'
import { AsyncResult } from './async-result.ts'
import type { ResultBackend } from './backend.ts'
import { Feed } from './feed.ts'
import type { GetOptions, UpdatesOptions } from './options.ts'
import { raised } from './remote-error.ts'
import type { ResultSource } from './source.ts'
import type { ResultNode, TaskHandle } from './tree.ts'

export interface EagerOutcome {
  readonly state: TaskState
  /** What it returned; what it raised, in the exception states. */
  readonly result: unknown
  readonly traceback?: string | null
  /** What ran before it in its chain. */
  readonly parent?: ResultNode | undefined
}

/**
 * A result that was there from the start, and that no backend knows. Unlike an AsyncResult's, its
 * error is the very one that the task raised.
 *
 * @see celery 5.6, result.py, `EagerResult`
 */
export class EagerResult<R = unknown> extends AsyncResult<R> {
  #meta: ResultMeta

  constructor(id: string, outcome: EagerOutcome) {
    super(id, NO_SOURCE, { parent: outcome.parent })
    this.#meta = {
      taskId: id,
      status: outcome.state,
      result: outcome.result,
      traceback: outcome.traceback ?? null,
      children: [],
      dateDone: null,
    }
  }

  override get(options: GetOptions & { readonly propagate: false }): Promise<R | CeleryError>
  override get(options?: GetOptions): Promise<R>
  override async get(options: GetOptions = {}): Promise<R | CeleryError> {
    const { status, result } = this.#meta
    if (PROPAGATE_STATES.has(status) && (options.propagate ?? true)) throw raised(result)
    options.callback?.(this.id, result)
    return result as R
  }

  override async meta(): Promise<ResultMeta> {
    return this.#meta
  }

  override async state(): Promise<TaskState> {
    return this.#meta.status
  }

  /** Always: it was run. */
  override async ready(): Promise<boolean> {
    return true
  }

  override updates(
    options: UpdatesOptions = {},
  ): AsyncIterableIterator<ResultMeta, undefined, undefined> {
    return new Feed<ResultMeta>({
      signal: options.signal,
      subscribe: (push, onEnd) => {
        push(this.#meta)
        onEnd()
        return () => {}
      },
    })
  }

  /** Nothing is stored. */
  override async forget(): Promise<void> {}

  /** Too late to stop it: only the state here changes, as in Celery. */
  override async revoke(): Promise<void> {
    this.#meta = { ...this.#meta, status: REVOKED }
  }

  /** @internal */
  override get taskHandle(): TaskHandle {
    return {
      taskId: this.id,
      source: NO_SOURCE,
      ignored: false,
      known: this.#meta,
      learn: () => this.#meta,
      forget: () => this.forget(),
      revokeLocally: () => void this.revoke(),
    }
  }

  override repr(): string {
    return `<EagerResult: ${this.id} ${this.#meta.status}>`
  }
}

const NO_SOURCE: ResultSource = {
  get backend(): ResultBackend {
    throw new NotSupported('a task that was run here and now has no result backend')
  },
}
