/** When a pool starts, gives work to, and replaces its children; these only say what real ones would. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../../src/errors.ts'
import { ChildPool, type ChildPoolOptions } from '../../../src/worker/pool/child-pool.ts'
import { toPlain, type FromChild, type ToChild } from '../../../src/worker/pool/ipc.ts'
import type { JobHandler } from '../../../src/worker/pool/pool.ts'
import type { ChildEvents } from '../../../src/worker/pool/slot.ts'
import { until } from '../../support/until.ts'
import { recorder } from '../harness.ts'

/** A child as the pool sees it. */
class FakeChild {
  readonly pid: number
  readonly heard: ToChild[] = []
  readonly #events: ChildEvents
  killed = false
  /** Does not die of a kill. */
  immortal = false
  /** Nothing reaches it any more. */
  dead = false

  constructor(pid: number, events: ChildEvents) {
    this.pid = pid
    this.#events = events
  }

  send(message: ToChild, onUndelivered: () => void): void {
    if (this.dead) return setImmediate(onUndelivered) && undefined
    this.heard.push(message)
    if (message.celeriac === 'end') this.exit('exitcode 0')
  }

  kill(): void {
    this.killed = true
    if (!this.immortal) this.exit('signal 9 (SIGKILL)')
  }

  say(message: FromChild): void {
    this.#events.onMessage(message)
  }

  up(): void {
    this.say({ celeriac: 'up' })
  }

  done(outcome = 'done', memory = 0): void {
    this.say({ celeriac: 'outcome', outcome, memory })
  }

  exit(status: string): void {
    setImmediate(() => this.#events.onExit({ status }))
  }

  get jobs(): readonly unknown[] {
    return this.heard.flatMap((message) => (message.celeriac === 'job' ? [message.wire] : []))
  }
}

class Stage {
  readonly children: FakeChild[] = []
  readonly logged: string[] = []
  readonly failed: Error[] = []
  readonly told: string[] = []
  readonly pool: ChildPool<string>

  constructor(
    options: Partial<ChildPoolOptions> = {},
    born: (child: FakeChild) => unknown = () => {},
  ) {
    this.pool = new ChildPool<string>({
      implementation: 'prefork',
      size: 1,
      launcher: () => (events) => {
        const child = new FakeChild(this.children.length + 1, events)
        this.children.push(child)
        setImmediate(() => born(child))
        return child
      },
      setup: (number) => ({
        app: 'app',
        cwd: '/',
        settings: {},
        importModules: false,
        hostname: 'w1@host',
        processName: `ForkPoolWorker-${number}`,
        wantsRepr: false,
        wantsMemory: false,
      }),
      log: recorder(this.logged),
      maxTasksPerChild: null,
      maxMemoryPerChild: null,
      startTimeout: 5,
      timeouts: [1, 2],
      onFailed: (error) => this.failed.push(error),
      ...options,
    })
  }

  /** With children that come up by themselves. */
  static async up(options: Partial<ChildPoolOptions> = {}): Promise<Stage> {
    const stage = new Stage(options, (child) => child.up())
    await stage.pool.start()
    return stage
  }

  child(number: number): FakeChild {
    const child = this.children[number - 1]
    if (child === undefined) throw new Error(`there is no child ${number}`)
    return child
  }

  submit(id: string, wire: unknown = id): void {
    const handler: JobHandler<string> = {
      onAccepted: (pid) => this.told.push(`${id} accepted by ${pid}`) > 0,
      onOutcome: (outcome) => this.told.push(`${id} ${outcome}`),
      onError: (error) => this.told.push(`${id} error ${(error as Error).message}`),
      onDropped: () => this.told.push(`${id} dropped`),
    }
    this.pool.submit({ id, task: 't', payload: null, wire: () => wire }, handler)
  }
}

describe('worker/pool/child-pool', () => {
  it('tells each child who it is, and gives it one job at a time', async () => {
    const stage = await Stage.up({ size: 2 })
    for (const id of ['a', 'b', 'c']) stage.submit(id)
    expect(stage.children.map(({ jobs }) => jobs)).to.deep.equal([['a'], ['b']])
    expect(stage.child(2).heard[0]).to.have.nested.property('setup.processName', 'ForkPoolWorker-2')
    stage.child(2).done()
    expect(stage.child(2).jobs).to.deep.equal(['b', 'c'])
    expect(stage.told).to.deep.equal([
      'a accepted by 1',
      'b accepted by 2',
      'b done',
      'c accepted by 2',
    ])
    expect(stage.pool.info().more).to.deep.equal({
      'max-tasks-per-child': 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [1, 2],
      writes: {
        total: 3,
        avg: '0.50',
        all: '0.33, 0.67',
        raw: '1, 2',
        strategy: 'fair',
        inqueues: { total: 2, active: 2 },
      },
    })
  })

  it('tries again, ever slower, when children do not come up, then gives up with the last reason', async () => {
    const stage = new Stage({}, (child) => {
      child.say({ celeriac: 'failed', error: toPlain(new ImproperlyConfigured('no such module')) })
      child.exit('exitcode 1')
    })
    const error = await stage.pool.start().catch((reason: unknown) => reason)
    expect(stage.children).to.have.length(5)
    expect(error).to.be.instanceOf(ImproperlyConfigured)
    expect((error as Error).message).to.equal(
      "the children of the pool 'prefork' do not start: exitcode 1: no such module",
    )
    expect(stage.logged).to.include(
      'error Child of pool prefork pid:1 exited with exitcode 1: no such module',
    )
    expect(stage.failed).to.deep.equal([])
  })

  it('tells the worker when no child comes up any more', async () => {
    let healthy = true
    const stage = new Stage({ size: 5 }, (child) =>
      healthy ? child.up() : child.exit('exitcode 7'),
    )
    await stage.pool.start()
    healthy = false
    stage.submit('a')
    for (const child of stage.children) child.exit('signal 11 (SIGSEGV)')
    await until(() => stage.failed.length > 0)
    expect(stage.told.at(-1)).to.equal(
      'a error Worker exited prematurely: signal 11 (SIGSEGV) Job: a.',
    )
    expect(stage.failed).to.have.length(1)
    expect(stage.failed[0]?.message).to.match(
      /^the children of the pool 'prefork' do not start: (exitcode 7|signal 11)/,
    )
    await stage.pool.stop()
  })

  it('ends a child that is not ready in time', async () => {
    const stage = new Stage({ size: 5, startTimeout: 0.001 })
    const error = await stage.pool.start().catch((reason: unknown) => reason)
    expect((error as Error).message).to.match(
      /it was not ready within 0\.001 s \(workerProcAliveTimeout\)$/,
    )
    expect(stage.children.every(({ killed }) => killed)).to.equal(true)
  })

  it('gives a job that did not reach its child to another, and has it accepted once', async () => {
    const stage = await Stage.up()
    stage.child(1).dead = true
    stage.submit('a')
    await until(() => stage.children[1]?.jobs.length === 1)
    stage.child(2).done()
    expect(stage.told).to.deep.equal(['a accepted by 1', 'a done'])
    expect(stage.child(1).killed).to.equal(true)
  })

  describe('a job that was taken for a child that was gone, while there is no other', () => {
    const taken = async (): Promise<Stage> => {
      const stage = new Stage({}, (child) => child.pid === 1 && child.up())
      await stage.pool.start()
      stage.child(1).dead = true
      stage.submit('a')
      stage.submit('b')
      await until(() => stage.children.length === 2)
      return stage
    }

    it('is not given back as what has not started: it may be acked', async () => {
      const stage = await taken()
      stage.pool.flush()
      stage.child(2).up()
      await until(() => stage.children[1]?.jobs.length === 1)
      stage.child(2).done()
      expect(stage.told).to.deep.equal(['a accepted by 1', 'b dropped', 'a done'])
    })

    it('can be killed', async () => {
      const stage = await taken()
      expect(stage.pool.kill(new Error('hard'), 'b')).to.equal(false)
      expect(stage.pool.kill(new Error('hard'), 'a')).to.equal(true)
      stage.child(2).up()
      expect(stage.told).to.deep.equal(['a accepted by 1', 'a error hard', 'b accepted by 2'])
    })

    it('is dropped at the end', async () => {
      const stage = await taken()
      await stage.pool.stop()
      expect(stage.told).to.deep.equal(['a accepted by 1', 'a dropped', 'b dropped'])
    })
  })

  it('counts as an error of the job what cannot cross', async () => {
    const stage = await Stage.up()
    stage.child(1).send = () => {
      throw new Error('could not be cloned')
    }
    stage.submit('a')
    await until(() => stage.told.length === 2)
    expect(stage.told[1]).to.equal('a error could not be cloned')
    expect(stage.pool.running).to.equal(0)
  })

  it('tells the reason of a kill, not what the child still said, and not before it is gone', async () => {
    const stage = await Stage.up()
    stage.submit('a')
    stage.submit('b')
    expect(stage.pool.kill(new Error('hard'), 'a')).to.equal(true)
    stage.child(1).done()
    expect(stage.told).to.deep.equal(['a accepted by 1'])
    await until(() => stage.told.length === 3)
    expect(stage.told.slice(1)).to.deep.equal(['a error hard', 'b accepted by 2'])
    expect(stage.logged).to.deep.equal([])
  })

  it('gives up a child that does not even die of a kill', async () => {
    const stage = await Stage.up()
    stage.submit('a')
    stage.child(1).immortal = true
    stage.pool.kill(new Error('hard'), 'a')
    await until(() => stage.told.length === 2)
    expect(stage.told[1]).to.equal('a error hard')
  })

  it('replaces a child after its share of jobs, or of memory', async () => {
    const stage = await Stage.up({ maxTasksPerChild: 3, maxMemoryPerChild: 100 })
    for (const id of ['a', 'b', 'c', 'd', 'e']) stage.submit(id)
    for (let i = 0; i < 3; i += 1) stage.child(1).done('done', 100)
    await until(() => stage.children[1]?.jobs.length === 1)
    stage.child(2).done('done', 100.6)
    await until(() => stage.children[2]?.jobs.length === 1)
    expect(stage.children.map(({ jobs }) => jobs)).to.deep.equal([['a', 'b', 'c'], ['d'], ['e']])
    expect(stage.logged).to.deep.equal([
      'warning child process exiting after exceeding memory limit (101KiB / 100KiB)',
    ])
    expect(stage.children.some(({ killed }) => killed)).to.equal(false)
  })

  it('restarts all children, those that work when their job is done', async () => {
    const stage = await Stage.up({ size: 2 })
    stage.submit('a')
    stage.pool.restart()
    await until(() => stage.children.length === 3)
    expect(stage.child(1).heard.at(-1)).to.include({ celeriac: 'job' })
    stage.child(1).done()
    await until(() => stage.children.length === 4)
    expect(stage.told).to.deep.equal(['a accepted by 1', 'a done'])
  })

  it('kills what does not start while it is stopped, and starts nothing more', async () => {
    const stage = new Stage({ size: 2 })
    const start = stage.pool.start().catch((reason: unknown) => reason)
    await stage.pool.stop()
    expect(await start).to.have.property('code', 'ERR_OPERATIONAL')
    expect(stage.children.map(({ killed }) => killed)).to.deep.equal([true, true])
    stage.submit('late')
    expect(stage.told).to.deep.equal(['late dropped'])
  })

  it('tells which processes there are', async () => {
    const pids: (readonly number[])[] = []
    const stage = await Stage.up({ size: 2, onPids: (all) => pids.push(all) })
    expect(pids.at(-1)).to.deep.equal([1, 2])
    await stage.pool.stop()
    expect(pids.at(-1)).to.deep.equal([])
  })
})
