/** What every pool must do; run over all of them. */

import { expect } from 'chai'
import { LeaseLostError, SoftTimeLimitExceeded, TimeLimitExceeded } from '../../src/errors.ts'
import type { Job, JobHandler, Pool } from '../../src/worker/pool/pool.ts'
import { until as waitUntil } from '../support/until.ts'

/** A pool whose jobs end when the test says so, wherever they run. */
export interface Stage {
  readonly pool: Pool<unknown>
  job(id: string): Job
  /** Its runner rejects. */
  brokenJob(id: string): Job
  /** The ids of the jobs that run or ran, in that order. */
  readonly started: readonly string[]
  /** Ids of the processes and threads that they ran in: no two jobs in one place at a time. */
  placeOf(id: string): string
  /** Why the job's signal was aborted: `Class: message`. */
  abortedBy(id: string): string | undefined
  /** Lets a job return `done <id>`. */
  end(id: string): void
  /** What an outcome says, such as `done 1`. */
  text(outcome: unknown): string
  close(): Promise<void>
}

export interface PoolCase {
  readonly name: string
  /** How many jobs run at a time when `STAGE_SIZE` are asked for. */
  readonly size: number
  /** Whether jobs have a process or thread of their own. */
  readonly kills: boolean
  /** A pool that has not started. */
  readonly open: () => Promise<Stage>
}

export const STAGE_SIZE = 2

/** A child that takes the place of another loads the app first. */
const until = (condition: () => unknown): Promise<unknown> => waitUntil(condition, { seconds: 60 })

/** Writes down what the pool tells. */
class Recorder implements JobHandler<unknown> {
  readonly told: string[] = []
  readonly errors: unknown[] = []
  pid: number | undefined
  readonly #text: (outcome: unknown) => string
  readonly #accept: boolean
  constructor(stage: Stage, accept = true) {
    this.#text = (outcome) => stage.text(outcome)
    this.#accept = accept
  }
  onAccepted(pid: number): boolean {
    this.pid = pid
    this.told.push('accepted')
    return this.#accept
  }
  onOutcome(outcome: unknown): void {
    this.told.push(this.#text(outcome))
  }
  onError(error: unknown): void {
    this.errors.push(error)
    this.told.push(`error ${(error as Error).message}`)
  }
  onDropped(): void {
    this.told.push('dropped')
  }
}

export function poolContract({ name, size, kills, open }: PoolCase): void {
  describe(`pool contract: ${name}`, function () {
    // children that load the app, beside other tests
    this.timeout(120_000)
    let stage: Stage
    let pool: Pool<unknown>
    let ids = 0
    let jobs: { readonly id: string; readonly recorder: Recorder }[] = []

    before(async () => {
      stage = await open()
      pool = stage.pool
      await pool.start()
    })
    afterEach(async () => {
      pool.flush()
      for (const { id } of jobs) stage.end(id)
      await until(() =>
        jobs.every(({ recorder: { told } }) => !['accepted', undefined].includes(told.at(-1))),
      )
      jobs = []
      if (pool.size < size) pool.grow(size - pool.size)
      else if (pool.size > size) pool.shrink(pool.size - size)
    })
    after(() => stage.close())

    /** Submits so many jobs; their ids count on. */
    const submit = (count: number, { accept = true, broken = false } = {}): Recorder[] =>
      Array.from({ length: count }, () => {
        const id = String((ids += 1))
        const recorder = new Recorder(stage, accept)
        if (accept) jobs.push({ id, recorder })
        pool.submit(broken ? stage.brokenJob(id) : stage.job(id), recorder)
        return recorder
      })
    const idsOf = (recorders: readonly Recorder[]): string[] =>
      recorders.map((one) => jobs.find(({ recorder }) => recorder === one)?.id ?? '')
    const running = (recorders: readonly Recorder[]): Promise<unknown> =>
      until(() => idsOf(recorders).every((id) => stage.started.includes(id)))
    const done = (recorder: Recorder): Promise<unknown> => until(() => recorder.told.length === 2)

    it('runs as many jobs at a time as it has slots, in the order they came', async () => {
      const recorders = submit(size + 2)
      const all = idsOf(recorders)
      await running(recorders.slice(0, size))
      expect([pool.size, pool.running, pool.waiting]).to.deep.equal([size, size, 2])
      expect(recorders.at(-1)?.told).to.deep.equal([])
      stage.end(all[0] ?? '')
      await running(recorders.slice(0, size + 1))
      expect(recorders[0]?.told).to.deep.equal(['accepted', `done ${all[0]}`])
      expect(recorders.at(-1)?.told).to.deep.equal([])
      expect(stage.started.includes(all.at(-1) ?? '')).to.equal(false)
    })

    it('tells of the pid that a job runs in before it runs', async () => {
      const [recorder] = submit(1) as [Recorder]
      await running([recorder])
      expect(pool.info().processes).to.include(recorder.pid)
      expect(stage.placeOf(String(ids)).split('/')[0]).to.equal(String(recorder.pid))
    })

    it('tells of a runner that broke, and goes on', async () => {
      const [broken] = submit(1, { broken: true }) as [Recorder]
      await done(broken)
      expect(broken.told[1]).to.match(/^error ./)
      const [next] = submit(1) as [Recorder]
      await running([next])
    })

    it('does not run a job that its handler lets go', async () => {
      const [gone] = submit(1, { accept: false }) as [Recorder]
      const goneId = String(ids)
      const [next] = submit(1) as [Recorder]
      await running([next])
      expect(stage.started).to.not.include(goneId)
      expect(gone.told).to.deep.equal(['accepted'])
    })

    it('drops what waits when it is flushed; what runs goes on', async () => {
      const recorders = submit(size + 2)
      pool.flush()
      expect(recorders.map(({ told }) => told.at(-1)).slice(size)).to.deep.equal([
        'dropped',
        'dropped',
      ])
      expect(pool.waiting).to.equal(0)
      await running(recorders.slice(0, size))
      stage.end(idsOf(recorders)[0] ?? '')
      await done(recorders[0] as Recorder)
    })

    it('grows at once, and shrinks as jobs end, not below one', async () => {
      const recorders = submit(size + 2)
      pool.grow(1)
      await running(recorders.slice(0, size + 1))
      pool.shrink(size + 100)
      expect(pool.size).to.equal(1)
      expect(pool.running).to.equal(size + 1)
      for (const id of idsOf(recorders.slice(0, size + 1))) stage.end(id)
      await running(recorders)
      expect(pool.running).to.equal(1)
    })

    it('aborts one job, or all, with the very class of the reason', async () => {
      if (size < 2) pool.grow(1)
      const recorders = submit(2)
      const [a = '', b = ''] = idsOf(recorders)
      await running(recorders)
      pool.abort(new SoftTimeLimitExceeded(3), a)
      await until(() => stage.abortedBy(a))
      expect(stage.abortedBy(a)).to.equal('SoftTimeLimitExceeded: SoftTimeLimitExceeded(3)')
      expect(stage.abortedBy(b)).to.equal(undefined)
      pool.abort(new LeaseLostError('gone'))
      await until(() => stage.abortedBy(b))
      expect(stage.abortedBy(b)).to.equal('LeaseLostError: gone')
    })

    it('knows nothing of a job that it does not run', () => {
      pool.abort(new Error('nobody'), 'nosuch')
      expect(pool.kill(new Error('nobody'), 'nosuch')).to.equal(false)
    })

    if (kills) {
      it('kills one job with a reason, others go on, and the slot is free again', async () => {
        const [killed, other] = submit(size) as [Recorder, Recorder]
        const [id = '', otherId = ''] = idsOf([killed, other])
        await running([killed, other])
        const reason = new TimeLimitExceeded(1)
        expect(pool.kill(reason, id)).to.equal(true)
        await done(killed)
        expect(killed.errors).to.deep.equal([reason])
        const [next] = submit(1) as [Recorder]
        await running([next])
        expect(stage.placeOf(String(ids))).to.not.equal(stage.placeOf(id))
        stage.end(otherId)
        await done(other)
        expect(other.told).to.deep.equal(['accepted', `done ${otherId}`])
      })

      it('runs one job at a time in a child', async () => {
        const recorders = submit(size)
        await running(recorders)
        const places = new Set(idsOf(recorders).map((id) => stage.placeOf(id)))
        expect(places.size).to.equal(size)
      })
    } else {
      it('cannot kill', async () => {
        const [recorder] = submit(1) as [Recorder]
        await running([recorder])
        expect(pool.kill(new Error('no'), String(ids))).to.equal(false)
      })
    }

    it('tells about itself', () => {
      const info = pool.info()
      expect(info.implementation).to.equal(name)
      expect(info.maxConcurrency).to.equal(size)
      expect(info.processes.length).to.be.at.least(1)
    })

    it('stops at once when it has not started', async () => {
      const other = await open()
      await other.pool.stop()
      await other.close()
    })

    it('stops when what runs has ended, and drops the rest', async () => {
      const recorders = submit(size + 1)
      await running(recorders.slice(0, size))
      let stopped = false
      const stop = pool.stop().then(() => (stopped = true))
      expect(recorders.at(-1)?.told).to.deep.equal(['dropped'])
      await Promise.resolve()
      expect(stopped).to.equal(false)
      for (const id of idsOf(recorders.slice(0, size))) stage.end(id)
      await stop
      for (const { told } of recorders.slice(0, size)) expect(told).to.have.length(2)
      const [late] = submit(1) as [Recorder]
      expect(late.told).to.deep.equal(['dropped'])
      await pool.stop()
    })
  })
}
