/** What the bare loops store for a task: as long as a real result, and nothing is computed. */

export const EXPIRES = 86_400

/** The name of the key, and of the channel. */
export function keyOf(id) {
  return `celery-task-meta-${id}`
}

export function valueOf(id) {
  return `{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "date_done": "2026-11-22T07:56:50.996226+00:00", "task_id": "${id}"}`
}
