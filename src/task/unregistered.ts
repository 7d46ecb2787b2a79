/** What stands in for a task that is not here: it fails as Celery's does. */

import { NotRegistered } from '../errors.ts'
import { resolveOptions } from './options.ts'
import type { TaskDefinition } from './registry.ts'

const OPTIONS = resolveOptions(
  {},
  {
    taskAcksLate: false,
    taskAcksOnFailureOrTimeout: true,
    taskRejectOnWorkerLost: false,
    taskTrackStarted: false,
    taskIgnoreResult: false,
    taskStoreErrorsEvenIfIgnored: false,
    taskStoreEagerResult: false,
  },
)

export function unregistered(name: string): TaskDefinition {
  return {
    name,
    takesRequest: true,
    arity: { required: 0, max: Infinity },
    options: OPTIONS,
    run: () => {
      throw new NotRegistered(name)
    },
  }
}
