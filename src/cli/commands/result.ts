/** `celeriac result ID`: waits for the result of a task, and prints it. */

import type { Command } from 'commander'
import { repr } from '../../../protocol/python/repr.ts'
import { TaskError } from '../../errors.ts'
import { addFlag, addOption, EX_FAILURE, EX_OK, anything, type Action } from '../command.ts'

export interface ResultOptions {
  readonly task?: string
  readonly traceback?: boolean
}

/** @see celery 5.6, bin/result.py */
export function defineResult(command: Command): void {
  command.description('Print the return value for a given task id.')
  command.usage('[OPTIONS] TASK_ID').argument('<task_id>')
  addOption(command, '-t, --task <text>', 'Name of task (if custom backend).', anything)
  addFlag(command, '--traceback', 'Show traceback instead.')
}

/** Without a result it waits for ever, as Celery's does; a failure is shown by its traceback. */
export const runResult: Action<ResultOptions> = async ({ app, output }, options, [id = '']) => {
  const result = app.asyncResult(id)
  if (options.traceback === true) {
    output.echo((await result.traceback()) ?? '')
    return EX_OK
  }
  try {
    output.echo(shown(await result.get()))
    return EX_OK
  } catch (error) {
    if (!(error instanceof TaskError)) throw error
    output.error(error.traceback ?? `${error.excType}: ${error.message}`)
    return EX_FAILURE
  }
}

/** As Python's `print` shows it. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : repr(value)
}
