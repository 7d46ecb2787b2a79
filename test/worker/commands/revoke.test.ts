/** The worker's remote commands: what they do to tasks, and what they reply. */

import { expect } from 'chai'
import type { PlainObject } from '../../../protocol/plain.ts'
import { TaskRevokedError } from '../../../src/errors.ts'
import { taskRevoked } from '../../../src/worker/signals.ts'
import { until } from '../../support/until.ts'
import { Gate, Harness } from '../harness.ts'

const NODE = 'w1@host'

describe('worker/commands/revoke', () => {
  let harness: Harness
  let gate: Gate

  beforeEach(() => {
    harness = new Harness()
    gate = new Gate()
  })
  afterEach(() => harness.close())

  /** What the worker replies to a command. */
  async function ask(method: string, args: PlainObject = {}): Promise<unknown> {
    const command = { method, arguments: args, destination: [NODE] }
    const [reply] = await harness.app.control.mailbox.call(command, { timeout: 5 })
    return reply?.[NODE]
  }

  const waiting = (options = {}) =>
    harness.app.task('t.wait', { ...options, bind: true }, (self, name: string) =>
      gate.pass(name, self.signal),
    )

  const resultOf = (id: string): Promise<unknown> =>
    harness.app
      .asyncResult(id)
      .get({ timeout: 5 })
      .catch((reason: unknown) => reason)

  it('answer a ping', async () => {
    await harness.started()
    expect(await ask('ping')).to.deep.equal({ ok: 'pong' })
    expect(await ask('ping', { anything: 1 })).to.deep.equal({ ok: 'pong' })
  })

  it('are not there when the settings say so', async () => {
    const deaf = new Harness({ workerEnableRemoteControl: false })
    try {
      await deaf.started()
      expect(await deaf.app.control.revoke('x', { reply: true, timeout: 0.1 })).to.deep.equal([])
    } finally {
      await deaf.close()
    }
  })

  describe('revoke', () => {
    it('keeps a task from running that comes later, and its result says so at once', async () => {
      const worker = await harness.started()
      const wait = waiting()
      expect(await ask('revoke', { task_id: 'r1' })).to.deep.equal({
        ok: "tasks {'r1'} flagged as revoked",
      })
      expect(worker.state.revoked.has('r1')).to.equal(true)
      const error = await resultOf('r1')
      expect(error).to.be.instanceOf(TaskRevokedError)
      expect(error).to.have.property('message', 'revoked')
      await wait.applyAsync(['a'], { taskId: 'r1' })
      await until(() => harness.logs('info').includes('Discarding revoked task: t.wait[r1]'))
      expect(gate.started).to.deep.equal([])
    })

    it('takes several, each once', async () => {
      const worker = await harness.started()
      expect(await ask('revoke', { task_id: ['r2', 'r3', 'r2'] })).to.deep.equal({
        ok: "tasks {'r2', 'r3'} flagged as revoked",
      })
      expect(worker.state.revoked.size).to.equal(2)
      expect(await ask('revoke', { task_id: [] })).to.deep.equal({
        ok: 'tasks set() flagged as revoked',
      })
    })

    it('discards a task that waits for its eta when it comes, or for a place in the pool', async () => {
      await harness.started({ concurrency: 1 })
      const wait = waiting()
      await wait.delay('first')
      const eta = await wait.applyAsync(['eta'], { countdown: 0.3 })
      const reserved = await wait.delay('reserved')
      await until(() => gate.started.length === 1)
      await eta.revoke()
      await reserved.revoke({ wait: true, timeout: 0.05 })
      gate.open('first')
      for (const { id } of [eta, reserved]) {
        await until(() => harness.logs('info').includes(`Discarding revoked task: t.wait[${id}]`))
        expect(await resultOf(id)).to.be.instanceOf(TaskRevokedError)
      }
      expect(gate.started).to.deep.equal(['first'])
      await until(async () => (await harness.waiting()) === 0)
    })

    it('lets a task run on that runs, unless it shall end', async () => {
      await harness.started()
      const wait = waiting()
      const result = await wait.delay('a')
      await until(() => gate.started.length === 1)
      await ask('revoke', { task_id: result.id })
      gate.open('a')
      await until(() => gate.ended.length === 1)
      expect(gate.reasons).to.deep.equal([])
    })

    for (const acksLate of [false, true]) {
      it(`ends a task that runs${acksLate ? ', and acks it only then' : ''}`, async () => {
        const seen: unknown[] = []
        const disconnect = taskRevoked.connect(({ terminated, signum, expired }) => {
          seen.push([terminated, signum, expired])
        })
        const worker = await harness.started()
        const result = await waiting({ acksLate }).delay('a')
        await until(() => gate.started.length === 1)
        const reply = await ask('revoke', { task_id: result.id, terminate: true, signal: 'KILL' })
        expect(reply).to.deep.equal({ ok: `terminate: ${result.id}` })
        const error = await resultOf(result.id)
        expect(error).to.be.instanceOf(TaskRevokedError)
        expect(error).to.have.property('message', 'terminated')
        expect(gate.reasons[0]).to.be.instanceOf(TaskRevokedError)
        await until(() => seen.length === 1)
        expect(seen).to.deep.equal([[true, 9, false]])
        expect(worker.state.active.size).to.equal(0)
        expect(harness.logs('info')).to.include(`Terminating ${result.id} (9)`)
        expect(harness.logs('info').join('\n')).not.to.include('ignored')
        await worker.stop()
        expect(await harness.waiting()).to.equal(0)
        disconnect()
      })
    }

    it('ends none that does not run, and says whether it has it', async () => {
      await harness.started()
      const wait = waiting()
      const result = await wait.applyAsync(['a'], { countdown: 60 })
      await until(() => harness.logs('info').some((line) => line.includes('received')))
      expect(await ask('revoke', { task_id: result.id, terminate: true })).to.deep.equal({
        ok: `terminate: ${result.id}`,
      })
      expect(await resultOf(result.id)).to.have.property('message', 'revoked')
      expect(await ask('revoke', { task_id: 'r9', terminate: true })).to.deep.equal({
        ok: 'terminate: tasks unknown',
      })
    })

    it('has a shorthand that ends tasks', async () => {
      await harness.started()
      const result = await waiting().delay('a')
      await until(() => gate.started.length === 1)
      expect(await ask('terminate', { task_id: result.id })).to.deep.equal({
        error: `TypeError("terminate() missing 1 required positional argument: 'signal'")`,
      })
      expect(await ask('terminate', { task_id: result.id, signal: 'SIGKILL' })).to.deep.equal({
        ok: `terminate: ${result.id}`,
      })
      expect(await resultOf(result.id)).to.have.property('message', 'terminated')
    })

    it('refuses what is no id and no signal, and revokes nothing then', async () => {
      const worker = await harness.started()
      const wrong: readonly PlainObject[] = [
        {},
        { task_id: 7 },
        { task_id: { a: 1 } },
        { task_id: [null] },
        { task_id: [['x']] },
        { task_id: '' },
        { task_id: 'x'.repeat(1_000_000) },
        { task_id: Array.from({ length: 50_001 }, (_, i) => `${i}`) },
        { task_id: 'x', terminate: true, signal: 'SIGSTOP' },
        { task_id: 'x', terminate: true, signal: 'sigterm' },
        { task_id: 'x', terminate: true, signal: '__proto__' },
        { task_id: 'x', terminate: true, signal: 19 },
        { task_id: 'x', terminate: true, signal: ['SIGTERM'] },
      ]
      for (const args of wrong) {
        expect(await ask('revoke', args))
          .to.have.property('error')
          .that.matches(/^TypeError\(/)
      }
      expect(worker.state.revoked.size).to.equal(0)
      expect(harness.logged.every((line) => line.length < 2000)).to.equal(true)
    })
  })

  describe('revoke_by_stamped_headers', () => {
    const command = 'revoke_by_stamped_headers'

    /** Sends a task as Celery's `stamp()` does. */
    async function sendStamped(id: string, stamps: PlainObject): Promise<void> {
      const stamped = { stamped_headers: Object.keys(stamps), stamps }
      await harness.publish({
        headers: { task: 't.wait', id, lang: 'py', ...stamped },
        properties: { correlationId: id },
        body: Buffer.from(`[["${id}"], {}, {}]`),
      })
    }

    it('keeps tasks with a stamp from running, whatever else they are stamped with', async () => {
      await harness.started()
      waiting()
      expect(await ask(command, { headers: { tenant: 'acme', n: [1, 2] } })).to.deep.equal({
        ok: "headers {'tenant': 'acme', 'n': [1, 2]} flagged as revoked, but not terminated",
      })
      await sendStamped('s1', { tenant: ['other', 'acme'] })
      await sendStamped('s2', { region: 'eu', n: 2 })
      await sendStamped('s3', { tenant: 'other', n: 3 })
      await until(() => gate.started.length === 1)
      gate.open('s3')
      expect(gate.started).to.deep.equal(['s3'])
      for (const [id, header] of [
        ['s1', "{'tenant': 'acme'}"],
        ['s2', "{'n': 2}"],
      ] as const) {
        const line = `Discarding revoked task: t.wait[${id}] (revoked by header: ${header})`
        await until(() => harness.logs('info').includes(line))
        expect(await resultOf(id)).to.have.property('message', 'revoked')
      }
    })

    it('takes a list of pairs, as the command line of Celery sends it', async () => {
      const worker = await harness.started()
      expect(await ask(command, { headers: ['tenant=acme', 'n=1'] })).to.deep.equal({
        ok: "headers {'tenant': 'acme', 'n': '1'} flagged as revoked, but not terminated",
      })
      expect(worker.state.revokedStamps.size).to.equal(2)
    })

    it('ends those that run, and says which stamps they had', async () => {
      await harness.started({ concurrency: 3 })
      waiting()
      await sendStamped('s1', { tenant: 'acme' })
      await sendStamped('s2', { tenant: ['acme', 'initech'] })
      await sendStamped('s3', { tenant: 'other' })
      await until(() => gate.started.length === 3)
      const headers = { tenant: ['acme', 'nobody'] }
      expect(await ask(command, { headers, terminate: true, signal: 'SIGKILL' })).to.deep.equal({
        ok: "headers defaultdict(<class 'set'>, {'tenant': {'acme'}}) revoked",
      })
      for (const id of ['s1', 's2']) {
        expect(await resultOf(id)).to.have.property('message', 'terminated')
      }
      gate.open('s3')
      await until(() => gate.ended.length === 1)
      expect(await ask(command, { headers: { tenant: 'x' }, terminate: true })).to.deep.equal({
        ok: "headers {'tenant': 'x'} were not terminated",
      })
    })

    it('refuses what are no headers, and revokes nothing then', async () => {
      const worker = await harness.started()
      const wrong: readonly PlainObject[] = [
        {},
        { headers: null },
        { headers: 'tenant=acme' },
        { headers: ['tenant'] },
        { headers: [1] },
        { headers: { tenant: 'x'.repeat(100_000) } },
        { headers: { ['x'.repeat(100_000)]: 'a' } },
        { headers: { tenant: Array.from({ length: 50_001 }, (_, i) => i) } },
        { headers: { tenant: 'acme' }, signal: 'SIGSTOP' },
      ]
      for (const args of wrong) {
        expect(await ask(command, args))
          .to.have.property('error')
          .that.matches(/^TypeError\(/)
      }
      expect(worker.state.revokedStamps.size).to.equal(0)
    })
  })
})
