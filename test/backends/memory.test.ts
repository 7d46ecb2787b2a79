/** Whether the memory backend keeps the contract, and its bounds. */

import { expect } from 'chai'
import { MemoryBackend } from '../../src/backends/memory.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupContract } from '../contracts/groups.ts'
import { backendDeps, meta } from '../support/backend.ts'

let memories = 0

describe('the memory backend', () => {
  backendContract(async () => {
    const url = `memory://test-${(memories += 1)}`
    return {
      client: new MemoryBackend(url, backendDeps()),
      worker: new MemoryBackend(url, backendDeps()),
      options: {},
      close: async () => {},
    }
  })

  groupContract(async () => new MemoryBackend('memory://groups', backendDeps()))

  it('is shared by those who name the same memory, under either scheme', async () => {
    const one = new MemoryBackend('memory://shared/', backendDeps())
    const two = new MemoryBackend('cache+memory://shared', backendDeps())
    const other = new MemoryBackend('memory://other', backendDeps())
    await one.store(meta('a', 'SUCCESS', 1))
    expect((await two.fetch('a')).status).to.equal('SUCCESS')
    expect((await other.fetch('a')).status).to.equal('PENDING')
  })
})
