/** Child processes of the tests: started in a group of their own, ended by pid, their output kept. */

import { spawn, type ChildProcess } from 'node:child_process'
import { until } from './until.ts'

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The user that it runs as. */
  readonly uid?: number
  readonly gid?: number
}

/** The most that is kept of what a process says, in characters. */
const OUTPUT_LIMIT = 4_000_000

const alive = new Set<Process>()

/** A program that runs beside the test. */
export class Process {
  readonly #child: ChildProcess
  readonly #name: string
  readonly exited: Promise<number | null>
  #output = ''
  #code: number | null | undefined

  constructor(command: string, args: readonly string[], options: ProcessOptions = {}) {
    this.#name = `${command} ${args.join(' ')}`
    this.#child = spawn(command, args, {
      ...options,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_LIMIT)
    }
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
    alive.add(this)
    this.exited = new Promise((resolve) => {
      const over = (code: number | null): void => {
        this.#code = code
        alive.delete(this)
        resolve(code)
      }
      this.#child.once('exit', over)
      this.#child.once('error', (error) => {
        this.#output += String(error)
        over(null)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#code === undefined
  }

  /** Resolves when the output matches; rejects, with the output, when the process ends before. */
  async says(pattern: RegExp | string, seconds = 20): Promise<void> {
    const found = (): boolean =>
      typeof pattern === 'string' ? this.#output.includes(pattern) : pattern.test(this.#output)
    const settled = await until(() => found() || !this.running, {
      seconds,
      what: `${this.#name} to say ${pattern}`,
    }).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${this.#output}`)
    })
    if (settled && !found()) throw new Error(`${this.#name} ended; it said:\n${this.#output}`)
  }

  /** Sends a signal to the process alone. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal)
  }

  /** Sends a signal to the process and its children. */
  signalGroup(signal: NodeJS.Signals): void {
    if (!this.running || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch {
      // it has ended meanwhile
    }
  }

  /** Asks it to end, and ends it when it does not within the time. */
  async stop(seconds = 10): Promise<number | null> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signalGroup('SIGKILL'), seconds * 1000)
    const code = await this.exited
    clearTimeout(timer)
    return code
  }

  async kill(): Promise<void> {
    this.signalGroup('SIGKILL')
    await this.exited
  }
}

/** Ends what tests left running. */
export async function killAll(): Promise<void> {
  await Promise.all([...alive].map((child) => child.kill()))
}

process.once('exit', () => {
  for (const child of alive) child.signalGroup('SIGKILL')
})
