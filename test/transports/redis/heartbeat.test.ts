/** The heartbeat of a Redis connection: what counts as an answer, and what does not. */

import { expect } from 'chai'
import type { Redis } from '../../../src/redis.ts'
import { Heartbeat } from '../../../src/transports/redis/heartbeat.ts'
import { until } from '../../support/until.ts'

describe('the heartbeat of a Redis connection', () => {
  it('takes an error for an answer, and still notices silence afterwards', async () => {
    let asked = 0
    const ping = async (): Promise<never> => {
      asked += 1
      if (asked === 1) throw new Error('MISCONF Redis is configured to save RDB snapshots')
      return await new Promise(() => {})
    }
    let lost: Error | undefined
    const heartbeat = new Heartbeat([{ ping } as unknown as Redis], {
      interval: 0.1,
      timeout: 0.1,
      onLost: (error) => (lost = error),
    })
    await until(() => lost)
    heartbeat.stop()
    expect(asked).to.equal(2)
    expect(lost?.message).to.equal('no answer for 0.1 s')
  })
})
