/** The app of the pools' tests, loaded by their children: tasks that end when they are told, or come to harm. */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { isMainThread, threadId } from 'node:worker_threads'
import { Celery } from '../../../src/app/celery.ts'
import { LeaseLostError, SoftTimeLimitExceeded } from '../../../src/errors.ts'
import type { TaskContext } from '../../../src/task/context.ts'
import { workerProcessInit, workerProcessShutdown } from '../../../src/worker/signals.ts'

export const app = new Celery('pool', {
  brokerUrl: 'memory://pool',
  resultBackend: 'memory://pool',
})

/** Known classes by their class, others by their name. */
function describe(reason: unknown): string {
  const known = [SoftTimeLimitExceeded, LeaseLostError].find((type) => reason instanceof type)
  return `${known?.name ?? (reason as Error).name}: ${(reason as Error).message}`
}

/** Tells the test that it runs, where, and when it is aborted; ends as the test says. */
app.task('pool.gate', { bind: true }, async (self: TaskContext, port: number, id: string) => {
  const socket = connect(port, '127.0.0.1')
  const say = (words: object): void => void socket.write(`${JSON.stringify({ id, ...words })}\n`)
  try {
    say({ pid: process.pid, threadId })
    self.signal.addEventListener('abort', () => say({ aborted: describe(self.signal.reason) }))
    const [command] = (await once(socket, 'data')) as [Buffer]
    if (String(command) !== 'end') throw new Error(String(command))
    return `done ${id}`
  } finally {
    socket.end()
  }
})

app.task('pool.where', () => ({ pid: process.pid, threadId }))
app.task('pool.name', () => {
  app.log.warning('said by a task')
  return [process.title, process.env['CELERY_PROCESS_NAME']]
})

// what comes to harm
app.task('pool.exit', (code: number) => process.exit(code))
app.task('pool.signal', (signal: string) => {
  process.kill(process.pid, signal)
  return new Promise(() => {})
})
app.task('pool.compute', async (signals: readonly string[]) => {
  for (const signal of signals) process.kill(process.pid, signal)
  await new Promise((resolve) => setImmediate(resolve))
  for (;;);
})
app.task('pool.throw', () => {
  setTimeout(() => {
    throw new RangeError('out of a timer')
  })
  return new Promise(() => {})
})
app.task('pool.reject', () => {
  void Promise.reject(new RangeError('nobody awaits me'))
  return new Promise(() => {})
})
app.task('pool.disconnect', () => {
  process.disconnect()
  return new Promise(() => {})
})
app.task('pool.fill', () => {
  const all: unknown[] = []
  for (;;) all.push(Array.from({ length: 100_000 }, Math.random))
})
const kept: unknown[] = []
/** Keeps so many MiB: a process outside of its heap, a thread in it. */
app.task('pool.keep', (mib: number) => {
  for (let i = 0; i < mib; i += 1) {
    kept.push(isMainThread ? Buffer.alloc(2 ** 20, 1) : Array.from({ length: 2 ** 17 }, () => 1.5))
  }
})

/** What the signals of this child told, for `pool.told`. */
const told: string[] = []
workerProcessInit.connect(({ hostname, pid }) => {
  told.push(`init ${hostname} ${pid === process.pid}`)
})
workerProcessShutdown.connect(({ pid, exitcode }) => {
  const folder = process.env['POOL_TEST_FOLDER']
  if (folder !== undefined) writeFileSync(join(folder, `${pid}-${threadId}`), String(exitcode))
})
app.task('pool.told', () => told)
