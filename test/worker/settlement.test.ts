/** Acknowledgements on their way: waited for, and counted when too late. */

import { expect } from 'chai'
import { LeaseLostError, OperationalError } from '../../src/errors.ts'
import type { Delivery } from '../../src/messaging/transport.ts'
import { Settlements } from '../../src/worker/settlement.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { recorder } from './harness.ts'

function delivery(answer: () => Promise<void>): Delivery {
  return { ack: answer, reject: answer, requeue: answer } as Delivery
}

describe('worker/settlement', () => {
  let logged: string[]
  let clock: FakeClock
  let settlements: Settlements

  beforeEach(() => {
    logged = []
    clock = new FakeClock()
    settlements = new Settlements(recorder(logged), clock)
  })

  it('gives back as it is told to: as it was, counted, or anew', async () => {
    const told: unknown[] = []
    const requeue = async (options: unknown): Promise<void> => void told.push(options)
    const given = { requeue } as unknown as Delivery
    for (const how of ['requeue', 'requeueCounted', 'requeueAnew'] as const) {
      settlements.settle(given, how)
    }
    await settlements.idle()
    expect(told).to.deep.equal([{}, { counted: true }, { anew: true }])
  })

  it('tells of each answer, also of one that came too late, but not of what did not run', async () => {
    let settled = 0
    settlements.onSettled = () => (settled += 1)
    const late = delivery(() => Promise.reject(new LeaseLostError('gone')))
    settlements.settle(
      delivery(() => Promise.resolve()),
      'reject',
    )
    settlements.settle(late, 'ack')
    settlements.settle(late, 'requeueAnew')
    settlements.settle(late, 'requeue')
    settlements.track(Promise.resolve())
    await settlements.idle()
    expect(settled).to.equal(3)
  })

  it('is idle when nothing is on its way', () => settlements.idle())

  it('waits until the broker was told', async () => {
    let told: () => void = () => {}
    settlements.settle(
      delivery(() => new Promise((resolve) => (told = resolve))),
      'ack',
    )
    settlements.track(Promise.resolve())
    let idle = false
    const waiting = settlements.idle().then(() => (idle = true))
    await new Promise(setImmediate)
    expect(idle).to.equal(false)
    told()
    await waiting
    expect(logged).to.deep.equal([])
  })

  it('tells of late ones once in a while, with their number', async () => {
    const late = delivery(() => Promise.reject(new LeaseLostError('gone')))
    for (const how of ['ack', 'reject', 'ack'] as const) settlements.settle(late, how)
    await new Promise(setImmediate)
    expect(logged).to.deep.equal([])
    clock.advance(1000)
    expect(logged).to.have.length(1)
    expect(logged[0]).to.match(/^warning 3 acknowledgement\(s\) came too late/)
    settlements.settle(late, 'ack')
    await settlements.idle()
    expect(logged[1]).to.match(/^warning 1 acknowledgement/)
    expect(clock.alarms).to.equal(0)
  })

  it('has nothing to say of what is given back to a lost connection', async () => {
    settlements.settle(
      delivery(() => Promise.reject(new LeaseLostError('gone'))),
      'requeue',
    )
    await settlements.idle()
    expect(logged).to.deep.equal([])
  })

  it('tells of any other error', async () => {
    const broken = delivery(() => Promise.reject(new OperationalError('no')))
    settlements.settle(broken, 'ack')
    settlements.settle(broken, 'requeue')
    await settlements.idle()
    expect(logged).to.deep.equal(["critical Couldn't ack: no", "error Couldn't requeue: no"])
  })
})
