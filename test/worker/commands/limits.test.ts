/** Remote commands that change how often and how long tasks run. */

import { expect } from 'chai'
import type { PlainObject } from '../../../protocol/plain.ts'
import type { Worker } from '../../../src/worker/worker.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { until } from '../../support/until.ts'
import { Gate, Harness } from '../harness.ts'

const NODE = 'w1@host'

describe('worker/commands/limits', () => {
  let harness: Harness
  let worker: Worker
  let clock: FakeClock
  let gate: Gate

  beforeEach(async () => {
    harness = new Harness()
    clock = new FakeClock(Date.now())
    gate = new Gate()
    harness.app.task('t.wait', { bind: true }, (self, name: string) => gate.pass(name, self.signal))
    worker = await harness.started({ clock })
  })
  afterEach(() => harness.close())

  async function ask(method: string, args: PlainObject): Promise<unknown> {
    const command = { method, arguments: args, destination: [NODE] }
    const [reply] = await harness.app.control.mailbox.call(command, { timeout: 5 })
    return reply?.[NODE]
  }

  describe('rate_limit', () => {
    it('limits a task from its next message on, and lifts the limit again', async () => {
      const task_name = 't.wait'
      expect(await ask('rate_limit', { task_name, rate_limit: '1/m' })).to.deep.equal({
        ok: 'new rate limit set successfully',
      })
      expect(harness.logs('info')).to.include('New rate limit for tasks of type t.wait: 1/m.')
      for (const name of ['a', 'b']) await harness.app.sendTask(task_name, [name])
      await until(
        () => harness.logs('info').filter((line) => line.endsWith('received')).length === 2,
      )
      expect(gate.started).to.deep.equal(['a'])
      expect(await ask('rate_limit', { task_name, rate_limit: 0 })).to.deep.equal({
        ok: 'rate limit disabled successfully',
      })
      expect(harness.logs('info')).to.include('Rate limits disabled for tasks of type t.wait')
      await harness.app.sendTask(task_name, ['c'])
      await until(() => gate.started.length === 2)
      clock.advance(60_000)
      gate.open('a')
      await until(() => gate.started.length === 3)
      expect(gate.started).to.deep.equal(['a', 'c', 'b'])
      gate.open('b')
      gate.open('c')
    })

    it('says as Celery does what it does not know', async () => {
      expect(await ask('rate_limit', { task_name: 't.none', rate_limit: '1/m' })).to.deep.equal({
        error: 'unknown task',
      })
      expect(harness.logs('error')).to.include('Rate limit attempt for unknown task t.none')
      expect(await ask('rate_limit', { task_name: 't.wait', rate_limit: 'abc' })).to.deep.equal({
        error: `Invalid rate limit string: ValueError("could not convert string to float: 'abc'")`,
      })
      expect(await ask('rate_limit', { rate_limit: '1/m' })).to.deep.equal({
        error: `TypeError("rate_limit() missing 1 required positional argument: 'task_name'")`,
      })
    })

    it('changes nothing for arguments that are none, however long they are', async () => {
      const many = 'x'.repeat(1_000_000)
      for (const rate_limit of ['-1/s', -1, 'inf', [], {}, true, many, '1/d']) {
        expect(await ask('rate_limit', { task_name: 't.wait', rate_limit }))
          .to.have.property('error')
          .that.matches(/^Invalid rate limit string: /)
          .and.has.length.below(2000)
      }
      for (const task_name of [1, null, ['t.wait'], '__proto__', many]) {
        const reply = await ask('rate_limit', { task_name, rate_limit: '1/h' })
        expect(reply).to.deep.equal({ error: 'unknown task' })
      }
      expect(harness.logged.every((line) => line.length < 2000)).to.equal(true)
      for (const name of ['a', 'b']) await harness.app.sendTask('t.wait', [name])
      await until(() => gate.started.length === 2)
      gate.open('a')
      gate.open('b')
    })
  })

  describe('time_limit', () => {
    it('gives a task limits from its next run on, in place of its own', async () => {
      const args = { task_name: 't.wait', soft: 0.05, hard: 60 }
      expect(await ask('time_limit', args)).to.deep.equal({ ok: 'time limits set successfully' })
      expect(harness.logs('info')).to.include(
        'New time limits for tasks of type t.wait: soft=0.05 hard=60',
      )
      expect(worker.state.limits.get('t.wait')).to.deep.equal({ soft: 0.05, hard: 60 })
      await harness.app.sendTask('t.wait', ['a'])
      await until(() => gate.reasons.length === 1)
      expect(gate.reasons[0]).to.have.property('name', 'SoftTimeLimitExceeded')
    })

    it('takes a limit that is not given for none of its own', async () => {
      await ask('time_limit', { task_name: 't.wait', hard: 1.5 })
      expect(worker.state.limits.get('t.wait')).to.deep.equal({ soft: null, hard: 1.5 })
      expect(harness.logs('info')).to.include(
        'New time limits for tasks of type t.wait: soft=None hard=1.5',
      )
    })

    it('says as Celery does what it does not know, and takes only seconds', async () => {
      for (const args of [{ task_name: 't.none', soft: 1 }, {}]) {
        expect(await ask('time_limit', args)).to.deep.equal({ error: 'unknown task' })
      }
      expect(harness.logs('error')).to.include('Change time limit attempt for unknown task t.none')
      for (const soft of ['1', -1, Number.MAX_VALUE * 10, [], {}, true]) {
        expect(await ask('time_limit', { task_name: 't.wait', soft }))
          .to.have.property('error')
          .that.matches(/^TypeError\(/)
      }
      expect(worker.state.limits.size).to.equal(0)
    })
  })
})
