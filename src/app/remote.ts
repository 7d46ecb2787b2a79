/** Tasks that live elsewhere, in Python say: called by name, typed by an interface. */

import type { AsyncResult } from '../results/async-result.ts'
import { send } from '../task/dispatch.ts'
import type { TaskHost } from '../task/host.ts'
import type { CallOptions } from '../task/sender.ts'
import { signatureOf } from '../task/signature-of.ts'
import type { Signature, SignatureOptions } from '../task/signature.ts'
import type { Suffix, Without } from '../task/task.ts'

/** The members of an interface of tasks: a name, and what is called under it. */
type TaskFunction = (...args: never) => unknown

/** A task that this app knows by its name only. */
export interface RemoteTask<A extends readonly unknown[], R> {
  readonly name: string
  /** Sends it with these arguments; resolves when the broker has it. */
  delay(...args: A): Promise<AsyncResult<R>>
  /** Sends it with options; resolves when the broker has it. */
  applyAsync(args?: Partial<A>, options?: CallOptions): Promise<AsyncResult<R>>
  /** A call not yet made, with all or the last of its arguments. */
  s<Given extends Suffix<A>>(...args: Given): Signature<Without<A, Given>, R>
  /** The same, and it leaves out the result of the one before. */
  si(...args: A): Signature<readonly unknown[], R>
  /** A call not yet made, with options. */
  signature(args?: Partial<A>, options?: SignatureOptions): Signature<readonly unknown[], R>
}

/** The remote tasks of an interface such as `{ 'ml.embed'(text: string): number[] }`. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends TaskFunction
    ? RemoteTask<Parameters<T[K]>, Awaited<ReturnType<T[K]>>>
    : never
}

/** Makes the task of any name that is asked for; nothing checks that there is one. */
export function remoteTasks<T>(host: TaskHost): Remote<T> {
  return new Proxy(Object.create(null) as object, {
    get: (_, name) =>
      typeof name === 'symbol' || name === 'then' ? undefined : remoteTask(host, name),
  }) as Remote<T>
}

/** Typed for any arguments; {@link Remote} narrows it. */
function remoteTask(host: TaskHost, name: string): RemoteTask<readonly unknown[], unknown> {
  const signature = (args: readonly unknown[] = [], options?: SignatureOptions): Signature =>
    signatureOf(host, name, args, options)
  return {
    name,
    delay: (...args) => send(host, name, args, {}),
    applyAsync: (args = [], options = {}) => send(host, name, args, options),
    s: (...args: readonly unknown[]) => signature(args),
    si: (...args) => signature(args, { immutable: true }),
    signature,
  }
}
