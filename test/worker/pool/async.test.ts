/** The pool that runs so many at a time in this process. */

import { expect } from 'chai'
import { AsyncPool } from '../../../src/worker/pool/async.ts'
import type { Runner } from '../../../src/worker/pool/pool.ts'
import { poolContract, STAGE_SIZE, type Stage } from '../../contracts/pool.ts'

/** A runner whose jobs end when the test says so. */
function stageHere(name: string, size: number): Stage {
  const started: string[] = []
  const signals = new Map<string, AbortSignal>()
  const ends = new Map<string, () => void>()
  const runner: Runner<unknown> = ({ id, payload }, { signal }) => {
    started.push(id)
    signals.set(id, signal)
    if (payload === 'broken') return Promise.reject(new Error('broken'))
    return new Promise((resolve) => ends.set(id, () => resolve(`done ${id}`)))
  }
  const job = (id: string, payload: unknown = null) => ({
    id,
    task: 't',
    payload,
    wire: () => null,
  })
  return {
    pool: new AsyncPool(runner, size, name),
    started,
    job,
    brokenJob: (id) => job(id, 'broken'),
    placeOf: () => `${process.pid}/0`,
    abortedBy: (id) => {
      const signal = signals.get(id)
      const { name: type, message } = (signal?.reason ?? {}) as Error
      return signal?.aborted === true ? `${type}: ${message}` : undefined
    },
    end: (id) => ends.get(id)?.(),
    text: String,
    close: async () => {},
  }
}

for (const [name, size] of [
  ['async', STAGE_SIZE],
  ['solo', 1],
] as const) {
  poolContract({ name, size, kills: false, open: async () => stageHere(name, size) })
}

describe('worker/pool/async', () => {
  it('takes a runner that throws as one that rejects', async () => {
    const pool = new AsyncPool<string>(() => {
      throw new Error('at once')
    }, 1)
    const error = await new Promise((resolve) => {
      pool.submit(
        { id: '1', task: 't', payload: null, wire: () => null },
        { onAccepted: () => true, onOutcome: () => {}, onError: resolve, onDropped: () => {} },
      )
    })
    expect(error).to.have.property('message', 'at once')
    await pool.stop()
  })
})
