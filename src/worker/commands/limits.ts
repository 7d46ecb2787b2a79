/** Remote commands that change what a task is limited to: how often, and how long. */

import { own } from '../../../protocol/plain.ts'
import { exceptionRepr } from '../../../protocol/python/exception.ts'
import { repr, saferepr } from '../../../protocol/python/repr.ts'
import type { PanelCommand } from '../../control/node.ts'
import { perSecond, type Rate } from '../../runtime/rate.ts'
import { shown } from '../log-line.ts'
import { required, secondsOrNull, ValueError, type Reply } from './arguments.ts'
import type { PanelHandle } from './panel.ts'

/**
 *     {task_name, rate_limit: '10/m' or a number a second; null and 0 for none}
 *
 * @see celery 5.6, worker/control.py, `rate_limit`
 */
export function rateLimit({ hasTask, rateLimits, log }: PanelHandle): PanelCommand {
  return (args): Reply => {
    const task = required(args, 'rate_limit', 'task_name')
    const rate = required(args, 'rate_limit', 'rate_limit')
    if (perSecond(rate) === undefined) {
      const error = new ValueError(`could not convert string to float: ${saferepr(rate)}`)
      return { error: `Invalid rate limit string: ${exceptionRepr(error)}` }
    }
    if (typeof task !== 'string' || !hasTask(task)) {
      log.error(`Rate limit attempt for unknown task ${shownTask(task)}`)
      return { error: 'unknown task' }
    }
    rateLimits.change(task, rate as Rate)
    if (!rate) {
      log.info(`Rate limits disabled for tasks of type ${shown(task)}`)
      return { ok: 'rate limit disabled successfully' }
    }
    log.info(`New rate limit for tasks of type ${shown(task)}: ${rate as string | number}.`)
    return { ok: 'new rate limit set successfully' }
  }
}

/**
 *     {task_name, soft: seconds, hard: seconds}; what is not given is no limit of the task's own
 *
 * @see celery 5.6, worker/control.py, `time_limit`
 */
export function timeLimit({ hasTask, state, log }: PanelHandle): PanelCommand {
  return (args): Reply => {
    const task = own(args, 'task_name') ?? null
    if (typeof task !== 'string' || !hasTask(task)) {
      log.error(`Change time limit attempt for unknown task ${shownTask(task)}`)
      return { error: 'unknown task' }
    }
    const limit = { soft: secondsOrNull(args, 'soft'), hard: secondsOrNull(args, 'hard') }
    state.limits.set(task, limit)
    const { soft, hard } = limit
    const limits = `soft=${repr(soft)} hard=${repr(hard)}`
    log.info(`New time limits for tasks of type ${shown(task)}: ${limits}`)
    return { ok: 'time limits set successfully' }
  }
}

function shownTask(task: unknown): string {
  return shown(typeof task === 'string' ? task : saferepr(task))
}
