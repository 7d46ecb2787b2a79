/** Options of tasks that the settings change: `taskAnnotations`. */

import type { TaskAnnotation, TaskAnnotations } from '../conf/structure.ts'
import type { TaskOptions } from '../task/options.ts'

/**
 * The options of a task with those of the settings over them: of each annotation those for `*` first,
 * then those for its own name.
 *
 * @see celery 5.6, app/annotations.py, `resolve_all`
 */
export function annotated(
  annotations: TaskAnnotations | null,
  name: string,
  options: TaskOptions,
): TaskOptions {
  if (annotations === null) return options
  const list = isList(annotations) ? annotations : [annotations]
  return list.reduce<TaskOptions>(
    (all, annotation) => ({ ...all, ...of(annotation, name) }),
    options,
  )
}

function of(annotation: TaskAnnotation, name: string): TaskOptions {
  if (typeof annotation === 'function') return annotation(name) ?? {}
  const own = (key: string): TaskOptions =>
    Object.hasOwn(annotation, key) ? (annotation[key] as TaskOptions) : {}
  return { ...own('*'), ...own(name) }
}

function isList(annotations: TaskAnnotations): annotations is readonly TaskAnnotation[] {
  return Array.isArray(annotations)
}
