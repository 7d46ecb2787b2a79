/** How many deliveries a worker asks for while tasks wait for their eta. */

import { expect } from 'chai'
import { Prefetch, type PrefetchOptions } from '../../src/worker/prefetch.ts'
import { until } from '../support/until.ts'

function setUp(options: Partial<PrefetchOptions> = {}): { prefetch: Prefetch; told: number[] } {
  const told: number[] = []
  const apply = async (count: number): Promise<void> => void told.push(count)
  return { told, prefetch: new Prefetch({ initial: 8, apply, onError: () => {}, ...options }) }
}

describe('worker/prefetch', () => {
  it('tells the broker once for many changes of one turn', async () => {
    const { prefetch, told } = setUp()
    for (let i = 0; i < 12; i += 1) prefetch.increment()
    expect(prefetch.value).to.equal(20)
    await until(() => told.length > 0)
    for (let i = 0; i < 12; i += 1) prefetch.decrement()
    await until(() => told.length > 1)
    expect(told).to.deep.equal([20, 8])
  })

  it('does not tell what was taken back in the same turn', async () => {
    const { prefetch, told } = setUp()
    prefetch.increment()
    prefetch.decrement()
    await new Promise(setImmediate)
    expect(told).to.deep.equal([])
  })

  it('tells a change that came while another was told', async () => {
    const told: number[] = []
    let release: () => void = () => {}
    const { prefetch } = setUp({
      apply: (count) => (told.push(count), new Promise((resolve) => (release = resolve))),
    })
    prefetch.increment()
    await until(() => told.length === 1)
    prefetch.increment()
    release()
    await until(() => told.length === 2)
    release()
    expect(told).to.deep.equal([9, 10])
  })

  it('keeps no count where there is no limit', () => {
    const { prefetch } = setUp({ initial: 0 })
    prefetch.increment()
    expect(prefetch.value).to.equal(0)
  })

  it('takes a count beyond 16 bits for no limit', () => {
    const { prefetch } = setUp({ initial: 65535 })
    expect(prefetch.value).to.equal(65535)
    prefetch.increment()
    expect(prefetch.value).to.equal(0)
  })

  it('does not pass the limit for eta tasks, and comes back to where it was', () => {
    const { prefetch } = setUp({ etaTaskLimit: 10 })
    for (let i = 0; i < 100; i += 1) prefetch.increment()
    expect(prefetch.value).to.equal(10)
    for (let i = 0; i < 100; i += 1) prefetch.decrement()
    expect(prefetch.value).to.equal(8)
    prefetch.decrement()
    expect(prefetch.value).to.equal(8)
  })

  it('is not lowered by a limit below the base', () => {
    const { prefetch } = setUp({ etaTaskLimit: 3 })
    prefetch.increment()
    expect(prefetch.value).to.equal(8)
  })

  it('reports a change that could not be told, and tells it again', async () => {
    const errors: unknown[] = []
    const told: number[] = []
    const { prefetch } = setUp({
      apply: async (count) => {
        told.push(count)
        if (told.length === 1) throw new Error('lost')
      },
      onError: (error) => errors.push(error),
    })
    prefetch.resize(4)
    await until(() => errors.length === 1)
    prefetch.resize(4)
    await until(() => told.length === 2)
    expect(told).to.deep.equal([4, 4])
  })

  it('tells what changed while the last could not be told', async () => {
    const told: number[] = []
    const { prefetch } = setUp({
      apply: async (count) => {
        told.push(count)
        if (told.length > 1) return
        prefetch.resize(2)
        throw new Error('lost')
      },
    })
    prefetch.resize(4)
    await until(() => told.length === 2)
    expect(told).to.deep.equal([4, 2])
  })

  describe('after a lost connection', () => {
    it('is less by what still runs, and whole again when that is done', () => {
      const { prefetch } = setUp({ multiplier: 4, initial: 16 })
      expect(prefetch.reduce(2)).to.equal(true)
      expect(prefetch.value).to.equal(8)
      expect(prefetch.regain()).to.equal(false)
      expect(prefetch.value).to.equal(12)
      expect(prefetch.regain()).to.equal(true)
      expect(prefetch.regain()).to.equal(false)
      expect(prefetch.value).to.equal(16)
    })

    it('is enough for one slot, however many run', () => {
      const { prefetch } = setUp({ multiplier: 4, initial: 16 })
      prefetch.reduce(100)
      expect(prefetch.value).to.equal(4)
      prefetch.increment()
      expect(prefetch.value).to.equal(5)
    })

    it('is what it was when nothing runs, or there is no limit', () => {
      expect(setUp({ multiplier: 4 }).prefetch.reduce(0)).to.equal(false)
      const { prefetch } = setUp({ initial: 0, multiplier: 0 })
      expect(prefetch.reduce(3)).to.equal(false)
      expect(prefetch.value).to.equal(0)
    })

    it('is never less than one slot of a pool that has shrunk', () => {
      const { prefetch } = setUp({ multiplier: 4, initial: 16 })
      prefetch.reduce(3)
      prefetch.resize(8)
      expect(prefetch.value).to.equal(4)
    })
  })
})
