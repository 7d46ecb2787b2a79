/** Commands to workers, all of them or some: what to run, how often, how long, and with how many. */

import type { PlainObject } from '../../protocol/plain.ts'
import {
  autoscaleCommand,
  PING,
  poolGrowCommand,
  poolRestartCommand,
  poolShrinkCommand,
  rateLimitCommand,
  revokeByStampedHeadersCommand,
  revokeCommand,
  SHUTDOWN,
  timeLimitCommand,
  type RemoteCommand,
} from '../../protocol/remote-commands.ts'
import { perSecond } from '../runtime/rate.ts'
import { Mailbox, type MailboxHost } from './mailbox.ts'

export interface BroadcastOptions {
  /** The node names of the workers that it is for. @default all workers */
  readonly destination?: readonly string[]
  /** Wait for the workers to reply. @default false */
  readonly reply?: boolean
  /** Seconds without a further reply until no more are waited for. @default 1 */
  readonly timeout?: number
  /** Rejects the wait as soon as it aborts. */
  readonly signal?: AbortSignal
}

export interface TerminateCommandOptions extends Omit<BroadcastOptions, 'signal'> {
  /** The signal that ends its process, where tasks have one. @default 'SIGTERM' */
  readonly signal?: string
}

export interface RevokeCommandOptions extends TerminateCommandOptions {
  /** Also end the task when it runs. @default false */
  readonly terminate?: boolean
}

export interface TimeLimitCommandOptions extends BroadcastOptions {
  /** Seconds until a run is told to end. @default none of the task's own */
  readonly soft?: number
  /** Seconds until a run is ended. @default none of the task's own */
  readonly hard?: number
}

export interface PoolRestartCommandOptions extends BroadcastOptions {
  /** Python's workers load the modules of their tasks anew, too. @default false */
  readonly reload?: boolean
}

const TIMEOUT = 1
const SIGNAL = 'SIGTERM'

/**
 * Each method resolves when the broker has the command; with `reply`, to what each worker answered:
 * `{ 'celery@host': { ok: … } }`, or `{ error: … }` when it could not. Each throws OperationalError or
 * TimeoutError when there is no broker, and TypeError for arguments that no worker takes.
 *
 * @see celery 5.6, app/control.py, `Control`
 */
export class Control {
  readonly mailbox: Mailbox

  constructor(host: MailboxHost) {
    this.mailbox = new Mailbox(host)
  }

  /** Tells workers not to run a task, or some. */
  async revoke(
    taskId: string | readonly string[],
    options: RevokeCommandOptions = {},
  ): Promise<readonly PlainObject[]> {
    const { terminate = false, signal = SIGNAL, ...rest } = options
    return await this.#broadcast(revokeCommand(ids(taskId), terminate, signal), rest)
  }

  /** Tells workers to end a task, or some, and not to run them again. */
  async terminate(
    taskId: string | readonly string[],
    options: TerminateCommandOptions = {},
  ): Promise<readonly PlainObject[]> {
    return await this.revoke(taskId, { ...options, terminate: true })
  }

  /** Tells workers not to run tasks that have one of these stamps: `{ tenant: ['acme', 'initech'] }`. */
  async revokeByStampedHeaders(
    headers: Readonly<Record<string, unknown>>,
    options: RevokeCommandOptions = {},
  ): Promise<readonly PlainObject[]> {
    const { terminate = false, signal = SIGNAL, ...rest } = options
    const command = revokeByStampedHeadersCommand(headers, terminate, signal)
    return await this.#broadcast(command, rest)
  }

  /** How often a task may run on each worker: `10/m`, a number a second; null for no limit. */
  async rateLimit(
    taskName: string,
    rateLimit: string | number | null,
    options: BroadcastOptions = {},
  ): Promise<readonly PlainObject[]> {
    if (perSecond(rateLimit) === undefined) {
      throw new TypeError("rateLimit() needs a text such as '10/m', a number per second, or null")
    }
    return await this.#broadcast(rateLimitCommand(taskName, rateLimit), options)
  }

  /** How long a task may run, from its next run on. */
  async timeLimit(
    taskName: string,
    options: TimeLimitCommandOptions = {},
  ): Promise<readonly PlainObject[]> {
    const { soft = null, hard = null, ...rest } = options
    for (const seconds of [soft ?? 0, hard ?? 0]) check(seconds >= 0, 'timeLimit() needs seconds')
    return await this.#broadcast(timeLimitCommand(taskName, hard, soft), rest)
  }

  /** How many more tasks may run at a time. */
  async poolGrow(n = 1, options: BroadcastOptions = {}): Promise<readonly PlainObject[]> {
    check(isCount(n), 'poolGrow() needs a whole number')
    return await this.#broadcast(poolGrowCommand(n), options)
  }

  /** How many less. */
  async poolShrink(n = 1, options: BroadcastOptions = {}): Promise<readonly PlainObject[]> {
    check(isCount(n), 'poolShrink() needs a whole number')
    return await this.#broadcast(poolShrinkCommand(n), options)
  }

  /** Replaces the processes that tasks run in, where `workerPoolRestarts` allows it. */
  async poolRestart(options: PoolRestartCommandOptions = {}): Promise<readonly PlainObject[]> {
    const { reload = false, ...rest } = options
    return await this.#broadcast(poolRestartCommand(reload), rest)
  }

  /** The most and the least tasks at a time, of workers that autoscale. */
  async autoscale(
    max: number,
    min: number,
    options: BroadcastOptions = {},
  ): Promise<readonly PlainObject[]> {
    check(isCount(max) && isCount(min) && min <= max, 'autoscale() needs the most and the least')
    return await this.#broadcast(autoscaleCommand(max, min), options)
  }

  /** Ends workers, warm: they take no more, and finish what runs. They do not reply. */
  async shutdown(options: BroadcastOptions = {}): Promise<readonly PlainObject[]> {
    return await this.#broadcast(SHUTDOWN, options)
  }

  /** Who is there: `{ 'celery@host': { ok: 'pong' } }` of each. */
  async ping(options: Omit<BroadcastOptions, 'reply'> = {}): Promise<readonly PlainObject[]> {
    return await this.#broadcast(PING, { ...options, reply: true })
  }

  async #broadcast(
    command: RemoteCommand,
    { destination, reply = false, timeout = TIMEOUT, signal }: BroadcastOptions,
  ): Promise<readonly PlainObject[]> {
    const addressed = { ...command, destination }
    if (reply) return await this.mailbox.call(addressed, { timeout, signal })
    await this.mailbox.cast(addressed)
    return []
  }
}

function ids(given: string | readonly string[]): string | string[] {
  const each = typeof given === 'string' ? [given] : given
  if (!Array.isArray(each) || !each.every((id) => typeof id === 'string' && id !== '')) {
    throw new TypeError('revoke() needs the id of a task, or a list of ids')
  }
  return typeof given === 'string' ? given : [...each]
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0
}

function check(fits: boolean, message: string): void {
  if (!fits) throw new TypeError(message)
}
