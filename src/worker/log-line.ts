/** What the worker says of a task, in Celery's words, level by level. */

import {
  isEnabled,
  LOG_LEVELS,
  oneLine,
  SILENT,
  type Logger,
  type LogLevel,
} from '../runtime/log.ts'
import type { Outcome } from '../task/request.ts'

/** More of a name or an id than this is cut: they come from others. */
const MAX_NAME = 256
/** More of a repr or an error's text than this is cut. */
const MAX_TEXT = 1024

/** A name, an id or an error's text from a message, as part of one log line. */
export function shown(value: string, maxLength: number = MAX_TEXT): string {
  return oneLine(value.length > maxLength ? `${value.slice(0, maxLength - 3)}...` : value)
}

/** `shop.add[1b2c…]`. */
export function taskLabel(name: string, id: string): string {
  return `${shown(name, MAX_NAME)}[${shown(id, MAX_NAME)}]`
}

/** Silent levels cost nothing: the level is known before the text is made. */
function levelOf(outcome: Outcome): LogLevel {
  if (outcome.state === 'FAILURE') return outcome.expected ? 'info' : 'error'
  if (outcome.state === 'REJECTED') return 'warning'
  return outcome.state === 'INTERNAL_ERROR' ? 'critical' : 'info'
}

type Texts = {
  readonly [State in Outcome['state']]: (
    outcome: Extract<Outcome, { readonly state: State }>,
  ) => string
}

/**
 * By the state that came out. The traceback stands below its line, as Python's logging puts it.
 *
 * @see celery 5.6, app/trace.py, `LOG_SUCCESS` to `LOG_RETRY` and `get_log_policy`
 */
const TEXTS: Texts = {
  SUCCESS: ({ runtime, resultRepr }) => `succeeded in ${runtime}s: ${shown(resultRepr)}`,
  FAILURE: ({ expected, exceptionRepr, traceback }) =>
    expected
      ? `raised expected: ${shown(exceptionRepr)}`
      : `raised unexpected: ${shown(exceptionRepr)}\n${traceback.trimEnd()}`,
  RETRY: ({ message }) => `retry: ${shown(message)}`,
  IGNORED: () => 'ignored',
  REJECTED: ({ reason, requeue }) =>
    `reject requeue=${requeue ? 'True' : 'False'}: ${shown(reason)}`,
  DUPLICATE: () => 'already completed successfully.',
  INTERNAL_ERROR: ({ exceptionRepr, traceback }) =>
    `INTERNAL ERROR: ${shown(exceptionRepr)}\n${traceback.trimEnd()}`,
}

/** Writes the line for the end of a run; the label is only made when somebody reads it. */
export function logOutcome(
  log: Logger,
  request: { readonly label: string },
  outcome: Outcome,
): void {
  const level = levelOf(outcome)
  if (!isEnabled(log, level)) return
  const text = TEXTS[outcome.state] as (outcome: Outcome) => string
  log[level](`Task ${request.label} ${text(outcome)}`)
}

/**
 * A logger of the user's that throws must not stop the worker: what it throws becomes a warning of the
 * process. Silent levels stay what they are, so that nobody makes lines for them.
 */
export function guarded(log: Logger): Logger {
  const guard = (level: LogLevel): ((message: string) => void) => {
    if (!isEnabled(log, level)) return SILENT[level]
    return (message) => {
      try {
        log[level](message)
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error))
      }
    }
  }
  return Object.fromEntries(LOG_LEVELS.map((level) => [level, guard(level)])) as unknown as Logger
}
