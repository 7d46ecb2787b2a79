/** Options of tasks that the settings change: `taskAnnotations`. */

import type { TaskAnnotations } from '../conf/structure.ts'
import type { TaskOptions } from '../task/options.ts'

/**
 * The options of a task with those of the settings over them: `*` first, then its own name.
 *
 * @see celery 5.6, app/annotations.py
 */
export function annotated(
  annotations: TaskAnnotations | null,
  name: string,
  options: TaskOptions,
): TaskOptions {
  if (annotations === null) return options
  if (typeof annotations === 'function') return { ...options, ...annotations(name) }
  const of = (key: string): TaskOptions =>
    Object.hasOwn(annotations, key) ? (annotations[key] as TaskOptions) : {}
  return { ...options, ...of('*'), ...of(name) }
}
