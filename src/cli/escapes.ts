/** Errors that escaped from a task: promises that nobody awaits, throws from timers and events. */

import { formatTraceback } from '../../protocol/python/exception.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { currentTask } from '../task/current.ts'

/**
 * A promise that was rejected behind a task's back ends neither the task nor the worker; it is logged,
 * with the task that it came from where that is known. What was thrown outside of any task may have
 * left something of ours half done: then the worker ends in order, and whoever watches it starts another.
 *
 * @returns undoes it
 */
export function watchEscapes(log: Logger, onUncaught: () => void): () => void {
  const onRejection = (reason: unknown): void => {
    log.error(`Unhandled rejection${origin()}: \n${formatTraceback(reason)}`)
  }
  const onException = (error: unknown): void => {
    const known = currentTask() !== undefined
    log[known ? 'error' : 'critical'](`Uncaught exception${origin()}: \n${formatTraceback(error)}`)
    if (!known) onUncaught()
  }
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onException)
  return () => {
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onException)
  }
}

function origin(): string {
  const task = currentTask()
  return task === undefined ? '' : ` in task ${oneLine(`${task.name}[${task.request.id}]`)}`
}
