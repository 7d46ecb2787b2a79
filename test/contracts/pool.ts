/** What every pool must do; run over all of them. */

import { expect } from 'chai'
import type { Job, JobHandler, Pool, Runner } from '../../src/worker/pool/pool.ts'
import { until } from '../support/until.ts'

interface PoolCase {
  readonly name: string
  /** How many jobs run at a time when three are asked for. */
  readonly size: number
  readonly open: (runner: Runner<string>) => Pool<string>
}

/** A runner whose jobs end when the test says so. */
class Gate {
  readonly started: string[] = []
  readonly signals = new Map<string, AbortSignal>()
  readonly #ends = new Map<string, (error?: Error) => void>()

  readonly run: Runner<string> = (job, { signal }) => {
    this.started.push(job.id)
    this.signals.set(job.id, signal)
    return new Promise((resolve, reject) => {
      this.#ends.set(job.id, (error) => (error ? reject(error) : resolve(`done ${job.id}`)))
    })
  }

  end(id: string, error?: Error): void {
    this.#ends.get(id)?.(error)
  }
}

/** Writes down what the pool tells. */
class Recorder implements JobHandler<string> {
  readonly told: string[] = []
  readonly #accept: boolean
  constructor(accept = true) {
    this.#accept = accept
  }
  onAccepted(pid: number): boolean {
    this.told.push(pid > 0 ? 'accepted' : 'accepted without pid')
    return this.#accept
  }
  onOutcome(outcome: string): void {
    this.told.push(outcome)
  }
  onError(error: unknown): void {
    this.told.push(`error ${(error as Error).message}`)
  }
  onDropped(): void {
    this.told.push('dropped')
  }
}

export function poolContract({ name, size, open }: PoolCase): void {
  describe(`pool contract: ${name}`, () => {
    let gate: Gate
    let pool: Pool<string>
    const job = (id: number | string): Job => ({
      id: String(id),
      task: 't',
      payload: null,
      wire: () => null,
    })

    beforeEach(async () => {
      gate = new Gate()
      pool = open(gate.run)
      await pool.start()
    })

    it('runs as many jobs at a time as it has slots, in the order they came', async () => {
      const handlers = Array.from({ length: size + 2 }, () => new Recorder())
      handlers.forEach((handler, i) => pool.submit(job(i), handler))
      const first = Array.from({ length: size }, (_, i) => String(i))
      await until(() => gate.started.length === size)
      expect(gate.started).to.deep.equal(first)
      expect([pool.size, pool.running, pool.waiting]).to.deep.equal([size, size, 2])
      gate.end('0')
      await until(() => gate.started.length === size + 1)
      expect(gate.started.at(-1)).to.equal(String(size))
      expect(handlers[0]?.told).to.deep.equal(['accepted', 'done 0'])
      expect(handlers.at(-1)?.told).to.deep.equal([])
    })

    it('tells of a runner that broke, and goes on', async () => {
      const broken = new Recorder()
      const next = new Recorder()
      pool.submit(job('broken'), broken)
      await until(() => gate.started.length === 1)
      gate.end('broken', new Error('no runner'))
      await until(() => broken.told.length === 2)
      expect(broken.told).to.deep.equal(['accepted', 'error no runner'])
      pool.submit(job('next'), next)
      await until(() => gate.started.length === 2)
      gate.end('next')
      await until(() => next.told.length === 2)
    })

    it('does not run a job that its handler lets go', async () => {
      const gone = new Recorder(false)
      pool.submit(job('gone'), gone)
      pool.submit(job('next'), new Recorder())
      await until(() => gate.started.length === 1)
      expect(gate.started).to.deep.equal(['next'])
      expect(gone.told).to.deep.equal(['accepted'])
    })

    it('drops what waits when it is flushed; what runs goes on', async () => {
      const handlers = Array.from({ length: size + 2 }, () => new Recorder())
      handlers.forEach((handler, i) => pool.submit(job(i), handler))
      pool.flush()
      expect(handlers.at(-1)?.told).to.deep.equal(['dropped'])
      expect(pool.waiting).to.equal(0)
      await until(() => gate.started.length === size)
      gate.end('0')
      await until(() => handlers[0]?.told.length === 2)
      expect(gate.started).to.have.length(size)
    })

    it('stops when what runs has ended, and drops the rest', async () => {
      const handlers = Array.from({ length: size + 1 }, () => new Recorder())
      handlers.forEach((handler, i) => pool.submit(job(i), handler))
      await until(() => gate.started.length === size)
      let stopped = false
      const stop = pool.stop().then(() => (stopped = true))
      expect(handlers.at(-1)?.told).to.deep.equal(['dropped'])
      await Promise.resolve()
      expect(stopped).to.equal(false)
      for (let i = 0; i < size; i += 1) gate.end(String(i))
      await stop
      for (const handler of handlers.slice(0, size)) expect(handler.told).to.have.length(2)
      const late = new Recorder()
      pool.submit(job('late'), late)
      expect(late.told).to.deep.equal(['dropped'])
      await pool.stop()
    })

    it('stops at once when nothing runs, started or not', async () => {
      await pool.stop()
      await open(gate.run).stop()
    })

    it('grows at once, and shrinks as jobs end, not below one', async () => {
      for (let i = 0; i < size + 2; i += 1) pool.submit(job(i), new Recorder())
      pool.grow(1)
      await until(() => gate.started.length === size + 1)
      pool.shrink(size + 100)
      expect(pool.size).to.equal(1)
      expect(pool.running).to.equal(size + 1)
      for (let i = 0; i < size + 1; i += 1) gate.end(String(i))
      await until(() => gate.started.length === size + 2)
      expect(pool.running).to.equal(1)
    })

    it('aborts one job by its id, or all', async () => {
      pool.grow(1)
      pool.submit(job('a'), new Recorder())
      pool.submit(job('b'), new Recorder())
      await until(() => gate.started.length === 2)
      const reason = new Error('stop')
      pool.abort(reason, 'a')
      await until(() => gate.signals.get('a')?.aborted)
      expect(gate.signals.get('a')?.reason).to.equal(reason)
      expect(gate.signals.get('b')?.aborted).to.equal(false)
      pool.abort(reason)
      await until(() => gate.signals.get('b')?.aborted)
    })

    it('tells about itself', () => {
      const info = pool.info()
      expect(info.implementation).to.match(/./)
      expect(info.maxConcurrency).to.equal(size)
      expect(info.processes.length).to.be.at.least(1)
    })
  })
}
