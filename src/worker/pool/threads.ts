/** Children that are threads of this process: they can be ended one by one, but share its fate. */

import { Worker, type WorkerOptions } from 'node:worker_threads'
import { isOurs, type FromChild } from './ipc.ts'
import { CHILD, type Launch } from './launch.ts'
import type { StartChild } from './slot.ts'

export function startThread({ execArgv, tsx }: Launch): StartChild {
  const options: WorkerOptions = { execArgv: execArgv.filter(isPerThread), trackUnmanagedFds: true }
  return (events) => {
    const thread =
      tsx === undefined
        ? new Worker(CHILD, options)
        : new Worker(bootstrap(tsx.registers), { ...options, eval: true })
    let error: unknown
    thread.on('message', (message: unknown) => {
      if (isOurs(message)) events.onMessage(message as FromChild)
    })
    thread.once('error', (reason) => (error = reason))
    thread.once('exit', (code) => {
      events.onExit({ status: `exitcode ${code}`, ...(error === undefined ? {} : { error }) })
    })
    return {
      pid: process.pid,
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
      send: (message) => thread.postMessage(message),
      kill: () => void thread.terminate(),
    }
  }
}

/** Node 20 does not run the hooks of `--import tsx` in threads: they are registered in the thread itself. */
function bootstrap(registers: readonly string[]): string {
  return `(async () => {
    for (const url of ${JSON.stringify(registers)}) (await import(url)).register()
    await import(${JSON.stringify(CHILD.href)})
  })()`
}

/** A thread refuses options that are the whole process's, such as V8's, which it has anyway. */
function isPerThread(word: string): boolean {
  return !word.startsWith('--') || PER_THREAD.test(word)
}

const PER_THREAD = /^--(require|import|conditions|enable-source-maps|no-warnings|trace-\w+)(=|$)/
