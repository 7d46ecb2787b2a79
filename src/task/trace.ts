/**
 * One run of a task, step by step, from the request to what came of it.
 *
 *     duplicate?  →  prerun, STARTED  →  beforeStart, body
 *       returned  →  callbacks, chain  →  SUCCESS stored  →  onSuccess, afterReturn
 *       Retry     →  RETRY stored  →  sent again  →  onRetry
 *       Ignore, Reject  →  nothing
 *       any other →  FAILURE stored, chain marked, errbacks  →  onFailure, afterReturn
 *     postrun
 *
 * @see celery 5.6, app/trace.py, `build_tracer`
 */

import { saferepr } from '../../protocol/python/repr.ts'
import { FAILURE, STARTED, SUCCESS, type TaskState } from '../../protocol/states.ts'
import { CeleryError } from '../errors.ts'
import type { SignalSource } from '../runtime/cancellation.ts'
import { checkAborted, isThenable, runBody, untilAborted } from './body.ts'
import { returnChordPart, sendSuccessors } from './callbacks.ts'
import { runAs } from './current.ts'
import { asNotSupported } from './dispatch.ts'
import { isDuplicate, isSuspect, rememberSuccess } from './duplicate.ts'
import { fail, failInternally, settle } from './failure.ts'
import type { TaskHost } from './host.ts'
import { preciseNow, storable } from './meta.ts'
import { storeForGood } from './patience.ts'
import { storeProgress } from './progress.ts'
import type { Outcome, TaskRequest } from './request.ts'
import { Run, type RunEnvironment } from './run.ts'
import { eventOf, taskPostrun, taskPrerun, taskSuccess } from './signals.ts'
import { unregistered } from './unregistered.ts'

/** Runs one request; never rejects. */
export type Tracer = (request: TaskRequest, source: SignalSource) => Promise<Outcome>

export type TracerOptions = Pick<RunEnvironment, 'hostname'> & Partial<RunEnvironment>

export function createTracer(host: TaskHost, options: TracerOptions): Tracer {
  const environment = environmentOf(options)
  return (request, source) => {
    const run = runOf(host, environment, request, source)
    return runAs(run, () => traceRun(run))
  }
}

export function environmentOf(options: TracerOptions): RunEnvironment {
  return { now: preciseNow, random: Math.random, pid: process.pid, ...options }
}

/** The outcome, and the value or error itself for who runs a task here and now. */
export interface Traced {
  readonly outcome: Outcome
  /** What the function returned, or threw. */
  readonly retval: unknown
}

/** Runs one request to its end; never rejects. */
export async function trace(
  host: TaskHost,
  environment: RunEnvironment,
  request: TaskRequest,
  source: SignalSource,
): Promise<Traced> {
  const run = runOf(host, environment, request, source)
  const outcome = await runAs(run, () => traceRun(run))
  return { outcome, retval: run.retval }
}

export function runOf(
  host: TaskHost,
  environment: RunEnvironment,
  request: TaskRequest,
  source: SignalSource,
): Run {
  const task = host.tasks.get(request.task) ?? unregistered(request.task)
  return new Run(host, environment, task, request, source)
}

/** Every promise counts here: the hooks of AsyncLocalStorage see each of them. */
async function traceRun(run: Run): Promise<Outcome> {
  const started = performance.now()
  const runtime = (): number => (performance.now() - started) / 1000
  let outcome: Outcome
  try {
    if (isSuspect(run) && (await isDuplicate(run))) return DUPLICATE
    if (taskPrerun.active || startsVisibly(run)) await prepare(run)
    outcome = await execute(run, runtime)
  } catch (error) {
    run.retval = error
    outcome = await failInternally(run, asNotSupported(error), runtime())
  }
  run.over = true
  if (taskPostrun.active) await announceEnd(run, outcome)
  return outcome
}

const DUPLICATE: Outcome = { state: 'DUPLICATE', runtime: 0 }

function startsVisibly({ task, request }: Run): boolean {
  const { trackStarted, ignoreResult } = task.options
  return trackStarted && !ignoreResult && !request.isEager
}

async function prepare(run: Run): Promise<void> {
  const { task, host, environment } = run
  if (taskPrerun.active) await taskPrerun.send(task.name, eventOf(run), host.log)
  if (!startsVisibly(run)) return
  const { pid, hostname } = environment
  await storeProgress(run, STARTED, { pid, hostname }, null)
}

/** A body that has nothing to wait for costs no promise. */
function execute(run: Run, runtime: () => number): Promise<Outcome> {
  const failed = (error: unknown): Promise<Outcome> => {
    run.retval = error
    return settle(run, error, runtime)
  }
  let value: unknown
  try {
    checkAborted(run)
    value = runBody(run)
  } catch (error) {
    return failed(error)
  }
  if (!isThenable(value)) return succeed(run, value, runtime)
  return untilAborted(value, run).then((result) => succeed(run, result, runtime), failed)
}

/** @see celery 5.6, app/trace.py, step by step in the same order */
async function succeed(run: Run, value: unknown, runtime: () => number): Promise<Outcome> {
  const { task, host } = run
  const { options } = task
  run.retval = value
  try {
    const { embed } = run.request
    if (embed.callbacks !== null || embed.chain !== null) await sendSuccessors(run, storable(value))
    if (run.storesSuccess) await storeForGood(run, SUCCESS, storable(value), null)
    if (embed.chord !== null) await returnChordPart(run, SUCCESS, storable(value))
  } catch (error) {
    if (!isUnsendable(error)) throw error
    run.retval = error
    return fail(run, asNotSupported(error), runtime())
  }
  run.decided = true
  rememberSuccess(run)
  const outcome = successOf(value, options.resultreprMaxsize, runtime())
  if (options.onSuccess !== undefined) await options.onSuccess(run, value)
  if (taskSuccess.active) {
    await taskSuccess.send(task.name, { ...eventOf(run), result: value }, host.log)
  }
  if (options.afterReturn !== undefined) await options.afterReturn(run, SUCCESS, value)
  return outcome
}

/** The repr is made when it is asked for: a worker that logs no successes never does. */
function successOf(value: unknown, maxLength: number, runtime: number): Outcome {
  return {
    state: SUCCESS,
    runtime,
    get resultRepr() {
      return saferepr(storable(value), maxLength)
    },
  }
}

/** What cannot be encoded, or not be sent by this release, is the fault of the task: it has failed. */
const UNSENDABLE: ReadonlySet<string> = new Set([
  'ERR_ENCODE',
  'ERR_LIMIT_EXCEEDED',
  'ERR_NOT_SUPPORTED',
  'ERR_INVALID_TASK',
])

function isUnsendable(error: unknown): boolean {
  return error instanceof CeleryError && UNSENDABLE.has(error.code)
}

async function announceEnd(run: Run, outcome: Outcome): Promise<void> {
  const state: TaskState = outcome.state === 'INTERNAL_ERROR' ? FAILURE : outcome.state
  await taskPostrun.send(run.name, { ...eventOf(run), retval: run.retval, state }, run.host.log)
}
