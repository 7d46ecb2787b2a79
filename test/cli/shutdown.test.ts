/** Signals to a worker: how it ends, and with which exit code. */

import { expect } from 'chai'
import { Shutdown } from '../../src/cli/shutdown.ts'

describe('cli/shutdown', () => {
  const setUp = (remapSigterm?: string, commandLine?: string) => {
    const told: string[] = []
    const worker = {
      stop: async ({ sig }: { sig?: string } = {}) => void told.push(`stop ${sig}`),
      terminate: async ({ sig }: { sig?: string } = {}) => void told.push(`terminate ${sig}`),
      cancel: () => void told.push('cancel'),
    }
    const shutdown = new Shutdown({
      worker,
      say: (text) => void told.push(text.replace(/^worker: /, '').slice(0, 20)),
      exit: (code) => void told.push(`exit ${code}`),
      remapSigterm,
      commandLine,
      cry: () => 'two tasks run',
      onError: (error) => void told.push(String(error)),
    })
    return { told, shutdown }
  }

  it('is warm on SIGTERM, however often', () => {
    const { told, shutdown } = setUp()
    shutdown.on('SIGTERM')
    shutdown.on('SIGTERM')
    expect(told).to.deep.equal(['Warm shutdown (MainP', 'stop SIGTERM', 'Warm shutdown (MainP'])
    expect(shutdown.exitcode).to.equal(0)
  })

  it('is warm on the first SIGINT, and cold on the next', () => {
    const { told, shutdown } = setUp()
    shutdown.on('SIGINT')
    expect(told).to.deep.equal(['Hitting Ctrl+C again', 'Warm shutdown (MainP', 'stop SIGINT'])
    shutdown.on('SIGINT')
    expect(told.slice(3)).to.deep.equal([
      'Hitting Ctrl+C again',
      'Cold shutdown (MainP',
      'terminate SIGINT',
    ])
    expect(shutdown.exitcode).to.equal(1)
  })

  it('is cold on SIGQUIT, then impatient, then at an end', () => {
    const { told, shutdown } = setUp()
    for (let i = 0; i < 3; i += 1) shutdown.on('SIGQUIT')
    expect(told).to.deep.equal([
      'Hitting Ctrl+C again',
      'Cold shutdown (MainP',
      'terminate SIGQUIT',
      'Waiting gracefully f',
      'cancel',
      'exit 1',
    ])
  })

  it('takes SIGTERM for SIGQUIT when it is told to', () => {
    const { told, shutdown } = setUp('SIGQUIT')
    shutdown.on('SIGTERM')
    expect(told.at(-1)).to.equal('terminate SIGTERM')
    expect(shutdown.exitcode).to.equal(1)
  })

  it('is warm on SIGHUP, and starts over', () => {
    const { told, shutdown } = setUp(undefined, 'celeriac -A app worker')
    shutdown.on('SIGHUP')
    shutdown.on('SIGHUP')
    expect(told).to.deep.equal(['Restarting celery wo', 'stop SIGHUP'])
    expect(shutdown.restarts).to.equal(true)
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    it(`does not start over when ${signal} comes too`, () => {
      const { shutdown } = setUp(undefined, 'celeriac -A app worker')
      shutdown.on('SIGHUP')
      shutdown.on(signal)
      expect(shutdown.restarts).to.equal(false)
    })
  }

  it('listens to SIGHUP only when it can start over', () => {
    const before = process.listenerCount('SIGHUP')
    const remove = setUp().shutdown.install()
    expect(process.listenerCount('SIGHUP')).to.equal(before)
    remove()
  })

  it('says what is going on on SIGUSR1, and goes on', () => {
    const { told, shutdown } = setUp()
    shutdown.on('SIGUSR1')
    expect(told).to.deep.equal(['two tasks run'])
  })

  it('listens until it is told not to', () => {
    const { shutdown } = setUp()
    const before = process.listenerCount('SIGQUIT')
    const remove = shutdown.install()
    expect(process.listenerCount('SIGQUIT')).to.equal(before + 1)
    remove()
    expect(process.listenerCount('SIGQUIT')).to.equal(before)
  })

  it('ends in order, with exit code 1, when something went wrong', () => {
    const { told, shutdown } = setUp()
    shutdown.fail()
    expect(told.at(-1)).to.equal('stop undefined')
    expect(shutdown.exitcode).to.equal(1)
  })
})
