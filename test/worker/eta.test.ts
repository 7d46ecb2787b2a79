/** Tasks that wait for their eta: which are held, which are put aside, and that none is early or lost. */

import { expect } from 'chai'
import { LeaseLostError, OperationalError } from '../../src/errors.ts'
import { EtaTasks, type EtaContext, type EtaTask } from '../../src/worker/eta.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { recorder } from './harness.ts'

const HOUR = 3600 * 1000

/** A task that keeps what happened to it. */
class Task implements EtaTask {
  readonly label: string
  readonly schedule: { readonly eta: number | undefined }
  /** To when it was put aside. */
  readonly postponed: number[] = []
  dropped = 0
  fails: Error | undefined

  constructor(label: string, eta: number | undefined) {
    this.label = label
    this.schedule = { eta }
  }

  readonly delivery = {
    postpone: async (until: number): Promise<void> => {
      this.postponed.push(until)
      if (this.fails !== undefined) throw this.fails
    },
  }

  onDropped(): void {
    this.dropped += 1
  }
}

class Stage {
  readonly clock = new FakeClock()
  readonly monotonic = new FakeClock(0)
  readonly start = this.clock.now()
  readonly scheduled = new Set<Task>()
  readonly logged: string[] = []
  readonly due: string[] = []
  readonly early: string[] = []
  /** By how much the prefetch count is raised. */
  raised = 0
  readonly eta: EtaTasks<Task>
  #pending: Promise<void>[] = []

  constructor(options: Partial<EtaContext<Task>> & { readonly etaRoom?: number } = {}) {
    const { etaRoom = Infinity, ...context } = options
    const { clock, monotonic, scheduled } = this
    this.eta = new EtaTasks<Task>(
      {
        clock,
        monotonic,
        log: recorder(this.logged),
        state: { scheduled },
        settlements: { track: (work) => void this.#pending.push(work) },
        prefetch: {
          increment: () => void (this.raised += 1),
          decrement: () => void (this.raised -= 1),
          etaRoom,
        },
        etaHoldLimit: 3,
        holdLimit: () => Infinity,
        ...context,
      },
      (task) => this.#run(task),
    )
  }

  /** A delivery with such a countdown, in seconds. */
  deliver(label: string, countdown: number, fails?: Error): Task {
    const task = new Task(label, this.start + countdown * 1000)
    task.fails = fails
    if (this.eta.isFar(task)) this.eta.putAside(task)
    else if (!this.eta.hold(task)) this.#run(task)
    return task
  }

  get held(): string[] {
    return [...this.scheduled].map(({ label }) => label).toSorted()
  }

  /** Lets time pass on both clocks, and what is on its way arrive. */
  async pass(seconds: number): Promise<void> {
    this.clock.advance(seconds * 1000)
    this.monotonic.advance(seconds * 1000)
    await this.settled()
  }

  async settled(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
  }

  #run(task: Task): void {
    if ((task.schedule.eta ?? 0) > this.clock.now()) this.early.push(task.label)
    this.due.push(task.label)
  }
}

describe('worker/eta', () => {
  it('leaves alone what has no eta, or one that has passed', () => {
    const stage = new Stage()
    expect(stage.eta.hold(new Task('none', undefined))).to.equal(false)
    expect(stage.eta.hold(new Task('now', stage.start))).to.equal(false)
    expect(stage.eta.hold(new Task('past', stage.start - 1))).to.equal(false)
    expect(stage.held).to.deep.equal([])
  })

  it('holds a task until its eta, and not a millisecond less', async () => {
    const stage = new Stage()
    stage.deliver('a', 10)
    expect(stage.held).to.deep.equal(['a'])
    await stage.pass(9.999)
    expect(stage.due).to.deep.equal([])
    await stage.pass(0.001)
    expect(stage.due).to.deep.equal(['a'])
    expect(stage.held).to.deep.equal([])
  })

  it('raises the prefetch count by one for each that it holds', async () => {
    const stage = new Stage()
    for (const countdown of [2, 3, 4]) stage.deliver(`${countdown}`, countdown)
    expect(stage.raised).to.equal(3)
    await stage.pass(2)
    expect(stage.raised).to.equal(2)
    stage.eta.drop()
    expect(stage.raised).to.equal(0)
  })

  it('raises it for those that it puts aside, and for a second longer, within bounds: more are to come', async () => {
    const stage = new Stage({ etaHoldLimit: 1 })
    stage.deliver('near', 10)
    stage.deliver('late', -1)
    for (let n = 0; n < 10; n += 1) stage.deliver(`${n}`, 60 + n)
    expect(stage.raised).to.equal(1 + 1 + 2 * 10)
    await stage.pass(0.999)
    expect(stage.raised).to.equal(1 + 1 + 10)
    for (let n = 10; n < 400; n += 1) stage.deliver(`${n}`, 60 + n)
    expect(stage.raised).to.equal(1 + 100 + 250)
    await stage.pass(1)
    expect(stage.raised).to.equal(1)
    stage.deliver('last', 90)
    stage.eta.drop()
    await stage.settled()
    expect(stage.raised).to.equal(0)
  })

  describe('when there are more than may be held', () => {
    it('holds the nearest, whichever came first, and puts the others aside', () => {
      const stage = new Stage()
      const tasks = [40, 10, 60, 20, 50, 30].map((s) => stage.deliver(`${s}`, s))
      expect(stage.held).to.deep.equal(['10', '20', '30'])
      const aside = tasks.filter(({ postponed }) => postponed.length > 0)
      expect(aside.map(({ label }) => label).toSorted()).to.deep.equal(['40', '50', '60'])
    })

    it('puts aside until half a second before the eta, so that the way back costs no time', () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 0.5)
      const far = stage.deliver('far', 60)
      expect(far.postponed).to.deep.equal([stage.start + 59_500])
      const soon = stage.deliver('soon', 0.75)
      expect(soon.postponed).to.deep.equal([stage.start + 750])
    })

    it('takes what comes back as anything else: held while there is time, else run', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 1)
      stage.deliver('far', 60)
      await stage.pass(59)
      stage.deliver('far', 60)
      expect(stage.held).to.deep.equal(['far'])
      await stage.pass(1)
      expect(stage.due).to.deep.equal(['near', 'far'])
    })

    it('holds one at least', () => {
      const stage = new Stage({ etaHoldLimit: 0 })
      stage.deliver('a', 1)
      expect(stage.held).to.deep.equal(['a'])
    })

    it('holds no more than leaves the prefetch window open for others', () => {
      const stage = new Stage({ etaRoom: 2 })
      for (const countdown of [1, 2, 3]) stage.deliver(`${countdown}`, countdown)
      expect(stage.held).to.deep.equal(['1', '2'])
    })

    it('keeps to the bound in a burst, and settles all the others', async () => {
      const stage = new Stage({ etaHoldLimit: 100 })
      const seconds = Array.from({ length: 10_000 }, (_, n) => 10 + ((n * 7919) % 10_000))
      const tasks = seconds.map((s) => stage.deliver(`${s}`, s))
      expect(stage.scheduled.size).to.equal(100)
      const latest = Math.max(...[...stage.scheduled].map(({ schedule }) => schedule.eta ?? 0))
      expect(latest).to.equal(stage.start + 109_000)
      await stage.settled()
      const aside = tasks.filter(({ postponed }) => postponed.length === 1)
      expect(aside).to.have.length(9900)
    })
  })

  describe('where the broker leaves a delivery only so long', () => {
    const limited = { holdLimit: () => 600 }

    it('puts aside at once what is farther away', () => {
      const stage = new Stage(limited)
      const far = stage.deliver('far', 601)
      stage.deliver('near', 600)
      expect(far.postponed).to.deep.equal([stage.start + 600_500])
      expect(stage.held).to.deep.equal(['near'])
    })

    it('puts aside what it has held for so long: the time of day may be set back meanwhile', async () => {
      const stage = new Stage(limited)
      const task = stage.deliver('a', 500)
      stage.clock.jump(-HOUR)
      await stage.pass(599)
      expect(task.postponed).to.deep.equal([])
      await stage.pass(1)
      expect(task.postponed).to.deep.equal([stage.start + 499_500])
      expect(stage.held).to.deep.equal([])
      await stage.pass(1)
      expect(stage.raised).to.equal(0)
      await stage.pass(HOUR / 1000)
      expect(stage.due).to.deep.equal([])
    })
  })

  describe('when the time of day is set', () => {
    it('forward, runs within a second what is due by then', async () => {
      const stage = new Stage()
      stage.deliver('a', 1800)
      stage.deliver('b', 7200)
      stage.clock.jump(HOUR)
      await stage.pass(1)
      expect(stage.due).to.deep.equal(['a'])
      expect(stage.early).to.deep.equal([])
    })

    it('back, waits on', async () => {
      const stage = new Stage()
      stage.deliver('a', 10)
      stage.clock.jump(-HOUR)
      await stage.pass(20)
      expect(stage.due).to.deep.equal([])
      await stage.pass(HOUR / 1000)
      expect(stage.due).to.deep.equal(['a'])
      expect(stage.early).to.deep.equal([])
    })
  })

  describe('when a task cannot be put aside', () => {
    const refused = new OperationalError('OOM command not allowed')

    it('forgets what is no longer its own', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 1)
      const far = stage.deliver('far', 60, new LeaseLostError('gone'))
      await stage.settled()
      expect(stage.held).to.deep.equal(['near'])
      expect(far.dropped).to.equal(0)
      expect(stage.logged.filter((line) => line.startsWith('warning'))).to.deep.equal([])
    })

    it('keeps it, raises no prefetch count for it, and tries again', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 100)
      const far = stage.deliver('far', 200, refused)
      await stage.settled()
      expect(stage.held).to.deep.equal(['far', 'near'])
      await stage.pass(1)
      expect(stage.raised).to.equal(1)
      far.fails = undefined
      await stage.pass(4)
      expect(far.postponed).to.have.length(2)
      expect(stage.held).to.deep.equal(['near'])
    })

    it('runs it at its eta when it never could', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 1)
      stage.deliver('far', 3, refused)
      await stage.settled()
      await stage.pass(2.999)
      expect(stage.due).to.deep.equal(['near'])
      await stage.pass(0.001)
      expect(stage.due).to.deep.equal(['near', 'far'])
    })

    it('says so once, until it works again', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      const warnings = (): number => stage.logged.filter((line) => line.startsWith('warn')).length
      stage.deliver('near', 1)
      for (const s of [60, 61, 62]) stage.deliver(`${s}`, s, refused)
      await stage.settled()
      expect(warnings()).to.equal(1)
      stage.deliver('fine', 63)
      await stage.settled()
      stage.deliver('again', 64, refused)
      await stage.settled()
      expect(warnings()).to.equal(2)
      expect(stage.logged.at(-1)).to.match(/^warning Cannot put tasks aside .*OOM/)
    })

    it('gives it back when all was given back meanwhile', async () => {
      const stage = new Stage({ etaHoldLimit: 1 })
      stage.deliver('near', 1)
      const far = stage.deliver('far', 60, refused)
      stage.eta.drop()
      await stage.settled()
      expect(far.dropped).to.equal(1)
      expect(stage.held).to.deep.equal([])
      await stage.pass(120)
      expect(stage.due).to.deep.equal([])
    })
  })

  it('gives back each that it holds, once, and forgets their times', async () => {
    const stage = new Stage({ holdLimit: () => 600 })
    const tasks = [1, 2, 3].map((s) => stage.deliver(`${s}`, s))
    stage.eta.drop()
    stage.eta.drop()
    expect(tasks.map(({ dropped }) => dropped)).to.deep.equal([1, 1, 1])
    expect(stage.held).to.deep.equal([])
    await stage.pass(1000)
    expect(stage.due).to.deep.equal([])
    expect(tasks.flatMap(({ postponed }) => postponed)).to.deep.equal([])
    expect([stage.clock.alarms, stage.monotonic.alarms]).to.deep.equal([0, 0])
  })
})
