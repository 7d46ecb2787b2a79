/** Celery's own tasks, which every worker has: those that senders of 5.x publish. */

import { arityOf } from './binding.ts'
import { CANVAS } from './builtins/canvas.ts'
import { MAPS } from './builtins/maps.ts'
import { unlockChord } from './builtins/unlock-chord.ts'
import type { TaskHost } from './host.ts'
import { resolveOptions, type TaskOptions } from './options.ts'
import type { TaskDefinition } from './registry.ts'
import type { Run } from './run.ts'

interface Builtin {
  readonly run: (run: Run) => unknown
  readonly options?: (conf: TaskHost['conf']) => TaskOptions
}

/** @see celery 5.6, app/builtins.py; `celery.ping` is in contrib/testing/tasks.py */
const BUILTINS: Readonly<Record<string, Builtin>> = {
  'celery.backend_cleanup': { run: cleanUp },

  /** Sent by `celery.contrib.testing`, which waits for the answer before its tests begin. */
  'celery.ping': { run: () => 'pong' },

  'celery.accumulate': { run: accumulate },
  'celery.map': { run: MAPS.map },
  'celery.starmap': { run: MAPS.starmap },
  'celery.chunks': { run: MAPS.chunks },
  'celery.group': { run: CANVAS.group },
  'celery.chain': { run: CANVAS.chain },
  'celery.chord': { run: CANVAS.chord, options: () => ({ ignoreResult: false }) },

  'celery.chord_unlock': {
    run: unlockChord,
    options: (conf) => ({
      maxRetries: null,
      ignoreResult: true,
      defaultRetryDelay: conf.resultChordRetryInterval,
    }),
  },
}

/** Where results expire by themselves there is nothing to do. */
async function cleanUp({ backend }: Run): Promise<null> {
  await backend.cleanup?.()
  return null
}

function accumulate({ request: { args, kwargs } }: Run): unknown {
  const index = kwargs['index']
  return typeof index === 'number' ? args.at(index) : args
}

export function registerBuiltins(host: TaskHost): void {
  for (const [name, task] of Object.entries(BUILTINS))
    host.tasks.register(builtin(host, name, task))
}

function builtin(host: TaskHost, name: string, { run, options: own }: Builtin): TaskDefinition {
  let options: TaskDefinition['options'] | undefined
  return {
    name,
    run,
    takesRequest: true,
    arity: arityOf(() => {}, false),
    get options() {
      options ??= resolveOptions(own?.(host.conf) ?? {}, host.conf)
      return options
    },
  }
}
