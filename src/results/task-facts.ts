/** What a meta tells of one task. */

import { parseIsoformat } from '../../protocol/python/datetime.ts'
import type { ExtendedMeta, ResultMeta } from '../../protocol/result.ts'
import { FAILURE, READY_STATES, SUCCESS, type TaskState } from '../../protocol/states.ts'

/** Questions to a result that are answered by its meta alone. */
export abstract class TaskFacts {
  /** Everything that is stored of the task; in the exception states `result` is the error. */
  abstract meta(): Promise<ResultMeta>

  /** PENDING also when nobody knows the task: a backend cannot tell. */
  async state(): Promise<TaskState> {
    return (await this.meta()).status
  }

  /** The same as {@link state}. */
  status(): Promise<TaskState> {
    return this.state()
  }

  /** Whether nothing more will come: it succeeded, failed or was revoked. */
  async ready(): Promise<boolean> {
    return READY_STATES.has(await this.state())
  }

  async successful(): Promise<boolean> {
    return (await this.state()) === SUCCESS
  }

  async failed(): Promise<boolean> {
    return (await this.state()) === FAILURE
  }

  /** What it returned, its error, or the meta of a custom state; does not wait. */
  async result(): Promise<unknown> {
    return (await this.meta()).result
  }

  /** The same as {@link result}. */
  info(): Promise<unknown> {
    return this.result()
  }

  async traceback(): Promise<string | null> {
    return (await this.meta()).traceback
  }

  /** When it became ready. */
  async dateDone(): Promise<Date | undefined> {
    const { dateDone } = await this.meta()
    return dateDone === null ? undefined : parseIsoformat(dateDone)
  }

  /** The name of the task; as the five below, it is stored with `resultExtended` only. */
  name(): Promise<string | undefined> {
    return this.#extended('name')
  }

  args(): Promise<readonly unknown[] | undefined> {
    return this.#extended('args')
  }

  kwargs(): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.#extended('kwargs')
  }

  /** The node name of the worker that ran it. */
  worker(): Promise<string | undefined> {
    return this.#extended('worker')
  }

  retries(): Promise<number | undefined> {
    return this.#extended('retries')
  }

  queue(): Promise<string | undefined> {
    return this.#extended('queue')
  }

  async #extended<K extends keyof ExtendedMeta>(
    member: K,
  ): Promise<NonNullable<ExtendedMeta[K]> | undefined> {
    return (await this.meta()).extended?.[member] ?? undefined
  }
}
