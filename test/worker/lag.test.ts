/** Whether a worker notices that a task blocks it. */

import { expect } from 'chai'
import { LagMonitor } from '../../src/worker/lag.ts'
import { recorder } from './harness.ts'

describe('worker/lag', () => {
  const setUp = (running: () => Iterable<string>) => {
    const logged: string[] = []
    const time = { ms: 0 }
    const monitor = new LagMonitor({ log: recorder(logged), running, now: () => time.ms })
    return { logged, time, monitor }
  }

  it('warns when the loop was blocked, and names who ran', async () => {
    let running = ['a[1]']
    const { logged, time, monitor } = setUp(() => running)
    await monitor.start()
    time.ms = 1000
    monitor.look()
    running = ['b[2]']
    time.ms = 9000
    monitor.look()
    time.ms = 10_000
    monitor.look()
    await monitor.stop()
    expect(logged).to.have.length(1)
    expect(logged[0]).to.match(
      /^warning The event loop was blocked for 7\.0 seconds\. Suspects: a\[1\], b\[2\]\./,
    )
  })

  it('names a few only, and nobody when nothing ran', async () => {
    const { logged, time, monitor } = setUp(() => Array.from({ length: 100 }, (_, i) => `t[${i}]`))
    time.ms = 60_000
    monitor.look()
    expect(logged[0]).to.include('Suspects: t[0], t[1], t[2], t[3], t[4]. Every')
    const idle = setUp(() => [])
    idle.time.ms = 60_000
    idle.monitor.look()
    expect(idle.logged[0]).to.match(/blocked for 59\.0 seconds\. Every other/)
  })

  it('stops twice, and before it was started', async () => {
    const { monitor } = setUp(() => [])
    await monitor.stop()
    await monitor.start()
    await monitor.stop()
    await monitor.stop()
  })
})
