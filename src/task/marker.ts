/** Says of a request what its run no longer can: that it failed with its process, or was cut short. */

import { encodeException, exceptionRepr, formatTraceback } from '../../protocol/python/exception.ts'
import { FAILURE, RETRY, REVOKED } from '../../protocol/states.ts'
import { Retry, TimeLimitExceeded } from '../errors.ts'
import { sourceOf } from '../runtime/cancellation.ts'
import { oneLine } from '../runtime/log.ts'
import { endUnrun, returnChordPart } from './callbacks.ts'
import { runAs } from './current.ts'
import { failSuccessors, markAsFailure } from './failure.ts'
import type { TaskHost } from './host.ts'
import { neverAborted } from './local-request.ts'
import type { Outcome, TaskRequest } from './request.ts'
import type { Run } from './run.ts'
import { eventOf, taskFailure, taskRetry } from './signals.ts'
import { environmentOf, runOf, type TracerOptions } from './trace.ts'

/** Neither rejects: what cannot be stored is logged, and the delivery gets its answer all the same. */
export interface Marker {
  /** The run's process was killed, or is gone. The hooks of the task are not called. */
  failed(request: TaskRequest, error: Error): Promise<Outcome>
  /** It was discarded, or ended from outside: chords wait for it no more. Its result is stored already. */
  revoked(request: TaskRequest, error: Error): Promise<void>
  /** It is no task of ours, or none at all: what waits for it fails. Its own failure is stored already. */
  refused(request: TaskRequest, error: Error): Promise<void>
  /** The run was ended so that the worker can end, and is not given to another. */
  cancelled(request: TaskRequest): Promise<Outcome>
}

export function createMarker(host: TaskHost, options: TracerOptions): Marker {
  const environment = environmentOf(options)
  const mark = <T>(request: TaskRequest, how: (run: Run) => Promise<T>): Promise<T> => {
    const run = runOf(host, environment, request, sourceOf(neverAborted()))
    run.standsIn = true
    return runAs(run, () => how(run))
  }
  return {
    failed: (request, error) => mark(request, (run) => failed(run, error)),
    revoked: (request, error) => mark(request, (run) => revoked(run, error)),
    refused: (request, error) => mark(request, (run) => refused(run, error)),
    cancelled: (request) => mark(request, cancelled),
  }
}

/** @see celery 5.6, worker/request.py, `on_timeout` and `on_failure` */
async function failed(run: Run, error: Error): Promise<Outcome> {
  const traceback = formatTraceback(error)
  await attempt(run, FAILURE, async () => {
    await markAsFailure(run, error, traceback)
    if (!taskFailure.active) return
    const event = { ...eventOf(run), exception: error, traceback }
    await taskFailure.send(run.name, event, run.host.log)
  })
  return {
    state: FAILURE,
    exceptionRepr: exceptionRepr(error),
    traceback,
    expected: false,
    timedOut: error instanceof TimeLimitExceeded,
    runtime: 0,
  }
}

/**
 * Celery forgets those that would have followed in a chain: a chord that one of them is a part of waits
 * for ever there.
 *
 * @see celery 5.6, backends/base.py, `mark_as_revoked`
 */
async function revoked(run: Run, error: Error): Promise<void> {
  const ended = { state: REVOKED, result: encodeException(error) }
  await attempt(run, REVOKED, () => endUnrun(run, ended))
}

/** Celery forgets these, too: a chord with an unknown task in its header never ends there. */
async function refused(run: Run, error: Error): Promise<void> {
  const result = encodeException(error)
  await attempt(run, FAILURE, async () => {
    if (run.request.embed.chord !== null) await returnChordPart(run, FAILURE, result)
    if (run.request.embed.chain !== null) await failSuccessors(run, result, true, null)
  })
}

/** @see celery 5.6, worker/request.py, `_announce_cancelled` */
async function cancelled(run: Run): Promise<Outcome> {
  const { task, host } = run
  const reason = new Retry('cancelled by Celery')
  const traceback = formatTraceback(reason)
  await attempt(run, RETRY, async () => {
    if (run.storesErrors) await run.store(RETRY, encodeException(reason), null)
    if (task.options.onRetry !== undefined) await task.options.onRetry(run, reason, traceback)
    if (!taskRetry.active) return
    await taskRetry.send(task.name, { ...eventOf(run), reason, traceback }, host.log)
  })
  const { message } = reason
  return { state: RETRY, message, exceptionRepr: exceptionRepr(reason), traceback, runtime: 0 }
}

async function attempt(run: Run, state: string, mark: () => Promise<void>): Promise<void> {
  try {
    await mark()
  } catch (error) {
    const label = oneLine(`${run.name}[${run.request.id}]`)
    run.log.error(`Couldn't mark task ${label} as ${state}: ${oneLine(exceptionRepr(error))}`)
  }
}
