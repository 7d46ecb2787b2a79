/** Pools of children on a stage: their jobs are tasks of app.ts, which a test ends over a socket. */

import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createTestApp } from '../../../src/testing.ts'
import type { Outcome } from '../../../src/task/request.ts'
import type { ChildrenOptions } from '../../../src/worker/pool/children.ts'
import { openPool, planPool } from '../../../src/worker/pool/open.ts'
import type { Job, Pool } from '../../../src/worker/pool/pool.ts'
import type { WireRequest } from '../../../src/worker/wire.ts'
import type { SettingsInput } from '../../../src/conf/settings.ts'
import { STAGE_SIZE, type Stage } from '../../contracts/pool.ts'
import { recorder } from '../harness.ts'

const appFile: string = fileURLToPath(new URL('app.ts', import.meta.url))

export interface TestPool {
  readonly pool: Pool<Outcome>
  /** `warning …`, but for the warnings of memory:// */
  readonly logged: readonly string[]
  /** What `onFailed` got. */
  readonly failed: Error[]
}

export interface TestPoolOptions extends ChildrenOptions {
  readonly size?: number
  readonly settings?: SettingsInput
}

/** A pool of children with the app of the tests, unless the options say otherwise; not started. */
export function testPool(
  name: string,
  { size = 1, settings, ...options }: TestPoolOptions = {},
): TestPool {
  const logged: string[] = []
  const failed: Error[] = []
  const pool = openPool<Outcome>(
    planPool(name, size),
    () => Promise.reject(new Error('a child has its own runner')),
    {
      host: createTestApp(settings),
      options: { app: appFile, ...options },
      hostname: 'w1@host',
      log: recorder(logged),
      onFailed: (error) => failed.push(error),
    },
  )
  return {
    pool,
    failed,
    get logged() {
      return logged.filter((line) => !line.includes('memory://'))
    },
  }
}

let jobs = 0

/** A job that calls a task of the app. */
export function call(task: string, ...args: readonly unknown[]): Job {
  return jobOf(String((jobs += 1)), task, JSON.stringify([args, {}, {}]))
}

function jobOf(id: string, task: string, body: string): Job {
  const wire: WireRequest = {
    message: {
      // a view into something bigger, as bodies from a socket are
      body: Buffer.from(`xx${body}`).subarray(2),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { lang: 'py', task, id },
      properties: { correlationId: id, replyTo: '' },
    },
    hostname: 'w1@host',
    deliveryInfo: { exchange: '', routingKey: 'celery', priority: 0, redelivered: false },
  }
  return { id, task, payload: null, wire: () => wire }
}

/** What became of a job. */
export interface End {
  readonly pid: number
  readonly outcome?: Outcome
  readonly error?: Error
}

export function run(pool: Pool<Outcome>, job: Job): Promise<End> {
  return new Promise((resolve, reject) => {
    let pid = 0
    pool.submit(job, {
      onAccepted: (where) => ((pid = where), true),
      onOutcome: (outcome) => resolve({ pid, outcome }),
      onError: (error) => resolve({ pid, error: error as Error }),
      onDropped: () => reject(new Error('dropped')),
    })
  })
}

/** What a task returned, from its repr: numbers, and what looks the same in both languages. */
export async function valueOf(pool: Pool<Outcome>, job: Job): Promise<string> {
  const { outcome, error } = await run(pool, job)
  if (outcome?.state === 'SUCCESS') return outcome.resultRepr
  throw error ?? new Error(JSON.stringify(outcome))
}

interface Said {
  readonly id: string
  readonly pid?: number
  readonly threadId?: number
  readonly aborted?: string
}

/** A stage for the contract: the jobs connect to it, say what happens to them, and end when they are told. */
export async function childStage(name: string): Promise<Stage> {
  const { pool } = testPool(name, { size: STAGE_SIZE })
  const started: string[] = []
  const places = new Map<string, string>()
  const aborted = new Map<string, string>()
  const sockets = new Map<string, Socket>()
  const ended = new Set<string>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    createInterface(socket).on('line', (line) => {
      const said = JSON.parse(line) as Said
      if (said.aborted !== undefined) {
        aborted.set(said.id, said.aborted)
        return
      }
      sockets.set(said.id, socket)
      places.set(said.id, `${said.pid}/${said.threadId}`)
      started.push(said.id)
      if (ended.has(said.id)) socket.write('end')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    pool,
    started,
    job: (id) => jobOf(id, 'pool.gate', JSON.stringify([[port, id], {}, {}])),
    brokenJob: (id) => jobOf(id, 'pool.gate', 'broken'),
    placeOf: (id) => places.get(id) ?? '',
    abortedBy: (id) => aborted.get(id),
    end: (id) => {
      ended.add(id)
      sockets.get(id)?.write('end')
    },
    text: (outcome) => {
      const { resultRepr } = outcome as Outcome & { readonly state: 'SUCCESS' }
      return resultRepr.slice(1, -1)
    },
    close: async () => {
      for (const socket of sockets.values()) socket.destroy()
      server.close()
      await pool.stop()
    },
  }
}
