/** What tasks wrote down of their runs: the witness that no broker and no backend can change. */

import { readFileSync, writeFileSync } from 'node:fs'
import { until } from '../test/support/until.ts'

/** One run of a task. */
export interface Execution {
  readonly id: string
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly start: number
  /** Undefined when it never came to its end. */
  readonly end: number | undefined
}

export class Ledger {
  readonly path: string

  constructor(path: string) {
    this.path = path
    writeFileSync(path, '')
  }

  executions(): readonly Execution[] {
    const runs: { id: string; pid: number; start: number; end: number | undefined }[] = []
    for (const line of readFileSync(this.path, 'utf8').split('\n')) {
      const [event, id = '', pid = '', at = ''] = line.split(' ')
      if (event === 'start') {
        runs.push({ id, pid: Number(pid), start: Number(at), end: undefined })
      } else if (event === 'end') {
        const run = runs.findLast((one) => one.id === id && one.pid === Number(pid))
        if (run !== undefined) run.end = Number(at)
      }
    }
    return runs
  }

  of(id: string): readonly Execution[] {
    return this.executions().filter((run) => run.id === id)
  }

  /** The ids that came to their end at least once. */
  done(): ReadonlySet<string> {
    return new Set(this.executions().flatMap((run) => (run.end === undefined ? [] : [run.id])))
  }

  /** Resolves when the task has started (so many times). */
  async started(id: string, times = 1, seconds = 30): Promise<Execution> {
    return await until(() => this.of(id)[times - 1], { seconds, what: `run ${times} of ${id}` })
  }

  /** Waits until all have come to their end, or the time is over; what is missing is lost. */
  async settle(ids: readonly string[], seconds: number): Promise<Account> {
    const complete = (): boolean => ids.every((id) => this.done().has(id))
    await until(complete, { seconds, what: 'all to end' }).catch(() => false)
    return this.account(ids)
  }

  account(ids: readonly string[]): Account {
    const done = this.done()
    const executions = this.executions()
    const wanted = new Set(ids)
    const runs = executions.filter(({ id }) => wanted.has(id)).length
    const ran = new Set(executions.map(({ id }) => id))
    const lost = ids.filter((id) => !done.has(id))
    const repeated = runs - ids.filter((id) => ran.has(id)).length
    return { sent: ids.length, lost: lost.length, repeated }
  }
}

export interface Account {
  readonly sent: number
  /** Never came to their end. */
  readonly lost: number
  /** Runs beyond the first of each. */
  readonly repeated: number
}
