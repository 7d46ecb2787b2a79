/** Children that are processes: they can be killed, and what they do to themselves hurts nobody else. */

import { fork } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Exit } from './exit.ts'
import { isOurs, type FromChild } from './ipc.ts'
import { CHILD, type Launch } from './launch.ts'
import type { ChildEvents, StartChild } from './slot.ts'

/** A process that has ended has said all that it will, but not all may have been read yet. */
const DRAIN_MS = 1000

export function startProcess({ execArgv, tsx }: Launch): StartChild {
  const loads = tsx === undefined ? [] : ['--import', tsx.loader]
  return (events) => {
    const child = fork(fileURLToPath(CHILD), [], {
      serialization: 'advanced',
      execArgv: [...execArgv, ...loads],
      env: withoutInspector(process.env),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ending = new Ending(events, () => child.kill('SIGKILL'))
    child.on('message', (message) => {
      if (isOurs(message)) events.onMessage(message as unknown as FromChild)
    })
    child.once('exit', (code, signal) => ending.exited({ status: statusOf(code, signal) }))
    child.once('disconnect', () => ending.disconnected())
    child.on('error', (error) => {
      if (child.pid === undefined) events.onExit({ status: 'not started', error })
    })
    return {
      pid: child.pid ?? 0,
      send: (message, onUndelivered) => {
        child.send(message, (error) => {
          if (error !== null) onUndelivered()
        })
      },
      kill: () => void child.kill('SIGKILL'),
    }
  }
}

/** It is gone when it has ended and its channel is read to the end, whichever comes first. */
class Ending {
  readonly #events: ChildEvents
  readonly #kill: () => void
  #exit: Exit | undefined
  #disconnected = false
  #timer: NodeJS.Timeout | undefined

  constructor(events: ChildEvents, kill: () => void) {
    this.#events = events
    this.#kill = kill
  }

  exited(exit: Exit): void {
    clearTimeout(this.#timer)
    this.#exit = exit
    if (this.#disconnected) return this.#events.onExit(exit)
    this.#timer = setTimeout(() => this.disconnected(), DRAIN_MS)
  }

  /** A child that closed its channel is of no use any more. */
  disconnected(): void {
    clearTimeout(this.#timer)
    this.#disconnected = true
    if (this.#exit !== undefined) this.#events.onExit(this.#exit)
    else this.#timer = setTimeout(this.#kill, DRAIN_MS)
  }
}

/** @see billiard, common.py, `human_status` */
function statusOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exitcode ${code}` : `signal ${constants.signals[signal]} (${signal})`
}

function withoutInspector({ NODE_OPTIONS, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const options = NODE_OPTIONS?.replace(/--inspect(-\w+)*(=\S+)?/g, '')
  return options === undefined ? env : { ...env, NODE_OPTIONS: options }
}
