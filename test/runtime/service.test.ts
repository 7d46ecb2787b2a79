/** Services that start together. */

import { expect } from 'chai'
import { startAll, type Service } from '../../src/runtime/service.ts'

describe('startAll', () => {
  let told: string[]
  beforeEach(() => (told = []))

  const service = (name: string, start: () => void = () => {}): Service => ({
    start: async () => {
      told.push(`start ${name}`)
      start()
    },
    stop: async () => void told.push(`stop ${name}`),
  })

  it('starts them in order', async () => {
    await startAll([service('a'), service('b')])
    expect(told).to.deep.equal(['start a', 'start b'])
  })

  it('stops what runs, last first, when one fails', async () => {
    const fails = service('c', () => {
      throw new Error('boom')
    })
    const error: unknown = await startAll([service('a'), service('b'), fails]).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).to.have.property('message', 'boom')
    expect(told).to.deep.equal(['start a', 'start b', 'start c', 'stop b', 'stop a'])
  })

  it('starts no more when they are no longer wanted', async () => {
    let wanted = true
    const last = service('b', () => (wanted = false))
    await startAll([service('a'), last, service('c')], () => wanted)
    expect(told).to.deep.equal(['start a', 'start b'])
  })
})
