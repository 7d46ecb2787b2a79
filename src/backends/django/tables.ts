/** The tables of django-celery-results: Django makes and changes them, never we. */

import type { Generated } from 'kysely'

/** @see django-celery-results 2.6, models.py, `TaskResult` */
export interface TaskResultTable {
  readonly id: Generated<number>
  readonly task_id: string
  readonly periodic_task_name: string | null
  readonly task_name: string | null
  readonly task_args: string | null
  readonly task_kwargs: string | null
  readonly status: string
  readonly worker: string | null
  readonly content_type: string
  readonly content_encoding: string
  readonly result: string | null
  readonly date_created: string
  /** Since 2.6. */
  readonly date_started?: string | null
  readonly date_done: string
  readonly traceback: string | null
  readonly meta: string | null
}

/** @see django-celery-results 2.6, models.py, `GroupResult` */
export interface GroupResultTable {
  readonly id: Generated<number>
  readonly group_id: string
  readonly date_created: string
  readonly date_done: string
  readonly content_type: string
  readonly content_encoding: string
  readonly result: string | null
}

/** @see django-celery-results 2.6, models.py, `ChordCounter` */
export interface ChordCounterTable {
  readonly id: Generated<number>
  readonly group_id: string
  readonly sub_tasks: string
  readonly count: number
}

export const TASKS = 'django_celery_results_taskresult'
export const GROUPS = 'django_celery_results_groupresult'
export const CHORDS = 'django_celery_results_chordcounter'

export interface DjangoTables {
  readonly [TASKS]: TaskResultTable
  readonly [GROUPS]: GroupResultTable
  readonly [CHORDS]: ChordCounterTable
}

/** How many ids one query asks for. */
const MAX_BATCH = 500

export function batches<T>(items: readonly T[]): readonly (readonly T[])[] {
  const starts = Array.from(
    { length: Math.ceil(items.length / MAX_BATCH) },
    (_, i) => i * MAX_BATCH,
  )
  return starts.map((from) => items.slice(from, from + MAX_BATCH))
}
