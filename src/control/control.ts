/** Commands to workers, all of them or some: revoke. */

import { revokeArguments } from '../../protocol/pidbox.ts'
import type { PlainObject } from '../../protocol/plain.ts'
import { Mailbox, type Command, type MailboxHost } from './mailbox.ts'

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

export interface RevokeCommandOptions extends Omit<BroadcastOptions, 'signal'> {
  /** Also end the task when it runs. @default false */
  readonly terminate?: boolean
  /** The signal that ends its process, where tasks have one. @default 'SIGTERM' */
  readonly signal?: string
}

const TIMEOUT = 1

/** @see celery 5.6, app/control.py, `Control` */
export class Control {
  readonly mailbox: Mailbox

  constructor(host: MailboxHost) {
    this.mailbox = new Mailbox(host)
  }

  /**
   * Tells workers not to run a task, or some. Resolves when the broker has the command; with `reply`
   * to what each worker answered: `{ 'celery@host': { ok: … } }`.
   *
   * @throws OperationalError, TimeoutError when there is no broker
   */
  async revoke(
    taskId: string | readonly string[],
    options: RevokeCommandOptions = {},
  ): Promise<readonly PlainObject[]> {
    const { terminate = false, signal = 'SIGTERM', ...rest } = options
    return await this.#broadcast('revoke', revokeArguments(ids(taskId), terminate, signal), rest)
  }

  async #broadcast(
    method: string,
    args: PlainObject,
    { destination, reply = false, timeout = TIMEOUT, signal }: BroadcastOptions,
  ): Promise<readonly PlainObject[]> {
    const command: Command = { method, arguments: args, destination }
    if (reply) return await this.mailbox.call(command, { timeout, signal })
    await this.mailbox.cast(command)
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
