/** Celery's own tasks, which every worker has: those that senders of 5.x publish. */

import { readSignature, type SignatureDict } from '../../protocol/signature.ts'
import { NotRegistered } from '../errors.ts'
import { arityOf } from './binding.ts'
import { callTask } from './eager.ts'
import type { TaskHost } from './host.ts'
import { resolveOptions } from './options.ts'
import type { TaskDefinition } from './registry.ts'
import type { Run } from './run.ts'

type Builtin = (run: Run) => unknown

/** @see celery 5.6, app/builtins.py */
const BUILTINS: Readonly<Record<string, Builtin>> = {
  /** Our backends expire what they store by themselves. */
  'celery.backend_cleanup': () => null,

  'celery.accumulate': ({ request: { args, kwargs } }) => {
    const index = kwargs['index']
    return typeof index === 'number' ? args.at(index) : args
  },

  'celery.map': (run) => forEach(run, (item) => [item]),

  'celery.starmap': (run) => forEach(run, (item) => item as readonly unknown[]),
}

/** Runs the inner task's function for each item, in this very run: one result for all. */
async function forEach(
  run: Run,
  argsOf: (item: unknown) => readonly unknown[],
): Promise<readonly unknown[]> {
  const { signature, items } = mapped(run)
  const task = run.host.tasks.get(signature.task)
  if (task === undefined) throw new NotRegistered(signature.task)
  const results: unknown[] = []
  for (const item of items) results.push(await callTask(run.host, task, argsOf(item)))
  return results
}

function mapped({ request: { task, args, kwargs } }: Run): {
  readonly signature: SignatureDict
  readonly items: readonly unknown[]
} {
  const inner = kwargs['task'] ?? args[0]
  const items = kwargs['it'] ?? args[1]
  if (!Array.isArray(items)) throw new TypeError(`${task} needs a list in its argument 'it'`)
  return { signature: readSignature(inner, 'task'), items }
}

export function registerBuiltins(host: TaskHost): void {
  for (const [name, run] of Object.entries(BUILTINS)) host.tasks.register(builtin(host, name, run))
}

function builtin(host: TaskHost, name: string, run: Builtin): TaskDefinition {
  let options: TaskDefinition['options'] | undefined
  return {
    name,
    run,
    takesRequest: true,
    arity: arityOf(() => {}, false),
    get options() {
      options ??= resolveOptions({}, host.conf)
      return options
    },
  }
}
