/** Remote commands for the pool and for the worker's end. */

import { expect } from 'chai'
import type { PlainObject } from '../../../protocol/plain.ts'
import type { SettingsInput } from '../../../src/conf/settings.ts'
import type { Worker, WorkerOptions } from '../../../src/worker/worker.ts'
import { until } from '../../support/until.ts'
import { Gate, Harness } from '../harness.ts'

const NODE = 'w1@host'

describe('worker/commands/pool', () => {
  let harness: Harness
  let worker: Worker
  let gate: Gate
  beforeEach(() => (gate = new Gate()))
  afterEach(() => harness.close())

  async function start(options: WorkerOptions = {}, settings: SettingsInput = {}): Promise<void> {
    harness = new Harness(settings)
    worker = await harness.started(options)
    harness.app.task('t.wait', (name: string) => gate.pass(name))
  }

  async function ask(method: string, args: PlainObject = {}, timeout = 5): Promise<unknown> {
    const command = { method, arguments: args, destination: [NODE] }
    const [reply] = await harness.app.control.mailbox.call(command, { timeout })
    return reply?.[NODE]
  }

  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await harness.app.sendTask('t.wait', [`${n}`])
  }
  const finish = async (): Promise<void> => {
    for (const name of gate.started) gate.open(name)
  }

  it('grow lets more run at a time, and fetches as many more', async () => {
    await start({ concurrency: 1, prefetchMultiplier: 2 })
    await send(12)
    await until(() => gate.started.length === 1)
    expect(await ask('pool_grow', { n: 2 })).to.deep.equal({ ok: 'pool will grow' })
    await until(() => gate.started.length === 3)
    // Three run, acked; three times two wait.
    await until(() => worker.state.reserved.size === 9)
    expect(await ask('pool_grow')).to.deep.equal({ ok: 'pool will grow' })
    await until(() => gate.started.length === 4)
    await until(async () => (await harness.waiting()) === 0)
  })

  it('shrink lets fewer run, never less than one', async () => {
    await start({ concurrency: 3, prefetchMultiplier: 1 })
    expect(await ask('pool_shrink', { n: 50 })).to.deep.equal({ ok: 'pool will shrink' })
    await send(4)
    await until(() => worker.state.reserved.size === 2)
    expect(gate.started).to.have.length(1)
    expect(await ask('pool_shrink')).to.deep.equal({ ok: 'pool will shrink' })
    await finish()
    await until(() => gate.started.length === 2)
  })

  it('leaves a prefetch count without limit without limit', async () => {
    await start({ concurrency: 1, prefetchMultiplier: 0 })
    await ask('pool_grow', { n: 1 })
    await send(50)
    await until(() => worker.state.reserved.size === 50)
  })

  it('takes whole numbers only, and not too many', async () => {
    await start({ concurrency: 1 })
    for (const n of [-1, 1.5, '2', 1e9, [], {}, true]) {
      for (const method of ['pool_grow', 'pool_shrink']) {
        expect(await ask(method, { n }))
          .to.have.property('error')
          .that.matches(/^TypeError\('n must be a whole number/)
      }
    }
  })

  it('does not make more of a pool that runs one at a time', async () => {
    await start({ pool: 'solo' })
    for (const method of ['pool_grow', 'pool_shrink']) {
      expect(await ask(method))
        .to.have.property('error')
        .that.includes("the pool 'solo'")
    }
  })

  it('autoscale changes the range, and the pool is not to be changed beside it', async () => {
    await start({ autoscale: [4, 2], prefetchMultiplier: 1 })
    expect(await ask('autoscale', { max: 3, min: 1 })).to.deep.equal({
      ok: 'autoscale now max=3 min=1',
    })
    expect(await ask('autoscale', { max: 5 })).to.deep.equal({ ok: 'autoscale now max=5 min=1' })
    for (const method of ['pool_grow', 'pool_shrink']) {
      expect(await ask(method)).to.deep.equal({
        error: `${method} is not supported with autoscale. Adjust autoscale range instead.`,
      })
    }
    for (const args of [{ max: 0 }, { max: 1, min: 2 }, { max: '9' }, { max: 1e9 }]) {
      expect(await ask('autoscale', args)).to.have.property('error')
    }
    expect(worker.autoscale).to.deep.equal([5, 1])
    await send(20)
    // Five run, acked; five wait.
    await until(() => gate.started.length === 5 && worker.state.reserved.size === 10)
  })

  it('autoscale is an error where the pool does not scale', async () => {
    await start()
    expect(await ask('autoscale', { max: 3, min: 1 })).to.deep.equal({
      error: "ValueError('Autoscale not enabled')",
    })
  })

  it('restart needs the setting, and loads nothing that a message names', async () => {
    await start()
    expect(await ask('pool_restart')).to.deep.equal({
      error: "ValueError('Pool restarts not enabled')",
    })
    await harness.close()
    await start({}, { workerPoolRestarts: true })
    const nothing = { modules: null, reload: false, reloader: null }
    expect(await ask('pool_restart', nothing)).to.deep.equal({ ok: 'reload started' })
    for (const args of [{ modules: ['node:fs'] }, { modules: 'node:fs' }, { reloader: 'x' }]) {
      expect(await ask('pool_restart', args))
        .to.have.property('error')
        .that.includes('no code is loaded that a message names')
    }
  })

  it('shutdown ends the worker warm, without a reply', async () => {
    await start()
    await send(1)
    await until(() => gate.started.length === 1)
    const asked = ask('shutdown', {}, 0.3)
    await until(() => harness.logs('warning').includes('Got shutdown from remote'))
    await finish()
    expect(await worker.closed).to.equal(undefined)
    expect(gate.ended).to.deep.equal(['0'])
    expect(await asked).to.equal(undefined)
  })

  it('shutdown says what it was given, on one line that is not too long', async () => {
    await start()
    await harness.app.control.mailbox.cast({
      method: 'shutdown',
      arguments: { msg: `maintenance\n${'x'.repeat(100_000)}` },
    })
    await worker.closed
    const [line] = harness.logs('warning')
    expect(line)
      .to.match(/^maintenance/)
      .and.not.include('\n')
    expect(line).to.have.length.below(2000)
  })
})
