/** The tasks of the canvas suite as its TypeScript client knows them: by name, whoever runs them. */

import type { Celery, Remote } from '../../../src/index.ts'

const PREFIX = 't.integration.tasks.'

const NAMES = [
  'identity',
  'add',
  'mul',
  'tsum',
  'xsum',
  'delayed_sum',
  'delayed_sum_with_soft_guard',
  'print_unicode',
  'write_to_file_and_return_int',
  'ids',
  'collect_ids',
  'return_priority',
  'raise_error',
  'fail',
  'return_exception',
  'retry_once',
  'errback_old_style',
  'errback_new_style',
  'redis_echo',
  'redis_echo_group_id',
  'redis_count',
  'add_replaced',
  'fail_replaced',
  'add_to_all',
  'replace_with_chain',
  'replace_with_chain_which_raises',
  'replace_with_empty_chain',
  'second_order_replace1',
  'add_to_all_to_chord',
  'add_chord_to_chord',
  'build_chain_inside_task',
  'rebuild_signature',
  'replace_with_stamped_task',
] as const

/** They take and give what their Python namesakes do. */
type TaskFunction = (...args: readonly unknown[]) => unknown

export type CanvasTasks = Remote<Record<(typeof NAMES)[number], TaskFunction>>

export function canvasTasks(app: Celery): CanvasTasks {
  const remote = app.remote<Record<string, TaskFunction>>()
  const tasks = NAMES.map((name) => [name, remote[PREFIX + name]] as const)
  return Object.fromEntries(tasks) as unknown as CanvasTasks
}
