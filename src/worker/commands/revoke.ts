/** Remote commands that keep tasks from running, and end those that run. */

import { isPlainObject, own, type PlainObject } from '../../../protocol/plain.ts'
import { repr, saferepr } from '../../../protocol/python/repr.ts'
import type { PanelCommand } from '../../control/node.ts'
import { shown } from '../log-line.ts'
import type { Request } from '../request.ts'
import { RevokedStamps, stampsOf } from '../stamps.ts'
import { required, type Reply } from './arguments.ts'
import type { PanelHandle } from './panel.ts'

/** No task has a longer id: see protocol/task/header-reader.ts. */
const MAX_ID_LENGTH = 1024
/** As many as a worker remembers. @see ../revoked.ts */
const MAX_IDS = 50_000
/** Verdicts on their way to the backend at a time, for one command. */
const BATCH = 100
/** The text of a reply is cut beyond this. */
const MAX_REPLY = 65_536

/** The signals that a task may be ended with, by their number on Linux. */
const SIGNALS: ReadonlyMap<string, number> = new Map([
  ['SIGINT', 2],
  ['SIGQUIT', 3],
  ['SIGKILL', 9],
  ['SIGUSR1', 10],
  ['SIGTERM', 15],
])

/**
 * Adds ids to those that must not run, stores REVOKED for each, whoever has the task, and ends those
 * that run here when it shall. Which signal ends a task makes no difference in one process.
 *
 *     {task_id: id or ids, terminate: false, signal: 'SIGTERM'}
 *
 * What must not be late is done at once; only the backend is waited for.
 *
 * @see celery 5.6, worker/control.py, `revoke` and `_revoke`
 */
export function revoke(handle: PanelHandle): PanelCommand {
  const marks = new Marks(handle)
  return (args) => {
    const ids = taskIds(args, 'revoke')
    const signum = own(args, 'terminate') ? signalNumber(own(args, 'signal')) : undefined
    return revokeIds(handle, marks, ids, signum)
  }
}

/** `{task_id: id or ids, signal}` @see celery 5.6, worker/control.py, `terminate` */
export function terminate(handle: PanelHandle): PanelCommand {
  const marks = new Marks(handle)
  return (args) => {
    const ids = taskIds(args, 'terminate')
    return revokeIds(handle, marks, ids, signalNumber(required(args, 'terminate', 'signal')))
  }
}

/** @param signum ends those that run; undefined lets them */
async function revokeIds(
  handle: PanelHandle,
  marks: Marks,
  ids: ReadonlySet<string>,
  signum: number | undefined,
): Promise<Reply> {
  for (const id of ids) handle.state.revoked.add(id)
  if (signum === undefined) {
    handle.log.info(`Tasks flagged as revoked: ${shown([...ids].join(', '))}`)
    await marks.store(ids)
    return { ok: `tasks ${saferepr(ids, MAX_REPLY)} flagged as revoked` }
  }
  const known = end(handle, ids, signum)
  await marks.store([...ids].filter((id) => known.get(id) !== true))
  if (known.size === 0) return { ok: 'terminate: tasks unknown' }
  return { ok: `terminate: ${[...known.keys()].join(', ')}` }
}

/**
 * Adds stamps to those that no task with one of them shall run any more, and ends such tasks that run
 * here when it shall.
 *
 *     {headers: {header: stamp or stamps} or ['header=stamp'], terminate: false, signal: 'SIGTERM'}
 *
 * @see celery 5.6, worker/control.py, `revoke_by_stamped_headers`
 */
export function revokeByStampedHeaders({ state }: PanelHandle): PanelCommand {
  return (args): Reply => {
    const signum = signalNumber(own(args, 'signal'))
    const headers = stampedHeaders(args)
    const wanted = new RevokedStamps({ maxLength: MAX_IDS })
    for (const [header, stamps] of Object.entries(headers)) {
      for (const stamp of stampsOf(stamps)) {
        state.revokedStamps.add(header, stamp)
        wanted.add(header, stamp)
      }
    }
    const shownHeaders = saferepr(headers, MAX_REPLY)
    if (!own(args, 'terminate')) {
      return { ok: `headers ${shownHeaders} flagged as revoked, but not terminated` }
    }
    const ended = new Map<string, Set<unknown>>()
    for (const request of state.active) {
      const matches = wanted.matches(request.message)
      if (matches.length > 0) request.terminate(signum)
      for (const [header, stamp] of matches) {
        ended.set(header, (ended.get(header) ?? new Set()).add(stamp))
      }
    }
    if (ended.size === 0) return { ok: `headers ${shownHeaders} were not terminated` }
    const text = saferepr(Object.fromEntries(ended), MAX_REPLY)
    return { ok: `headers defaultdict(<class 'set'>, ${text}) revoked` }
  }
}

/** The tasks that this worker has, and whether they ran: then the end of the run stores REVOKED. */
function end(
  { state, log }: PanelHandle,
  ids: ReadonlySet<string>,
  signum: number,
): ReadonlyMap<string, boolean> {
  const known = new Map<string, boolean>()
  for (const request of requestsOf(state, ids)) {
    log.info(`Terminating ${shown(request.id)} (${signum})`)
    known.set(request.id, request.terminate(signum) || known.get(request.id) === true)
  }
  return known
}

function requestsOf(state: PanelHandle['state'], ids: ReadonlySet<string>): Request[] {
  const requests = new Set([...state.scheduled, ...state.reserved, ...state.active])
  return [...requests].filter(({ id }) => ids.has(id))
}

/** REVOKED on its way to the backend: not more of them than a worker would remember. */
class Marks {
  readonly #handle: PanelHandle
  #pending = 0

  constructor(handle: PanelHandle) {
    this.#handle = handle
  }

  /** Never rejects. */
  async store(ids: Iterable<string>): Promise<void> {
    const { verdicts, log } = this.#handle
    const rest = [...ids]
    if (this.#pending + rest.length > MAX_IDS) {
      log.warning(`Failed to mark ${rest.length} tasks as revoked in backend: it is too slow`)
      return
    }
    this.#pending += rest.length
    while (rest.length > 0) {
      const batch = rest.splice(0, BATCH)
      await Promise.all(batch.map((id) => verdicts.revokedById(id)))
      this.#pending -= batch.length
    }
  }
}

function taskIds(args: PlainObject, command: string): ReadonlySet<string> {
  const given = required(args, command, 'task_id') ?? []
  const ids: unknown = typeof given === 'string' ? [given] : given
  if (!Array.isArray(ids) || ids.length > MAX_IDS || !ids.every(isId)) {
    throw new TypeError(
      `task_id must be an id or a list of at most ${MAX_IDS}, each of 1 to ${MAX_ID_LENGTH} characters`,
    )
  }
  return new Set(ids)
}

function stampedHeaders(args: PlainObject): PlainObject {
  const given = required(args, 'revoke_by_stamped_headers', 'headers')
  const headers = Array.isArray(given) ? fromPairs(given) : given
  if (!isPlainObject(headers)) {
    throw new TypeError("headers must be an object, or a list such as ['header=stamp']")
  }
  const stamps = Object.entries(headers).flatMap(([name, each]) => [name, ...stampsOf(each)])
  if (stamps.length > MAX_IDS || !stamps.every((stamp) => repr(stamp).length <= MAX_ID_LENGTH)) {
    throw new TypeError(
      `headers must have at most ${MAX_IDS} stamps of at most ${MAX_ID_LENGTH} characters`,
    )
  }
  return headers
}

function fromPairs(pairs: readonly unknown[]): PlainObject {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [header, stamp] = typeof pair === 'string' ? pair.split('=') : []
      if (header !== undefined && stamp !== undefined) return [header, stamp]
      throw new TypeError("each of the headers must be a text such as 'header=stamp'")
    }),
  )
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH
}

/** By its name, with or without `SIG`, or its number. @see celery 5.6, platforms.py, `Signals.signum` */
function signalNumber(signal: unknown): number {
  const given = signal === undefined || signal === null || signal === '' ? 'SIGTERM' : signal
  for (const [name, number] of SIGNALS) {
    if (given === name || given === name.slice('SIG'.length) || given === number) return number
  }
  throw new TypeError(`signal must be one of ${[...SIGNALS.keys()].join(', ')}`)
}
