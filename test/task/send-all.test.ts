/** Sending the many calls of a plan: in order, with a bound, and with a clear word when only some went. */

import { expect } from 'chai'
import type { PlannedCall } from '../../src/canvas/plan.ts'
import { PartiallySentError } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { doAll, sendAll, unsentOf } from '../../src/task/send-all.ts'
import { FakeBackend } from './fakes.ts'

function calls(count: number): readonly PlannedCall[] {
  return Array.from({ length: count }, (_, index) => ({
    task: 'add',
    args: [index],
    kwargs: {},
    options: { task_id: `id-${index}` },
  }))
}

const backend = new FakeBackend()
const resultOf = ({ options }: PlannedCall): AsyncResult =>
  new AsyncResult(String(options['task_id']), { backend })

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('the calls of a plan', () => {
  it('are sent in their order, many at a time but not all', async () => {
    const begun: unknown[] = []
    let waiting = 0
    let most = 0
    const results = await sendAll(calls(2000), async (call) => {
      begun.push(call.args[0])
      most = Math.max(most, (waiting += 1))
      await new Promise((resolve) => setImmediate(resolve))
      waiting -= 1
      return resultOf(call)
    })
    expect(begun).to.deep.equal(Array.from({ length: 2000 }, (_, index) => index))
    expect(results.map(({ id }) => id).slice(0, 3)).to.deep.equal(['id-0', 'id-1', 'id-2'])
    expect(most).to.be.within(2, 1000)
  })

  it('are preceded by the chords that they belong to, many at a time but not all', async () => {
    let waiting = 0
    let most = 0
    const open = async (): Promise<void> => {
      most = Math.max(most, (waiting += 1))
      await new Promise((resolve) => setImmediate(resolve))
      waiting -= 1
    }
    await doAll(calls(2000), open)
    expect(most).to.be.within(2, 1000)
  })

  it('are told apart when one cannot be sent: those that were, and the others', async () => {
    const cause = new Error('no such value')
    const planned = calls(3)
    const send = async (call: PlannedCall): Promise<AsyncResult> => {
      if (call.args[0] === 1) throw cause
      return resultOf(call)
    }
    const error = await rejection(sendAll(planned, send))
    expect(error).to.be.instanceOf(PartiallySentError)
    expect(error).to.include({ code: 'ERR_PARTIALLY_SENT', cause })
    expect(error).to.have.deep.property('sent', ['id-0', 'id-2'])
    expect(error).to.have.deep.property('unsent', ['id-1'])
    expect(String(error)).to.include('only 2 of 3 messages were sent: no such value')
    expect(unsentOf(error)).to.deep.equal([planned[1]])
  })

  it('are not begun any more after a failure', async () => {
    let begun = 0
    const send = async (call: PlannedCall): Promise<AsyncResult> => {
      begun += 1
      await new Promise((resolve) => setImmediate(resolve))
      if (call.args[0] === 0) throw new Error('away')
      return resultOf(call)
    }
    const error = await rejection(sendAll(calls(5000), send))
    expect(error).to.be.instanceOf(PartiallySentError)
    expect(begun).to.be.lessThan(2000)
  })

  it('fail with the error itself when none was sent', async () => {
    const away = new Error('away')
    const error = await rejection(
      sendAll(calls(3), () => {
        throw away
      }),
    )
    expect(error).to.equal(away)
    expect(unsentOf(error)).to.have.length(3)
  })
})
