/** One delivery on its way: what it is answered with, and what is stored, by all that may become of its run. */

import { expect } from 'chai'
import {
  LeaseLostError,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  WorkerShutdown,
} from '../../src/errors.ts'
import type { Delivery, RequeueOptions } from '../../src/messaging/transport.ts'
import type { Marker } from '../../src/task/marker.ts'
import type { Outcome, TaskRequest } from '../../src/task/request.ts'
import type { JobHandler, Pool } from '../../src/worker/pool/pool.ts'
import { Request, type RequestContext, type TaskPolicy } from '../../src/worker/request.ts'
import { Settlements } from '../../src/worker/settlement.ts'
import { WorkerState } from '../../src/worker/state.ts'
import { TimeLimits } from '../../src/worker/time-limit.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { recorder } from './harness.ts'

const POLICY: TaskPolicy = {
  acksLate: false,
  acksOnFailureOrTimeout: true,
  rejectOnWorkerLost: false,
  ignoreResult: false,
  storeErrorsEvenIfIgnored: false,
  softTimeLimit: undefined,
  timeLimit: undefined,
}
const LATE = { acksLate: true }
const LATE_STRICT = { acksLate: true, acksOnFailureOrTimeout: false }
const LATE_AGAIN = { acksLate: true, rejectOnWorkerLost: true }

const runtime = 1
const failed = { exceptionRepr: '', traceback: '', expected: false, runtime }
const OUTCOMES = {
  success: { state: 'SUCCESS', resultRepr: '5', runtime },
  retry: { state: 'RETRY', message: '', exceptionRepr: '', traceback: '', runtime },
  ignore: { state: 'IGNORED', runtime },
  reject: { state: 'REJECTED', reason: '', requeue: false, runtime },
  'reject with requeue': { state: 'REJECTED', reason: '', requeue: true, runtime },
  failure: { state: 'FAILURE', timedOut: false, ...failed },
  'soft time limit': { state: 'FAILURE', timedOut: true, ...failed },
  'internal error': { state: 'INTERNAL_ERROR', exceptionRepr: '', traceback: '', runtime },
} as const satisfies Record<string, Outcome>

interface SetUp {
  readonly policy?: Partial<TaskPolicy>
  readonly delivery?: Partial<Pick<Delivery, 'redelivered' | 'deliveryCount'>>
  readonly message?: Partial<TaskRequest>
  readonly maxDeliveries?: number | null
  /** Whether jobs have processes of their own. */
  readonly kills?: boolean
}

/** Everything that happens to one request, in order. */
class Bench {
  readonly told: string[] = []
  readonly logged: string[] = []
  readonly clock = new FakeClock()
  readonly state: WorkerState<Request>
  readonly request: Request
  #handler: JobHandler<Outcome> | undefined
  readonly #settlements: Settlements
  readonly #options: SetUp

  constructor(options: SetUp = {}) {
    this.#options = options
    const log = recorder(this.logged)
    this.state = new WorkerState<Request>(this.clock)
    this.#settlements = new Settlements(log, this.clock)
    const context: RequestContext = {
      pool: this.#pool(),
      marker: this.#marker(),
      state: this.state,
      settlements: this.#settlements,
      log,
      clock: this.clock,
      timeLimits: new TimeLimits(log, this.clock),
      defaultLimit: { soft: null, hard: null },
      maxDeliveries: options.maxDeliveries === undefined ? 5 : options.maxDeliveries,
      onRevoked: async (_request, { reason, signum }) =>
        void this.told.push(`revoked: ${reason} ${signum}`),
    }
    const { message = {}, policy = {} } = options
    this.request = new Request(
      this.#delivery(),
      { id: 'id', task: 't', ...message } as TaskRequest,
      { ...POLICY, ...policy },
      { eta: undefined, expires: undefined },
      context,
    )
  }

  /** Accepted by the pool, unless the worker says no. */
  accept(): boolean {
    this.request.execute()
    return this.handler.onAccepted(7)
  }

  get handler(): JobHandler<Outcome> {
    if (this.#handler === undefined) throw new Error('it was not submitted')
    return this.#handler
  }

  /** All that was told once everything is settled. */
  async end(): Promise<readonly string[]> {
    await this.#settlements.idle()
    return this.told
  }

  #delivery(): Delivery {
    const note =
      (what: string) =>
      async (options: RequeueOptions = {}): Promise<void> =>
        void this.told.push([what, ...Object.keys(options)].join(' '))
    const { redelivered = false, deliveryCount = 0 } = this.#options.delivery ?? {}
    const ways = {
      ack: note('ack'),
      reject: note('reject'),
      requeue: note('requeue'),
      bury: note('bury'),
    }
    return { queue: 'celery', redelivered, deliveryCount, ...ways } as unknown as Delivery
  }

  #pool(): Pool<Outcome> {
    const pool: Partial<Pool<Outcome>> = {
      submit: (_job, handler) => void (this.#handler = handler),
      abort: (reason) => void this.told.push(`abort: ${reason.name}`),
      kill: (reason) => {
        if (this.#options.kills !== true) return false
        this.told.push(`kill: ${reason.name}`)
        return true
      },
      info: () => ({
        implementation: 'fake',
        maxConcurrency: 1,
        processes: [this.#options.kills === true ? 7 : process.pid],
      }),
    }
    return pool as Pool<Outcome>
  }

  #marker(): Marker {
    return {
      failed: async (_request, error) => {
        this.told.push(`FAILURE: ${error.name}: ${error.message}`)
        return OUTCOMES.failure
      },
      revoked: async () => {},
      refused: async () => {},
      cancelled: async () => {
        this.told.push('RETRY')
        return OUTCOMES.retry
      },
    }
  }
}

describe('worker/request', () => {
  describe('acknowledges', () => {
    type Row = readonly [what: keyof typeof OUTCOMES, early: string, late: string, strict: string]
    const matrix: readonly Row[] = [
      ['success', 'ack', 'ack', 'ack'],
      ['retry', 'ack', 'ack', 'ack'],
      ['ignore', 'ack', 'ack', 'ack'],
      ['reject', 'ack', 'reject', 'reject'],
      ['reject with requeue', 'ack', 'requeue anew', 'requeue anew'],
      ['failure', 'ack', 'ack', 'reject'],
      ['soft time limit', 'ack', 'ack', 'reject'],
      ['internal error', 'ack', 'ack', 'reject'],
    ]
    for (const [what, ...answers] of matrix) {
      for (const [i, policy] of [{}, LATE, LATE_STRICT].entries()) {
        const how = ['early', 'late', 'late, and not what failed'][i]
        it(`${what}, ${how}: ${answers[i]}`, async () => {
          const bench = new Bench({ policy })
          bench.accept()
          const before = [...bench.told]
          bench.handler.onOutcome(OUTCOMES[what])
          expect(before).to.deep.equal(i === 0 ? ['ack'] : [])
          expect(await bench.end()).to.deep.equal([answers[i]])
        })
      }
    }
  })

  describe('of a run whose process was killed by the hard time limit', () => {
    const rows: readonly (readonly [string, Partial<TaskPolicy>, readonly string[]])[] = [
      ['early', {}, ['ack', 'kill', 'FAILURE']],
      ['late', LATE, ['kill', 'FAILURE', 'ack']],
      ['late, and not what failed', LATE_STRICT, ['kill', 'FAILURE', 'requeue anew']],
    ]
    for (const [name, policy, expected] of rows) {
      it(`${name}: ${expected.join(', ')}`, async () => {
        const bench = new Bench({ policy: { ...policy, timeLimit: 3 }, kills: true })
        bench.accept()
        bench.clock.advance(3000)
        expect(bench.logged).to.deep.equal([
          'debug Task accepted: t[id] pid:7',
          'error Task handler raised error: TimeLimitExceeded(3)',
          'error Hard time limit (3s) exceeded for t[id]',
        ])
        bench.handler.onError(new TimeLimitExceeded(3))
        const told = (await bench.end()).map((line) => line.split(':')[0])
        expect(told).to.deep.equal(expected)
        expect(bench.logged).to.have.length(3)
        expect(bench.state.active.size).to.equal(0)
      })
    }
  })

  describe('limits the time of a run', () => {
    it('by a signal that tells it to end, and by one that ends it where nothing can be killed', async () => {
      const bench = new Bench({ policy: { ...LATE_STRICT, softTimeLimit: 1, timeLimit: 2 } })
      bench.accept()
      bench.clock.advance(2000)
      expect(bench.told).to.deep.equal([
        `abort: ${SoftTimeLimitExceeded.name}`,
        `abort: ${TimeLimitExceeded.name}`,
      ])
      bench.handler.onOutcome(OUTCOMES['soft time limit'])
      expect((await bench.end()).at(-1)).to.equal('requeue anew')
    })

    it("as the message says, then as remote control says, then as the task's options say", () => {
      const limitOf = (message: Partial<TaskRequest>, remote?: { soft: number; hard: null }) => {
        const bench = new Bench({ policy: { softTimeLimit: 20 }, message })
        if (remote !== undefined) bench.state.limits.set('t', remote)
        bench.accept()
        bench.clock.advance(60_000)
        return bench.logged.find((line) => line.includes('limit'))
      }
      const remote = { soft: 10, hard: null }
      expect(limitOf({ softTimeLimit: 5 }, remote)).to.match(/\(5s\)/)
      expect(limitOf({}, remote)).to.match(/\(10s\)/)
      expect(limitOf({})).to.match(/\(20s\)/)
    })
  })

  describe('of a run whose process is gone', () => {
    const lost = new WorkerLostError('Worker exited prematurely: signal 9 (SIGKILL) Job: 1.')
    const FAILURE = `FAILURE: WorkerLostError: ${lost.message}`
    const rows: readonly (readonly [string, Partial<TaskPolicy>, readonly string[]])[] = [
      ['early: fails', {}, ['ack', FAILURE]],
      ['late: fails, and is acked', LATE, [FAILURE, 'ack']],
      ['late, and not what failed: fails, and is rejected', LATE_STRICT, [FAILURE, 'reject']],
      ['late, to be run again: goes back, counted', LATE_AGAIN, ['requeue counted']],
      ['early, to be run again: fails', { rejectOnWorkerLost: true }, ['ack', FAILURE]],
    ]
    for (const [name, policy, expected] of rows) {
      it(name, async () => {
        const bench = new Bench({ policy, kills: true })
        bench.accept()
        bench.handler.onError(lost)
        expect(await bench.end()).to.deep.equal(expected)
        expect(bench.logged.at(-1)).to.equal(
          `error Task handler raised error: WorkerLostError('${lost.message}')`,
        )
      })
    }

    it('gives up after the last delivery: fails, and is put aside', async () => {
      const bench = new Bench({ policy: LATE_AGAIN, delivery: { deliveryCount: 4 }, kills: true })
      bench.accept()
      bench.handler.onError(lost)
      expect(await bench.end()).to.deep.equal([`${FAILURE} Gave up after 5 deliveries.`, 'bury'])
    })

    it('never gives up when that is what the settings say', async () => {
      const delivery = { deliveryCount: 400 }
      const bench = new Bench({ policy: LATE_AGAIN, delivery, maxDeliveries: null, kills: true })
      expect(bench.accept()).to.equal(true)
      bench.handler.onError(lost)
      expect(await bench.end()).to.deep.equal(['requeue counted'])
    })

    it('fails what the pool cannot tell the end of', async () => {
      const bench = new Bench({ policy: LATE })
      bench.accept()
      bench.handler.onError('no error at all')
      expect(await bench.end()).to.deep.equal([
        "FAILURE: Error: Exception('no error at all')",
        'ack',
      ])
    })
  })

  describe('of a task that may have ended a worker before', () => {
    const again = { redelivered: true, deliveryCount: 2 }

    it('lets it go back once to be counted, before it runs in the process of the worker', async () => {
      const bench = new Bench({ policy: LATE, delivery: again })
      expect(bench.accept()).to.equal(false)
      expect(await bench.end()).to.deep.equal(['requeue counted'])
      expect(bench.state.reserved.size + bench.state.active.size).to.equal(0)
    })

    for (const [name, setUp] of [
      ['it was counted', { policy: LATE, delivery: { ...again, redelivered: false } }],
      ['it has a process of its own', { policy: LATE, delivery: again, kills: true }],
      ['it is acked early', { delivery: { redelivered: true, deliveryCount: 100 } }],
      ['there is no limit', { policy: LATE, delivery: again, maxDeliveries: null }],
    ] as const) {
      it(`runs it when ${name}`, () => {
        expect(new Bench(setUp).accept()).to.equal(true)
      })
    }

    it('runs it when this very process had it before, and let go of it alive', async () => {
      const bench = new Bench({ policy: LATE, delivery: again })
      bench.state.survivors.add(bench.request.id)
      expect(bench.accept()).to.equal(true)
      expect(bench.state.survivors.take(bench.request.id)).to.equal(false)
    })

    it('runs it no more when it was delivered too often', async () => {
      const bench = new Bench({ policy: LATE, delivery: { deliveryCount: 5 } })
      expect(bench.accept()).to.equal(false)
      const text = 'Worker exited prematurely. Gave up after 5 deliveries.'
      expect(await bench.end()).to.deep.equal([`FAILURE: WorkerLostError: ${text}`, 'bury'])
    })
  })

  describe('terminates', () => {
    it('a run by its process', async () => {
      const bench = new Bench({ policy: LATE, kills: true })
      bench.accept()
      expect(bench.request.terminate(9)).to.equal(true)
      bench.handler.onError(new TaskRevokedError('terminated'))
      expect(await bench.end()).to.deep.equal([
        'kill: TaskRevokedError',
        'revoked: terminated 9',
        'ack',
      ])
    })

    it('a run by its signal, where it has no process of its own', async () => {
      const bench = new Bench({ policy: LATE })
      bench.accept()
      bench.request.terminate(15)
      bench.handler.onOutcome(OUTCOMES.ignore)
      expect(await bench.end()).to.deep.equal([
        'abort: TaskRevokedError',
        'revoked: terminated 15',
        'ack',
      ])
    })

    it('what has not started as soon as it would', async () => {
      const bench = new Bench()
      bench.request.execute()
      expect(bench.request.terminate(15)).to.equal(false)
      expect(bench.handler.onAccepted(7)).to.equal(false)
      expect(await bench.end()).to.deep.equal(['revoked: terminated 15', 'ack'])
    })

    it('not what was over already', async () => {
      const bench = new Bench({ policy: LATE })
      bench.accept()
      bench.request.terminate(15)
      bench.handler.onOutcome(OUTCOMES.success)
      expect(await bench.end()).to.deep.equal(['abort: TaskRevokedError', 'ack'])
    })
  })

  describe('is cancelled', () => {
    const shutdown = new WorkerShutdown()
    const loss = new LeaseLostError('gone')
    const given = OUTCOMES['reject with requeue']
    const rows: readonly (readonly [
      string,
      SetUp,
      WorkerShutdown | LeaseLostError,
      readonly string[],
    ])[] = [
      [
        'early, at a cold shutdown: RETRY, though nobody runs it again',
        {},
        shutdown,
        ['ack', 'RETRY'],
      ],
      ['late, at a cold shutdown: goes back', { policy: LATE }, shutdown, ['requeue anew']],
      ['late, as its connection is lost: RETRY', { policy: LATE }, loss, ['requeue anew', 'RETRY']],
    ]
    for (const [name, setUp, reason, expected] of rows) {
      it(`${name}, where it was killed`, async () => {
        const bench = new Bench({ ...setUp, kills: true })
        bench.accept()
        bench.request.cancel(reason)
        bench.handler.onError(reason)
        expect((await bench.end()).toSorted()).to.deep.equal(
          [...expected, `kill: ${reason.name}`].toSorted(),
        )
      })

      it(`${name}, where it was told`, async () => {
        const bench = new Bench(setUp)
        bench.accept()
        bench.request.cancel(reason)
        bench.handler.onOutcome(given)
        expect((await bench.end()).toSorted()).to.deep.equal(
          [...expected, `abort: ${reason.name}`].toSorted(),
        )
      })
    }

    it('too late: what has succeeded is a success', async () => {
      const bench = new Bench({ policy: LATE })
      bench.accept()
      bench.request.cancel(shutdown)
      bench.handler.onOutcome(OUTCOMES.success)
      expect(await bench.end()).to.deep.equal(['abort: WorkerShutdown', 'ack'])
    })
  })

  it('goes back as it is when it has not started', async () => {
    const bench = new Bench({ delivery: { redelivered: true, deliveryCount: 3 } })
    bench.request.execute()
    bench.handler.onDropped()
    expect(await bench.end()).to.deep.equal(['requeue'])
  })

  describe('is dropped after it was accepted, for its child was gone', () => {
    it('early: it was lost with its child', async () => {
      const bench = new Bench({ policy: { timeLimit: 3 }, kills: true })
      bench.accept()
      bench.handler.onDropped()
      bench.clock.advance(3000)
      expect(await bench.end()).to.deep.equal([
        'ack',
        'FAILURE: WorkerLostError: Worker exited prematurely.',
      ])
    })

    it('late: goes back', async () => {
      const bench = new Bench({ policy: { ...LATE, timeLimit: 3 }, kills: true })
      bench.accept()
      bench.handler.onDropped()
      bench.clock.advance(3000)
      expect(await bench.end()).to.deep.equal(['requeue'])
    })
  })
})
