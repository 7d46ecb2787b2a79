/** The tasks of the fault runs in TypeScript: each writes down when it starts and ends, outside of what is broken. */

import { appendFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterTaskPublish, beforeTaskPublish, Celery, type TaskOptions } from '../src/index.ts'

/** The app of the worker and of the client: settings come from the environment, under Celery's own names. */
export const app = new Celery('faults').configFromObject(
  JSON.parse(process.env['FAULTS_CONF'] ?? '{}') as object,
)

const ledger = process.env['FAULTS_LEDGER'] ?? '/dev/null'

/** One line per event, in one write: `start id pid milliseconds`. */
function note(event: 'start' | 'end', id: string): void {
  appendFileSync(ledger, `${event} ${id} ${process.pid} ${Date.now()}\n`)
}

async function run(id: string, seconds: number = 0): Promise<string> {
  note('start', id)
  if (seconds > 0) await sleep(seconds * 1000)
  note('end', id)
  return id
}

const KINDS: Readonly<Record<string, TaskOptions & { readonly bind?: false }>> = {
  early: {},
  late: { acksLate: true },
  lost: { acksLate: true, rejectOnWorkerLost: true },
}

/** What tasks never let go. */
const kept: Buffer[] = []

for (const [kind, options] of Object.entries(KINDS)) {
  app.task(`faults.${kind}`, options, run)
  app.task(`faults.die_${kind}`, options, async (id: string, signal: string) => {
    note('start', id)
    process.kill(process.pid, signal)
    await sleep(10_000)
  })
  app.task(`faults.grow_${kind}`, options, (id: string, megabytes: number) => {
    note('start', id)
    kept.push(Buffer.alloc(megabytes * 2 ** 20, 1))
    note('end', id)
    return id
  })
  app.task(`faults.block_${kind}`, options, (id: string, seconds: number) => {
    note('start', id)
    const end = Date.now() + seconds * 1000
    while (Date.now() < end);
    note('end', id)
    return id
  })
}

/** Gives something else each time that it runs: `[place, when and where]`. */
app.task('faults.draw', { acksLate: true }, async (id: string, place: number, seconds: number) => {
  await run(id, seconds)
  return [place, `${process.pid} ${performance.now()}`]
})

/** The body of a chord, by its name with a point at which its sender dies, the first time. */
for (const name of ['faults.body', 'faults.body_before', 'faults.body_after']) {
  app.task(name, { acksLate: true }, async (parts: readonly unknown[], id: string) => {
    await run(id)
    return parts
  })
}

async function die(): Promise<void> {
  try {
    writeFileSync(`${ledger}.died`, '', { flag: 'wx' })
  } catch {
    return
  }
  process.kill(process.pid, 'SIGKILL')
  await sleep(10_000)
}

beforeTaskPublish.connect(die, { sender: 'faults.body_before' })
afterTaskPublish.connect(die, { sender: 'faults.body_after' })

/** What a function can throw, or do to its process, that is no ordinary error. */
const ODD: Readonly<Record<string, () => unknown>> = {
  undefined: () => {
    throw undefined
  },
  frozen: () => {
    throw Object.freeze(new Error('frozen'))
  },
  getter: () => {
    const error = new Error('getter')
    Object.defineProperty(error, 'message', {
      get: () => {
        throw new Error('no')
      },
    })
    throw error
  },
  circular: () => {
    const error = new Error('circular') as Error & { self?: unknown }
    error.self = error
    throw error
  },
  bigint: () => {
    throw 10n
  },
  'returns what no serializer takes': () => () => 1,
  'rejects later': () => {
    setImmediate(() => void Promise.reject(new Error('nobody hears')))
    return 'fine'
  },
}

app.task('faults.odd', (id: string, what: string) => {
  note('start', id)
  return ODD[what]?.()
})
