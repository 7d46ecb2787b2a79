/** F35, F36 and F40b: chords whose messages come twice, whose workers and servers die, and that are large. */

import { setTimeout as sleep } from 'node:timers/promises'
import { chord, type AsyncResult, type Celery, type Signature } from '../../src/index.ts'
import { until } from '../../test/support/until.ts'
import { watchMemory } from '../memory.ts'
import type { Finding, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const BOTH = ['redis', 'amqp'] as const
/** Python's workers on Redis take back what a dead one held when this has passed. */
const CONF = { broker_transport_options: { visibility_timeout: 8 } }

interface Chord {
  /** The id of the body in the ledger. */
  readonly id: string
  readonly size: number
  readonly result: AsyncResult
}

let names = 0

/** Sends a chord; a part that draws gives its place, and something else each time. */
async function sendChord(
  { app }: Stage,
  size: number,
  { part = 'faults.draw', body = 'faults.body', seconds = 0 } = {},
): Promise<Chord> {
  const id = `c${(names += 1)}`
  const header = Array.from({ length: size }, (_, place) =>
    app.signature(part, part === 'faults.draw' ? [`${id}.${place}`, place, seconds] : [place]),
  )
  const result = await chord(header, app.signature(body, [id])).applyAsync()
  return { id, size, result }
}

/** Of these chords: whose body never came, or had other than each part once, in order; whose ran again. */
async function verdictOf(
  { ledger }: Stage,
  chords: readonly Chord[],
  seconds: number,
): Promise<{ readonly missing: number; readonly wrong: number; readonly repeated: number }> {
  const ends = chords.map(async ({ result, size }) => {
    const value = await result.get({ timeout: seconds }).catch(() => undefined)
    return value === undefined ? 'missing' : isWhole(value, size) ? 'right' : 'wrong'
  })
  const told = await Promise.all(ends)
  await sleep(1000)
  return {
    missing: told.filter((each) => each === 'missing').length,
    wrong: told.filter((each) => each === 'wrong').length,
    repeated: chords.filter(({ id }) => ledger.of(id).length > 1).length,
  }
}

function isWhole(value: unknown, size: number): boolean {
  if (!Array.isArray(value) || value.length !== size) return false
  return value.every((part: unknown, place) => Array.isArray(part) && part[0] === place)
}

async function judge(
  stage: Stage,
  chords: readonly Chord[],
  { seconds = 60, again = 0 } = {},
): Promise<Finding> {
  const { missing, wrong, repeated } = await verdictOf(stage, chords, seconds)
  return {
    ok: missing === 0 && wrong === 0 && repeated <= again,
    text: `of ${chords.length} bodies ${missing} never ran, ${wrong} with wrong parts, ${repeated} again`,
  }
}

/** From now on each message is published twice at once; what this gives publishes all of them again. */
function twice({ app: { producer } }: Stage): () => Promise<void> {
  const publish = producer.publish.bind(producer)
  const sent: Parameters<typeof publish>[] = []
  producer.publish = async (...call) => {
    sent.push(call)
    await Promise.all([publish(...call), publish(...call)])
  }
  return async () => void (await Promise.all(sent.map((call) => publish(...call))))
}

const delivered: Row = {
  id: 'F35',
  fault:
    'each message of 50 chords of 4 delivered twice at once, to two workers, and a third time when all is over; each run gives another result',
  promise: 'each body runs once, with each part once, in order',
  brokers: BOTH,
  python: true,
  seconds: 90,
  run: async (stage) => {
    await Promise.all(['w1', 'w2'].map((name) => stage.worker({ name })))
    const again = twice(stage)
    const chords = await Promise.all(Array.from({ length: 50 }, () => sendChord(stage, 4)))
    await verdictOf(stage, chords, 15)
    await again()
    await stage.ledger.settle(await stage.send('faults.early', 1), 20)
    return await judge(stage, chords, { seconds: 1 })
  },
}

/** Whether what a dead worker held has run elsewhere. */
function repeatedPart({ ledger }: Stage): boolean {
  const parts = ledger.executions().filter(({ id }) => id.includes('.'))
  return parts.some(({ id, end }, index) => {
    const before = parts.findIndex((other) => other.id === id)
    return end !== undefined && before < index
  })
}

/** A worker dies just before or after it sends the body; `again` is how often that may be sent twice. */
function killed(id: string, point: 'before' | 'after', what: string, again: number): Row {
  return {
    id,
    fault: `worker killed (\`kill -9\`) ${what}, late-acked parts`,
    promise:
      again === 0
        ? 'the body runs once, with each part once, in order, within 60 s'
        : 'the body runs, twice at most, with each part once, in order',
    brokers: BOTH,
    python: true,
    seconds: 150,
    run: async (stage) => {
      await Promise.all(['w1', 'w2'].map((name) => stage.worker({ name, conf: CONF })))
      const chords = [await sendChord(stage, 4, { body: `faults.body_${point}` })]
      await until(() => repeatedPart(stage), { seconds: 60 }).catch(() => undefined)
      return await judge(stage, chords, { seconds: 60, again })
    },
  }
}

/** A server is killed in the middle of a chord, and comes back. */
function restarted(id: string, which: 'server' | 'results', what: string): Row {
  return {
    id,
    fault: `${what} killed (\`kill -9\`) in the middle of a chord of 1,000, and started again 3 s later`,
    promise: 'the body runs, with each part once, in order',
    brokers: BOTH,
    python: true,
    seconds: 180,
    run: async (stage) => {
      await Promise.all(['w1', 'w2'].map((name) => stage.worker({ name, conf: CONF })))
      const chords = [await sendChord(stage, 1000, { seconds: 0.02 })]
      await until(() => stage.ledger.done().size >= 300, { seconds: 60 })
      await stage[which].kill()
      await sleep(3000)
      await stage[which].restart()
      return await judge(stage, chords, { seconds: 100, again: 1 })
    },
  }
}

/** The part that ends badly, by how it does. */
const BAD: Readonly<Record<string, (app: Celery) => Signature>> = {
  'its process dies': (app) => app.signature('faults.die_early', ['dies', 'SIGKILL']),
  'each of its processes dies': (app) => app.signature('faults.die_lost', ['each', 'SIGKILL']),
  'it takes too long': (app) => app.signature('faults.block_early', ['long', 600]),
  'nobody knows it': (app) => app.signature('faults.unknown', ['unknown']),
  'it has expired': (app) => app.signature('faults.early', ['expired'], { expires: 0.001 }),
  'it is revoked': (app) => app.signature('faults.early', ['revoked'], { taskId: 'revoked' }),
}

const bad: Row = {
  id: 'F36e',
  fault: `chords of 4 with a part that ends badly: ${Object.keys(BAD).join(', ')}`,
  promise: 'each body fails with a ChordError within 30 s',
  brokers: BOTH,
  python: true,
  seconds: 120,
  run: async (stage) => {
    const { app, ledger } = stage
    await stage.worker({ args: ['-P', 'prefork', '--time-limit', '3'] })
    await app.control.revoke('revoked')
    await sleep(500)
    const ends = Object.entries(BAD).map(async ([what, make]) => {
      const good = Array.from({ length: 3 }, (_, n) =>
        app.signature('faults.late', [`${what}${n}`]),
      )
      const [first, ...rest] = good
      const header = [first, make(app), ...rest].filter((part) => part !== undefined)
      const result = await chord(header, app.signature('faults.body', [what])).applyAsync()
      const end = await result.get({ timeout: 30 * stage.slack, followParents: false }).then(
        () => 'none',
        (error: unknown) => (error as Error).name,
      )
      return end === 'ChordError' ? [] : [`${what}: ${end}`]
    })
    const wrong = (await Promise.all(ends)).flat()
    const ran = Object.keys(BAD).filter((what) => ledger.of(what).length > 0)
    return {
      ok: wrong.length === 0 && ran.length === 0,
      text: `${ends.length - wrong.length} of ${ends.length} fail${wrong.map((each) => `; ${each}`).join('')}`,
    }
  },
}

const SIZE = 10_000

const large: Row = {
  id: 'F40b',
  fault: 'a chord of 10,000 parts',
  promise: 'the body starts within 2 s of the end of the last part; memory + 128 MB at most',
  brokers: BOTH,
  python: true,
  seconds: 240,
  run: async (stage) => {
    const worker = await stage.worker()
    await stage.ledger.settle(await stage.send('faults.late', 200), 30)
    const memory = watchMemory(worker.pid)
    const { id, result } = await sendChord(stage, SIZE)
    const value = await result.get({ timeout: 150 })
    const more = memory.most() - memory.first
    const [body] = stage.ledger.of(id)
    const ends = stage.ledger.executions().flatMap((run) => (run.id === id ? [] : (run.end ?? [])))
    const seconds = ((body?.start ?? Infinity) - Math.max(...ends)) / 1000
    // of Python's worker the pool's children work, and not the process that is watched
    const growth = stage.kind === 'celeriac' ? `, memory + ${more.toFixed(0)} MB` : ''
    return {
      ok: isWhole(value, SIZE) && seconds <= 2 * stage.slack && more <= 128,
      text: `the body after ${seconds.toFixed(2)} s, ${isWhole(value, SIZE) ? 'whole' : 'with wrong parts'}${growth}`,
    }
  },
}

export const CHORDS: readonly Row[] = [
  delivered,
  killed('F36a', 'before', 'when the last part is counted and the body not sent', 0),
  killed('F36b', 'after', 'when the body is sent and the part not acked', 1),
  restarted('F36c', 'results', 'result backend'),
  restarted('F36d', 'server', 'broker'),
  bad,
  large,
]
